import { ArgsType, Field, InputType, registerEnumType } from 'type-graphql';
import type { DomainError } from '../core/errors';
import { PageArgs } from '../graphql/connection';
import { DateTimeRangeInput, bothForms, timeOrderDescriptions } from '../graphql/lists';
import type { AvatarType } from '../upstream/provider';
import type { ModelStatus } from './model.state';
import { AvatarTypeEnum, ModelStatusEnum } from './model.type';

const ModelOrderEnum = { NEWEST: 'NEWEST', OLDEST: 'OLDEST', NAME: 'NAME' } as const;

registerEnumType(ModelOrderEnum, {
  name: 'AvatarModelOrder',
  description: 'The order of models.',
  valuesConfig: {
    ...timeOrderDescriptions,
    NAME: {
      description:
        'By name, A to Z. The case of the letters A to Z does not matter; other letters follow after Z. Models with equal names are ordered by age.',
    },
  },
});

@InputType({
  description:
    'Which models. All conditions must hold; several values in a list mean any of them, and an empty list matches nothing. A condition that is left out or null matches everything.',
})
export class AvatarModelFilter {
  @Field(() => [ModelStatusEnum], { nullable: true, description: 'With one of these statuses. At most 100.' })
  statuses?: ModelStatus[] | null;

  @Field(() => [AvatarTypeEnum], { nullable: true, description: 'Of one of these types. At most 100.' })
  types?: AvatarType[] | null;

  @Field(() => DateTimeRangeInput, { nullable: true, description: 'By `createdAt`.' })
  created?: DateTimeRangeInput | null;
}

@ArgsType()
export class ModelsArgs extends PageArgs {
  @Field(() => AvatarModelFilter, { nullable: true, description: 'Which models. Null: all of them.' })
  filter?: AvatarModelFilter | null;

  @Field(() => ModelOrderEnum, { description: 'The order of the list.' })
  orderBy: keyof typeof ModelOrderEnum = 'NEWEST';

  @Field(() => ModelStatusEnum, {
    nullable: true,
    description: 'Only models with this status.',
    deprecationReason: 'Use `filter.statuses`. Removed in 1.0.',
  })
  status?: ModelStatus | null;

  @Field(() => AvatarTypeEnum, {
    nullable: true,
    description: 'Only models of this type.',
    deprecationReason: 'Use `filter.types`. Removed in 1.0.',
  })
  type?: AvatarType | null;
}

/**
 * The filter, with the deprecated arguments.
 * @returns with `problems` (field `status` or `type`) if the same condition is given in both forms
 */
export function modelFilterOf({ filter, status, type }: ModelsArgs): {
  filter: AvatarModelFilter;
  problems: DomainError[];
} {
  const { statuses, types, created } = filter ?? {};
  const problems = [
    ...bothForms('status', status, 'filter.statuses', statuses),
    ...bothForms('type', type, 'filter.types', types),
  ];
  const merged = { statuses: status ? [status] : statuses, types: type ? [type] : types, created };
  return { filter: merged, problems };
}
