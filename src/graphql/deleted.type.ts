import { Field, ID, ObjectType } from 'type-graphql';

/** What every deletion answers. */
@ObjectType({ description: 'What a deletion answers. Deleting twice answers alike.' })
export class DeletedPayload {
  @Field(() => ID, { description: 'The id that was given: nothing is found under it any more.' })
  deletedId: string;
}
