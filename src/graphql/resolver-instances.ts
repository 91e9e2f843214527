import type { GraphQLResolveInfo, GraphQLSchema } from 'graphql';

type Constructor<Instance> = abstract new (...parts: never[]) => Instance;

const key = Symbol('resolvers');

/** Ties a schema to the resolvers that it was built from. */
export function keepResolvers(schema: GraphQLSchema, resolvers: readonly object[]): void {
  schema.extensions = {
    ...schema.extensions,
    [key]: new Map(resolvers.map((resolver) => [resolver.constructor, resolver])),
  };
}

/**
 * The running resolver of a class. A subscription's `subscribe` is written in a decorator, where there is no `this`:
 *
 * `@Subscription(() => Progress, { subscribe: ({ args, context, info }) => resolverOf(Models, info).follow(args, context) })`
 *
 * It is found through the schema, since a process may hold several.
 * @throws Error if the schema was built without it
 */
export function resolverOf<Instance>(
  type: Constructor<Instance>,
  info: Pick<GraphQLResolveInfo, 'schema'>,
): Instance {
  const kept = (info.schema.extensions as { [key]?: Map<unknown, unknown> })[key];
  const resolver = kept?.get(type);
  if (resolver === undefined) throw new Error(`The schema was built without ${type.name}.`);
  return resolver as Instance;
}
