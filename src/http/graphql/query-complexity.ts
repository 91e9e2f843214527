import {
  getNamedType,
  GraphQLError,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  Kind,
  OperationTypeNode,
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

/**
 * How much one operation may ask for, over HTTP, WebSocket and SSE alike. Fragments count wherever they are spread.
 * - `tokens`: tokens of the whole document
 * - `nameLength`: characters of a name; an alias is repeated in each row of the answer and in each error's path
 * - `depth`: fields within fields; introspection has a limit of its own in graphql-js
 * - `aliases`, `directives`: in all
 * - `rootFields`: fields of Query, Mutation or Subscription
 * - `cost`: the most rows that pages may read, the sizes of pages within pages multiplied
 * - `paid`: calls of the mutations that cost money
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
} as const;

type Limit = keyof typeof queryLimits;

/** Mutations that cost money upstream: a request makes one of them at most, so that no answer is half paid. */
const paidMutations: ReadonlySet<string> = new Set([
  'trainModel',
  'generateAvatars',
  'generateInstantAvatars',
  'retryModel',
  'retryGeneration',
]);

/** What was asked for, in words: `given` is what the query has, `most` what it may have. */
const sentences: Record<Limit, (given: number, most: number) => string> = {
  tokens: (_given, most) => `The query has more than ${most} tokens. Ask for less at once.`,
  nameLength: (given, most) => `A name in the query has ${given} characters; ${most} are allowed.`,
  depth: (given, most) =>
    `The query is ${given > most ? given : 'far too many'} levels deep; ${most} are allowed. Ask in two steps.`,
  aliases: (given, most) => `The query has ${given} aliases; ${most} are allowed. Send it in parts.`,
  directives: (given, most) => `The query has ${given} directives; ${most} are allowed.`,
  rootFields: (given, most) =>
    `The operation has ${given} root fields; ${most} are allowed. Send it in parts.`,
  cost: (given, most) =>
    `The query's pages could hold ${given} rows; ${most} are allowed. Ask for smaller pages.`,
  paid: (given, most) => `The mutation makes ${given} paid calls; ${most} is allowed. Send them one by one.`,
};

/** The refusal of what is past a limit: `QUERY_TOO_COMPLEX`, with which limit in its details. */
export function tooComplex(limit: Limit, given?: number): GraphQLError {
  const most = queryLimits[limit];
  const message = sentences[limit](given ?? most, most);
  const details = { limit, maximum: most, ...(given !== undefined && { given }) };
  return new GraphQLError(message, {
    originalError: new DomainError('QUERY_TOO_COMPLEX', message, { details }),
  });
}

/** The refusal of the first name that is too long, or null. */
export function findLongName(document: DocumentNode): GraphQLError | null {
  for (let token = document.loc?.startToken; token; token = token.next ?? undefined) {
    if (token.kind !== TokenKind.NAME) continue;
    const length = token.value.length;
    if (length > queryLimits.nameLength) return tooComplex('nameLength', length);
  }
  return null;
}

/**
 * The first limit that an operation of the document is past, or null. One pass over the document, each fragment once,
 * before validation, since that can be made slow by what is refused here. Fragments that contain themselves count
 * as nothing: validation refuses them.
 * @param variables - as the client sent them, for page sizes
 */
export function checkLimits(
  schema: GraphQLSchema,
  document: DocumentNode,
  variables: Readonly<Record<string, unknown>>,
): GraphQLError | null {
  for (const operation of document.definitions) {
    if (operation.kind !== Kind.OPERATION_DEFINITION) continue;
    const weight = new Measurement(schema, document, variables).measure(operation);
    const limit = (Object.keys(queryLimits) as Limit[]).find((name) => weight[name] > queryLimits[name]);
    if (limit) return tooComplex(limit, weight[limit]);
  }
  return null;
}

/** How many paid mutations the document makes: those of the operation that makes most, of which one is run. */
export function paidCalls(schema: GraphQLSchema, document: DocumentNode): number {
  const operations = document.definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION);
  return Math.max(0, ...operations.map((node) => new Measurement(schema, document, {}).measure(node).paid));
}

type Weight = Record<Limit, number>;

const nothing: Weight = {
  tokens: 0,
  nameLength: 0,
  depth: 0,
  aliases: 0,
  directives: 0,
  rootFields: 0,
  cost: 0,
  paid: 0,
};

/** Fragments of fragments double quickly; beyond this the figure says nothing any more. */
const saturation = 1_000_000_000;

/** Two selections beside each other. */
function together(one: Weight, other: Weight): Weight {
  const sum = { ...nothing };
  for (const limit of Object.keys(sum) as Limit[]) {
    sum[limit] = Math.min(one[limit] + other[limit], saturation);
  }
  return { ...sum, depth: Math.max(one.depth, other.depth) };
}

/** Weighs one operation. */
class Measurement {
  private readonly fragments: Map<string, FragmentDefinitionNode>;
  private readonly weights = new Map<string, Weight>();
  private defaults = new Map<string, unknown>();

  constructor(
    private readonly schema: GraphQLSchema,
    document: DocumentNode,
    private readonly variables: Readonly<Record<string, unknown>>,
  ) {
    const fragments = document.definitions.filter((node) => node.kind === Kind.FRAGMENT_DEFINITION);
    this.fragments = new Map(fragments.map((node) => [node.name.value, node]));
  }

  measure(operation: OperationDefinitionNode): Weight {
    const definitions = operation.variableDefinitions ?? [];
    this.defaults = new Map(
      definitions.map(({ variable, defaultValue }) => [
        variable.name.value,
        defaultValue?.kind === Kind.INT ? Number(defaultValue.value) : undefined,
      ]),
    );
    const own = [operation, ...definitions].flatMap((node) => node.directives ?? []).length;
    const weight = this.selections(operation.selectionSet, this.schema.getRootType(operation.operation));
    const isMutation = operation.operation === OperationTypeNode.MUTATION;
    return { ...weight, directives: weight.directives + own, paid: isMutation ? weight.paid : 0 };
  }

  private selections(set: SelectionSetNode, parent: GraphQLNamedType | null | undefined): Weight {
    return set.selections.map((node) => this.selection(node, parent)).reduce(together, nothing);
  }

  private selection(node: SelectionNode, parent: GraphQLNamedType | null | undefined): Weight {
    const inner = this.inner(node, parent);
    return { ...inner, directives: inner.directives + (node.directives?.length ?? 0) };
  }

  private inner(node: SelectionNode, parent: GraphQLNamedType | null | undefined): Weight {
    if (node.kind === Kind.FIELD) return this.field(node, parent);
    if (node.kind === Kind.FRAGMENT_SPREAD) return this.fragment(node.name.value);
    const type = node.typeCondition ? this.schema.getType(node.typeCondition.name.value) : parent;
    return this.selections(node.selectionSet, type);
  }

  private fragment(name: string): Weight {
    const known = this.weights.get(name);
    const definition = this.fragments.get(name);
    if (known || !definition) return known ?? nothing;
    this.weights.set(name, nothing);
    const type = this.schema.getType(definition.typeCondition.name.value);
    const weight = this.selections(definition.selectionSet, type);
    const own = definition.directives?.length ?? 0;
    const whole = { ...weight, directives: weight.directives + own };
    this.weights.set(name, whole);
    return whole;
  }

  private field(node: FieldNode, parent: GraphQLNamedType | null | undefined): Weight {
    const name = node.name.value;
    const definition = fieldOf(parent, name);
    const type = definition && getNamedType(definition.type);
    const within = node.selectionSet
      ? this.selections(node.selectionSet, isCompositeType(type) ? type : null)
      : nothing;
    const size = this.pageSize(node, definition);
    return {
      ...within,
      depth: name.startsWith('__') ? 1 : within.depth + 1,
      aliases: within.aliases + (node.alias ? 1 : 0),
      rootFields: 1,
      cost: Math.min(size === null ? within.cost : size * (1 + within.cost), saturation),
      paid: paidMutations.has(name) ? 1 : 0,
    };
  }

  /** How many nodes the field's page has; null if it is no page. */
  private pageSize(node: FieldNode, definition: GraphQLField<unknown, unknown> | undefined): number | null {
    const declared = definition?.args.find((argument) => argument.name === 'first');
    const given = node.arguments?.find((argument) => argument.name.value === 'first')?.value;
    return declared || given ? sizeOf(given && this.number(given), declared?.defaultValue) : null;
  }

  private number(value: ValueNode): unknown {
    if (value.kind === Kind.VARIABLE) return this.variable(value.name.value);
    return value.kind === Kind.INT ? Number(value.value) : undefined;
  }

  private variable(name: string): unknown {
    return Object.hasOwn(this.variables, name) ? this.variables[name] : this.defaults.get(name);
  }
}

function sizeOf(given: unknown, defaultSize: unknown): number {
  const size = given ?? defaultSize;
  return typeof size === 'number' ? Math.min(Math.max(size, 1), saturation) : 1;
}

function fieldOf(
  parent: GraphQLNamedType | null | undefined,
  name: string,
): GraphQLField<unknown, unknown> | undefined {
  if (!isObjectType(parent) && !isInterfaceType(parent)) return undefined;
  const fields = parent.getFields();
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}
