import { ArgsType, Field, ID, InputType, Int, registerEnumType } from 'type-graphql';
import type { DomainError } from '../core/errors';
import { readInputId, type InputId, type NodeKind } from '../core/ids';
import { PageArgs, pageSizes } from '../graphql/connection';
import { DateTimeRangeInput, bothForms, timeOrderDescriptions } from '../graphql/lists';
import type { AvatarFilter as AvatarConditions } from './avatar.repository';
import type { GenerationFilter as GenerationConditions } from './generation.repository';
import type { GenerationStatus } from './generation.state';
import { GenerationStatusEnum } from './generation.type';

const GenerationOrderEnum = { NEWEST: 'NEWEST', OLDEST: 'OLDEST' } as const;
const AvatarOrderEnum = { NEWEST: 'NEWEST', OLDEST: 'OLDEST', FAVORITES: 'FAVORITES' } as const;

registerEnumType(GenerationOrderEnum, {
  name: 'GenerationOrder',
  description: 'The order of generations.',
  valuesConfig: timeOrderDescriptions,
});
registerEnumType(AvatarOrderEnum, {
  name: 'AvatarOrder',
  description: 'The order of avatars.',
  valuesConfig: {
    ...timeOrderDescriptions,
    FAVORITES: {
      description: 'Favorites first; the newest first among them, and among the others.',
    },
  },
});

@InputType({
  description:
    'Which generations. All conditions must hold; several values in a list mean any of them, and an empty list matches nothing. A condition that is left out or null matches everything.',
})
export class GenerationFilter {
  @Field(() => [GenerationStatusEnum], {
    nullable: true,
    description: 'With one of these statuses. At most 100.',
  })
  statuses?: GenerationStatus[] | null;

  @Field(() => ID, { nullable: true, description: 'Made from this model, by its global id.' })
  modelId?: string | null;

  @Field(() => [String], {
    nullable: true,
    description: 'With a prompt in one of these styles, by their `key`. At most 100.',
  })
  styles?: string[] | null;

  @Field(() => DateTimeRangeInput, { nullable: true, description: 'By `createdAt`.' })
  created?: DateTimeRangeInput | null;
}

@InputType({
  description:
    'Which avatars. All conditions must hold; several values in a list mean any of them, and an empty list matches nothing. A condition that is left out or null matches everything.',
})
export class AvatarFilter {
  @Field(() => ID, { nullable: true, description: 'Made from this model, by its global id.' })
  modelId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Of this generation, by its global id.' })
  generationId?: string | null;

  @Field(() => [String], {
    nullable: true,
    description: 'In one of these styles, by their `key`. At most 100.',
  })
  styles?: string[] | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'True: your favorites. False: all but your favorites.',
  })
  favorite?: boolean | null;

  @Field(() => DateTimeRangeInput, { nullable: true, description: 'By `createdAt`.' })
  created?: DateTimeRangeInput | null;
}

/** Arguments of the generations of a model. */
@ArgsType()
export class GenerationListArgs extends PageArgs {
  @Field(() => GenerationFilter, { nullable: true, description: 'Which generations. Null: all of them.' })
  filter?: GenerationFilter | null;

  @Field(() => GenerationOrderEnum, { description: 'The order of the list.' })
  orderBy: keyof typeof GenerationOrderEnum = 'NEWEST';
}

/** Arguments of all generations. */
@ArgsType()
export class GenerationsArgs extends GenerationListArgs {
  @Field(() => GenerationStatusEnum, {
    nullable: true,
    description: 'Only generations with this status.',
    deprecationReason: 'Use `filter.statuses`. Removed in 1.0.',
  })
  status?: GenerationStatus | null;
}

/** Arguments of the avatars of a generation. */
@ArgsType()
export class GenerationAvatarsArgs {
  @Field(() => Int, {
    nullable: true,
    description: `Only the first few, for a thumbnail row: 1 to ${pageSizes.max}. Null: all of them. Errors: INVALID_INPUT.`,
  })
  first?: number | null;
}

/** Arguments of avatars. */
@ArgsType()
export class AvatarsArgs extends PageArgs {
  @Field(() => AvatarFilter, { nullable: true, description: 'Which avatars. Null: all of them.' })
  filter?: AvatarFilter | null;

  @Field(() => AvatarOrderEnum, { description: 'The order of the list.' })
  orderBy: keyof typeof AvatarOrderEnum = 'NEWEST';
}

/** The filter of the repository, with ids decoded. */
export function decodedGenerations(given: GenerationFilter | null | undefined): GenerationConditions {
  const { modelId, ...filter } = given ?? {};
  return { ...filter, model: decoded('AvatarModel', modelId) };
}

/** The filter of the repository, with ids decoded. */
export function decodedAvatars(given: AvatarFilter | null | undefined): AvatarConditions {
  const { modelId, generationId, ...filter } = given ?? {};
  return {
    ...filter,
    model: decoded('AvatarModel', modelId),
    generation: decoded('Generation', generationId),
  };
}

function decoded(kind: NodeKind, globalId: string | null | undefined): InputId | null {
  return globalId == null ? null : readInputId(kind, globalId, 'filter');
}

/**
 * The filter, with the deprecated argument.
 * @returns with `problems` (field `status`) if the status is given in both forms
 */
export function generationFilterOf({ filter, status }: GenerationsArgs): {
  filter: GenerationConditions;
  problems: DomainError[];
} {
  const problems = bothForms('status', status, 'filter.statuses', filter?.statuses);
  return { filter: { ...decodedGenerations(filter), ...(status && { statuses: [status] }) }, problems };
}
