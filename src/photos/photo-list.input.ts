import { ArgsType, Field, InputType, registerEnumType } from 'type-graphql';
import { PageArgs } from '../graphql/connection';
import { DateTimeRangeInput, timeOrderDescriptions } from '../graphql/lists';
import type { PhotoStatus } from './photo.state';
import { PhotoStatusEnum } from './photo.type';

const PhotoOrderEnum = { NEWEST: 'NEWEST', OLDEST: 'OLDEST' } as const;

registerEnumType(PhotoOrderEnum, {
  name: 'PhotoOrder',
  description: 'The order of photos.',
  valuesConfig: timeOrderDescriptions,
});

@InputType({
  description:
    'Which photos. All conditions must hold; several values in a list mean any of them, and an empty list matches nothing. A condition that is left out or null matches everything.',
})
export class PhotoFilter {
  @Field(() => [PhotoStatusEnum], { nullable: true, description: 'With one of these statuses. At most 100.' })
  statuses?: PhotoStatus[] | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'True: photos that no model and no generation uses; they are deleted within a day. False: photos that one uses. Null: both.',
  })
  isUnused?: boolean | null;

  @Field(() => DateTimeRangeInput, { nullable: true, description: 'By `createdAt`.' })
  created?: DateTimeRangeInput | null;
}

@ArgsType()
export class PhotosArgs extends PageArgs {
  @Field(() => PhotoFilter, { nullable: true, description: 'Which photos. Null: all of them.' })
  filter?: PhotoFilter | null;

  @Field(() => PhotoOrderEnum, { description: 'The order of the list.' })
  orderBy: keyof typeof PhotoOrderEnum = 'NEWEST';
}
