import { Field, ID, InterfaceType } from 'type-graphql';
import type { NodeKind } from '../core/ids';

/** Whatever `node(id)` can find. Types implement it: `@ObjectType({ implements: Node })`. */
@InterfaceType({
  description: 'Whatever has a global id and can be found again by `node(id)`.',
  resolveType: (value: { __typename?: NodeKind }) => value.__typename,
})
export abstract class Node {
  @Field(() => ID, { description: 'The global id: unlike any other, of any type.' })
  id: string;
}

/** The row as what `node(id)` answers with: a copy that says of which type it is. */
export function asNode<Row extends object>(kind: NodeKind, row: Row): Row & { __typename: NodeKind } {
  const copy = Object.create(Object.getPrototypeOf(row) as object) as Row;
  return Object.assign(copy, row, { __typename: kind });
}
