import { Field, ID, InterfaceType, ObjectType } from 'type-graphql';
import type { NodeKind } from '../core/ids';

/** An object that `node(id)` can return. Types implement it with `@ObjectType({ implements: Node })`. */
@InterfaceType({
  description: 'An object with a global id that `node(id)` can return.',
  resolveType: (value: { __typename?: NodeKind }) => value.__typename,
})
export abstract class Node {
  @Field(() => ID, {
    description:
      'The global id: opaque, at most 64 characters, unique across all types, and the same for the whole life of the object.',
  })
  id: string;
}

/** A copy of the row with its GraphQL type, for `node(id)`. */
export function asNode<Row extends object>(kind: NodeKind, row: Row): Row & { __typename: NodeKind } {
  const copy = Object.create(Object.getPrototypeOf(row) as object) as Row;
  return Object.assign(copy, row, { __typename: kind });
}

/** What the payloads of deletions have in common. */
@ObjectType()
export abstract class DeletionPayload {
  @Field(() => ID, {
    description: 'The global id of the deleted object, also if it had been deleted before.',
  })
  deletedId: string;
}
