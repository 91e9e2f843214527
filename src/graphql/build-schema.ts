import { lexicographicSortSchema, printSchema, type GraphQLSchema } from 'graphql';
import { buildSchemaSync, type NonEmptyArray, type PubSub } from 'type-graphql';
import { keepResolvers } from './resolver-instances';
import { requireAdmission, type Admit } from './root-admission';
import { requireScopes } from './root-scopes';
import { DateTimeScalar } from './scalars';

/** type-graphql wants one as soon as there is a subscription; ours all have a `subscribe` of their own. */
const noTopics: PubSub = {
  publish: () => undefined,
  subscribe: (topic) => {
    throw new Error(`Nothing is published under ${topic}: give the subscription a subscribe function.`);
  },
};

/** What is said of the root types, which have no class that could say it. */
const rootDescriptions = {
  Query:
    'What can be looked at. All of it is yours: what is somebody else’s is answered as if it did not exist.',
  Mutation:
    'What can be changed. An error that you can act on has a stable `extensions.code`, and for input the path of the field in `extensions.field`.',
  Subscription:
    'What can be followed live: over WebSocket (protocol graphql-transport-ws) where queries are sent too, or as server-sent events (graphql-sse) under `/graphql/stream`.',
} as const;

/**
 * Builds the schema from running resolvers. A `Date` field is a `DateTime`; every root field asks for its scope.
 * @param resolvers - one instance of each resolver class, at least one with a query
 * @param admit - asked before a root field does anything
 * @throws Error naming a resolver that is given twice, or what is wrong with the types
 */
export function buildAppSchema(resolvers: readonly object[], admit: Admit): GraphQLSchema {
  const instances = new Map<unknown, object>(resolvers.map((resolver) => [resolver.constructor, resolver]));
  if (instances.size < resolvers.length) throw new Error('A resolver class stands twice in the schema.');
  const schema = buildSchemaSync({
    resolvers: [...instances.keys()] as unknown as NonEmptyArray<NewableFunction>,
    container: { get: (type: unknown) => instances.get(type) },
    scalarsMap: [{ type: Date, scalar: DateTimeScalar }],
    // Inputs are checked by the services, whose errors name the field.
    validate: false,
    pubSub: noTopics,
  });
  for (const [name, description] of Object.entries(rootDescriptions)) {
    const type = schema.getType(name);
    if (type) type.description = description;
  }
  requireAdmission(schema, admit);
  requireScopes(schema);
  keepResolvers(schema, resolvers);
  return schema;
}

/** The schema as text with its descriptions, in an order that does not depend on that of the code. */
export function printAppSchema(schema: GraphQLSchema): string {
  return `${printSchema(lexicographicSortSchema(schema))}\n`;
}
