import {
  getNamedType,
  GraphQLError,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  Kind,
  OperationTypeNode,
  type ConstValueNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  TokenKind,
  type ValueNode,
} from 'graphql';
import { DomainError } from '../../core/errors';
import { pageSizes } from '../../graphql/connection';

/**
 * Limits per operation, for HTTP, WebSocket and SSE. Fragments count at each use.
 * - `tokens`: tokens of the whole document
 * - `nameLength`: characters of a name; aliases are repeated in each row of the result and in error paths
 * - `depth`: nesting of fields; graphql-js has its own limit for introspection
 * - `aliases`, `directives`: total number
 * - `rootFields`: fields of Query, Mutation or Subscription
 * - `cost`: maximum number of rows that pages and lists of ids may read; sizes of nested pages are multiplied, and a
 *   count adds {@link countCost}
 * - `paid`: calls of mutations that cost money
 * - `waits`: waits for a change of an object, in all operations of a request
 */
export const queryLimits = {
  tokens: 2_000,
  nameLength: 200,
  depth: 10,
  aliases: 30,
  directives: 20,
  rootFields: 20,
  cost: 20_000,
  paid: 1,
  waits: 1,
} as const;

/** The rows that a `totalCount` or an `avatarCount` counts as. */
const countCost = 5;

/** The rows that a list without an argument for its size counts as. */
const listRows: Readonly<Record<string, number>> = {
  'Generation.missing': 1,
};

type Limit = keyof typeof queryLimits;

/** Mutations that cost money. A request may contain one, so that it cannot be partially paid. */
const paidMutations: ReadonlySet<string> = new Set([
  'trainModel',
  'generateAvatars',
  'generateInstantAvatars',
  'retryModel',
  'retryGeneration',
  'retryModels',
  'retryGenerations',
]);

/** Error messages; `given` is the value of the query, `max` the limit. */
const messages: Record<Limit, (given: number, max: number) => string> = {
  tokens: (_given, max) => `The query has more than ${max} tokens. Send a smaller query.`,
  nameLength: (given, max) => `A name in the query has ${given} characters; ${max} are allowed.`,
  depth: (given, max) =>
    `The query is ${given > max ? given : 'far too many'} levels deep; ${max} are allowed. Split the query.`,
  aliases: (given, max) => `The query has ${given} aliases; ${max} are allowed. Split the query.`,
  directives: (given, max) => `The query has ${given} directives; ${max} are allowed.`,
  rootFields: (given, max) => `The operation has ${given} root fields; ${max} are allowed. Split the query.`,
  cost: (given, max) =>
    `The query's pages could hold ${given} rows; ${max} are allowed. Request smaller pages.`,
  waits: (given, max) =>
    `The request waits for ${given} objects; ${max} is allowed. Send them separately, or use subscriptions.`,
  paid: (given, max) => `The mutation makes ${given} paid calls; ${max} is allowed. Send them separately.`,
};

/** The error QUERY_TOO_COMPLEX with the exceeded limit in its details. */
export function tooComplex(limit: Limit, given?: number): GraphQLError {
  const max = queryLimits[limit];
  const message = messages[limit](given ?? max, max);
  const details = { limit, maximum: max, ...(given !== undefined && { given }) };
  return new GraphQLError(message, {
    originalError: new DomainError('QUERY_TOO_COMPLEX', message, { details }),
  });
}

/** The error for the first name that is too long, or null. */
export function findLongName(document: DocumentNode): GraphQLError | null {
  for (let token = document.loc?.startToken; token; token = token.next ?? undefined) {
    if (token.kind !== TokenKind.NAME) continue;
    const length = token.value.length;
    if (length > queryLimits.nameLength) return tooComplex('nameLength', length);
  }
  return null;
}

/**
 * Returns the error of the first exceeded limit, or null. Visits each fragment once. Runs before validation, which could
 * be slow for queries that are refused here. Recursive fragments count as 0; validation refuses them.
 * @param variables - as sent by the client, for page sizes
 */
export function checkLimits(
  schema: GraphQLSchema,
  document: DocumentNode,
  variables: Readonly<Record<string, unknown>>,
): GraphQLError | null {
  for (const operation of document.definitions) {
    if (operation.kind !== Kind.OPERATION_DEFINITION) continue;
    const complexity = new Measurement(schema, document, variables).measure(operation);
    const limit = measures.find((name) => complexity[name] > queryLimits[name]);
    if (limit) return tooComplex(limit, complexity[limit]);
  }
  return null;
}

/** The number of paid mutations in the document: the maximum over its operations, of which one is executed. */
export function paidCalls(schema: GraphQLSchema, document: DocumentNode): number {
  const operations = document.definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION);
  return Math.max(0, ...operations.map((node) => new Measurement(schema, document, {}).measure(node).paid));
}

const nothing = { depth: 0, aliases: 0, directives: 0, rootFields: 0, cost: 0, paid: 0 };
const measures = Object.keys(nothing) as Measure[];

type Complexity = typeof nothing;
type Measure = keyof Complexity;

/** Upper bound of all values, because nested fragments grow exponentially. */
const saturation = 1_000_000_000;

/** The complexity of two sibling selections. */
function combine(one: Complexity, other: Complexity): Complexity {
  const sum = { ...nothing };
  for (const name of measures) sum[name] = Math.min(one[name] + other[name], saturation);
  return { ...sum, depth: Math.max(one.depth, other.depth) };
}

/** Measures one operation. */
class Measurement {
  private readonly fragments: Map<string, FragmentDefinitionNode>;
  private readonly measured = new Map<string, Complexity>();
  private defaults = new Map<string, unknown>();

  constructor(
    private readonly schema: GraphQLSchema,
    document: DocumentNode,
    private readonly variables: Readonly<Record<string, unknown>>,
  ) {
    const fragments = document.definitions.filter((node) => node.kind === Kind.FRAGMENT_DEFINITION);
    this.fragments = new Map(fragments.map((node) => [node.name.value, node]));
  }

  measure(operation: OperationDefinitionNode): Complexity {
    const definitions = operation.variableDefinitions ?? [];
    this.defaults = new Map(
      definitions.map(({ variable, defaultValue }) => [variable.name.value, sizeIn(defaultValue)]),
    );
    const own = [operation, ...definitions].flatMap((node) => node.directives ?? []).length;
    const complexity = this.selections(operation.selectionSet, this.schema.getRootType(operation.operation));
    const isMutation = operation.operation === OperationTypeNode.MUTATION;
    return { ...complexity, directives: complexity.directives + own, paid: isMutation ? complexity.paid : 0 };
  }

  private selections(set: SelectionSetNode, parent: GraphQLNamedType | null | undefined): Complexity {
    return set.selections.map((node) => this.selection(node, parent)).reduce(combine, nothing);
  }

  private selection(node: SelectionNode, parent: GraphQLNamedType | null | undefined): Complexity {
    const inner = this.inner(node, parent);
    return { ...inner, directives: inner.directives + (node.directives?.length ?? 0) };
  }

  private inner(node: SelectionNode, parent: GraphQLNamedType | null | undefined): Complexity {
    if (node.kind === Kind.FIELD) return this.field(node, parent);
    if (node.kind === Kind.FRAGMENT_SPREAD) return this.fragment(node.name.value);
    const type = node.typeCondition ? this.schema.getType(node.typeCondition.name.value) : parent;
    return this.selections(node.selectionSet, type);
  }

  private fragment(name: string): Complexity {
    const known = this.measured.get(name);
    const definition = this.fragments.get(name);
    if (known || !definition) return known ?? nothing;
    this.measured.set(name, nothing);
    const type = this.schema.getType(definition.typeCondition.name.value);
    const complexity = this.selections(definition.selectionSet, type);
    const own = definition.directives?.length ?? 0;
    const whole = { ...complexity, directives: complexity.directives + own };
    this.measured.set(name, whole);
    return whole;
  }

  private field(node: FieldNode, parent: GraphQLNamedType | null | undefined): Complexity {
    const name = node.name.value;
    const definition = fieldOf(parent, name);
    const type = definition && getNamedType(definition.type);
    const within = node.selectionSet
      ? this.selections(node.selectionSet, isCompositeType(type) ? type : null)
      : nothing;
    const rows = this.rowsOf(node, definition, parent);
    return {
      ...within,
      depth: name.startsWith('__') ? 1 : within.depth + 1,
      aliases: within.aliases + (node.alias ? 1 : 0),
      rootFields: 1,
      cost: Math.min(costOf(name) + (rows === null ? within.cost : rows * (1 + within.cost)), saturation),
      paid: paidMutations.has(name) ? 1 : 0,
    };
  }

  /** The number of rows of a page, or of objects by their ids; null if the field is neither. */
  private rowsOf(
    node: FieldNode,
    definition: GraphQLField<unknown, unknown> | undefined,
    parent: GraphQLNamedType | null | undefined,
  ): number | null {
    const declares = (name: string): boolean =>
      definition?.args.some((argument) => argument.name === name) ?? false;
    const given = (name: string): unknown => {
      const value = node.arguments?.find((argument) => argument.name.value === name)?.value;
      return value && this.valueOf(value);
    };
    const sizes = [given('first'), given('last')].filter((size) => typeof size === 'number');
    if (sizes.length > 0) return Math.min(Math.max(...sizes, 1), saturation);
    if (declares('first')) return pageSizes.default;
    if (!declares('ids')) return rowsOfList(parent, node.name.value);
    const ids = given('ids');
    return Array.isArray(ids) ? Math.max(ids.length, 1) : 1;
  }

  private valueOf(value: ValueNode): unknown {
    return value.kind === Kind.VARIABLE ? this.variable(value.name.value) : sizeIn(value);
  }

  private variable(name: string): unknown {
    return Object.hasOwn(this.variables, name) ? this.variables[name] : this.defaults.get(name);
  }
}

/** The rows of a list without an argument for its size; null if the field is not one. */
function rowsOfList(parent: GraphQLNamedType | null | undefined, name: string): number | null {
  return listRows[`${parent?.name}.${name}`] ?? null;
}

/** The cost of a field itself: `cover` reads a row of its own. */
function costOf(name: string): number {
  if (name === 'cover') return 1;
  return name === 'totalCount' || name === 'avatarCount' ? countCost : 0;
}

/** A number, or a list of as many items as the literal has; undefined for others. */
function sizeIn(value: ConstValueNode | ValueNode | undefined): unknown {
  if (value?.kind === Kind.INT) return Number(value.value);
  return value?.kind === Kind.LIST ? value.values : undefined;
}

function fieldOf(
  parent: GraphQLNamedType | null | undefined,
  name: string,
): GraphQLField<unknown, unknown> | undefined {
  if (!isObjectType(parent) && !isInterfaceType(parent)) return undefined;
  const fields = parent.getFields();
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}
