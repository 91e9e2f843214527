import type { GraphQLResolveInfo, GraphQLSchema } from 'graphql';

type Constructor<Instance> = abstract new (...args: never[]) => Instance;

const key = Symbol('resolvers');

/** Stores the resolver instances in the schema. */
export function attachResolvers(schema: GraphQLSchema, resolvers: readonly object[]): void {
  schema.extensions = {
    ...schema.extensions,
    [key]: new Map(resolvers.map((resolver) => [resolver.constructor, resolver])),
  };
}

/**
 * The resolver instance of a class, for a subscription's `subscribe`, which is a decorator argument without `this`:
 *
 * `@Subscription(() => Progress, { subscribe: ({ args, context, info }) => resolverOf(Models, info).follow(args, context) })`
 *
 * Instances belong to a schema, because a process may have several schemas.
 * @throws Error if the schema was built without this class
 */
export function resolverOf<Instance>(
  type: Constructor<Instance>,
  info: Pick<GraphQLResolveInfo, 'schema'>,
): Instance {
  const resolvers = (info.schema.extensions as { [key]?: Map<unknown, unknown> })[key];
  const resolver = resolvers?.get(type);
  if (resolver === undefined) throw new Error(`The schema was built without ${type.name}.`);
  return resolver as Instance;
}
