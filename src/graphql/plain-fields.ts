import type { GraphQLObjectType } from 'graphql';
import { Extensions } from 'type-graphql';

/**
 * Declares that the fields of an object type are properties of its objects: it has no field resolvers. Events that select
 * such fields only are written without the executor.
 */
export const PlainFields = (): ClassDecorator => Extensions({ hasPlainFields: true });

/** Whether a type is declared by {@link PlainFields}. */
export function hasPlainFields({ extensions }: GraphQLObjectType): boolean {
  return extensions.hasPlainFields === true;
}
