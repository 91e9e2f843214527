import { Field, ID, ObjectType } from 'type-graphql';

/** The payload of all deletion mutations. */
@ObjectType({ description: 'The result of a deletion. Repeating a deletion returns the same result.' })
export class DeletedPayload {
  @Field(() => ID, { description: 'The id of the deleted object.' })
  deletedId: string;
}
