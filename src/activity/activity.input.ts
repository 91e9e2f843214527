import { ArgsType, Field, ID, InputType, registerEnumType } from 'type-graphql';
import { DomainError } from '../core/errors';
import { readInputId } from '../core/ids';
import type { ActivityKind } from './activity-change';

/** {@link ActivityKind} as a GraphQL enum. */
const ActivityKindEnum = {
  MODEL: 'MODEL',
  GENERATION: 'GENERATION',
  AVATAR: 'AVATAR',
  NOTICE: 'NOTICE',
} as const satisfies { [Kind in ActivityKind]: Kind };

registerEnumType(ActivityKindEnum, {
  name: 'ActivityKind',
  description: 'What changed. More values will be added.',
  valuesConfig: {
    MODEL: { description: 'Models: `ModelChanged`, `ModelDeleted`.' },
    GENERATION: { description: 'Generations: `GenerationChanged`, `GenerationDeleted`.' },
    AVATAR: { description: 'Avatars: `AvatarCreated`, `AvatarChanged`, `AvatarDeleted`.' },
    NOTICE: { description: 'Notices: `NoticeCreated`.' },
  },
});

@InputType({
  description:
    'Which activity. All conditions must hold; several values in a list mean any of them, and an empty list matches nothing. A condition that is left out or null matches everything. `CaughtUp` is sent with any filter.',
})
export class ActivityFilter {
  @Field(() => [ActivityKindEnum], { nullable: true, description: 'Of these kinds. At most 100.' })
  kinds?: ActivityKind[] | null;

  @Field(() => [ID], {
    nullable: true,
    description:
      'Of these models, by their global ids, with their generations and avatars, and no notices. An id without a model of yours matches nothing. At most 100.',
  })
  modelIds?: string[] | null;
}

@ArgsType()
export class ActivityArgs {
  @Field(() => String, {
    nullable: true,
    description:
      'The last cursor you have seen, or `viewer.activityCursor`. Null: start with your unfinished jobs.',
  })
  after?: string | null;

  @Field(() => ActivityFilter, {
    nullable: true,
    description: 'Only some of it. A cursor is valid with any filter. Null: all of it.',
  })
  filter?: ActivityFilter | null;

  @Field(() => Boolean, {
    defaultValue: true,
    description:
      'Whether to receive estimated progress between real changes, at most once a second for each job.',
  })
  estimates: boolean;
}

const maxValues = 100;

/**
 * The filter with ids decoded; null: no condition.
 * @throws DomainError INVALID_INPUT for more than 100 values
 */
export function activityFilterOf({ kinds = null, modelIds = null }: ActivityFilter): {
  kinds: ActivityKind[] | null;
  modelIds: string[] | null;
} {
  checkCount('kinds', kinds);
  checkCount('modelIds', modelIds);
  const ids = modelIds?.flatMap((id) => readInputId('AvatarModel', id, 'filter.modelIds').uuid ?? []);
  return { kinds, modelIds: ids ?? null };
}

function checkCount(name: string, values: readonly unknown[] | null): void {
  if (values === null || values.length <= maxValues) return;
  throw new DomainError(
    'INVALID_INPUT',
    `filter.${name} has ${values.length} values; ${maxValues} are allowed.`,
    {
      field: `filter.${name}`,
      details: { given: values.length, maximum: maxValues },
    },
  );
}
