import {
  assertValidSchema,
  isInputObjectType,
  isObjectType,
  lexicographicSortSchema,
  printSchema,
  type GraphQLSchema,
  type GraphQLResolveInfo,
} from 'graphql';
import { buildSchemaSync, Extensions, type NonEmptyArray, type PubSub } from 'type-graphql';
import type { ClientTokenRules } from './client-token-access';
import { addDeprecatedArguments } from './deprecated-arguments';
import { protectRootFields, type Admit } from './root-fields';
import { DateTimeScalar } from './scalars';

/** type-graphql requires a PubSub if the schema has subscriptions. It is unused: all of them have a `subscribe` function. */
const unusedPubSub: PubSub = {
  publish: () => undefined,
  subscribe: (topic) => {
    throw new Error(`The subscription to ${topic} has no subscribe function.`);
  },
};

/** The extension of the schema that holds the resolver instances by their class. */
const resolversKey = Symbol('resolvers');

/** Makes an input type `@oneOf`: exactly one of its fields, all of which are nullable, must be given. */
export const OneOf = (): ClassDecorator => Extensions({ isOneOf: true });

/** Descriptions of the root types, which have no class. */
const rootDescriptions = {
  Query:
    'Read operations. They return only data of the authenticated owner; data of other owners are treated as not existing. A field that fails is null and has an error with its `path`; the other fields keep their results.',
  Mutation:
    'Write operations. A mutation that fails is null and has an error with a stable `extensions.code`, and for invalid input every wrong value in `extensions.problems`; the other mutations of the request keep their results. Each mutation lists its own errors. Each can also fail with UNAUTHENTICATED, FORBIDDEN without the scope WRITE, INVALID_INPUT for a malformed input, RATE_LIMITED, QUERY_TOO_COMPLEX, TIMEOUT, SERVICE_UNAVAILABLE (also while your data are being erased) and INTERNAL_SERVER_ERROR. A request may contain one mutation that is charged.',
  Subscription:
    'Live updates, over WebSocket (protocol graphql-transport-ws) on the same path as queries, or as server-sent events (graphql-sse) under `/graphql/stream`.',
} as const;

/**
 * Builds the schema. `Date` fields become `DateTime`; every root field checks admission and its scope.
 * @param resolvers - one instance of each resolver class, at least one with a query
 * @param admit - called before a root field is resolved
 * @param tokens - rules of client tokens; null: they are refused
 * @throws Error if a resolver class occurs twice or the types are invalid
 */
export function buildAppSchema(
  resolvers: readonly object[],
  admit: Admit,
  tokens: ClientTokenRules | null = null,
): GraphQLSchema {
  const instances = new Map<unknown, object>(resolvers.map((resolver) => [resolver.constructor, resolver]));
  if (instances.size < resolvers.length) throw new Error('A resolver class occurs twice in the schema.');
  const schema = buildSchemaSync({
    resolvers: [...instances.keys()] as unknown as NonEmptyArray<NewableFunction>,
    container: { get: (type: unknown) => instances.get(type) },
    scalarsMap: [{ type: Date, scalar: DateTimeScalar }],
    // The services validate input; their errors name the field.
    validate: false,
    pubSub: unusedPubSub,
    // A tenth of a second of each start. Types that are invalid fail the assertion below.
    skipCheck: true,
  });
  assertValidSchema(schema);
  for (const [name, description] of Object.entries(rootDescriptions)) {
    const type = schema.getType(name);
    if (type) type.description = description;
  }
  for (const type of Object.values(schema.getTypeMap())) {
    if (isInputObjectType(type) && type.extensions.isOneOf === true) type.isOneOf = true;
  }
  describeInputsAndPayloads(schema);
  addDeprecatedArguments(schema);
  protectRootFields(schema, admit, tokens);
  schema.extensions = { ...schema.extensions, [resolversKey]: instances };
  return schema;
}

/** Describes inputs and payloads of mutations that have no description of their own. */
function describeInputsAndPayloads(schema: GraphQLSchema): void {
  for (const { name } of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const typeName = name.charAt(0).toUpperCase() + name.slice(1);
    const input = schema.getType(`${typeName}Input`);
    if (isInputObjectType(input)) input.description ??= `What \`${name}\` takes.`;
    const payload = schema.getType(`${typeName}Payload`);
    if (isObjectType(payload)) payload.description ??= `What \`${name}\` returns.`;
  }
}

/** Prints the schema with descriptions, sorted so that the output does not depend on the order of the code. */
export function printAppSchema(schema: GraphQLSchema): string {
  return `${printSchema(lexicographicSortSchema(schema))}\n`;
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
  type: abstract new (...args: never[]) => Instance,
  info: Pick<GraphQLResolveInfo, 'schema'>,
): Instance {
  const resolvers = (info.schema.extensions as { [resolversKey]?: Map<unknown, unknown> })[resolversKey];
  const resolver = resolvers?.get(type);
  if (resolver === undefined) throw new Error(`The schema was built without ${type.name}.`);
  return resolver as Instance;
}
