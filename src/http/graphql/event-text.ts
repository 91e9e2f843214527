import {
  getOperationAST,
  getVariableValues,
  isLeafType,
  isNonNullType,
  isObjectType,
  type ExecutionArgs,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
} from 'graphql';
// The executor of graphql-js selects fields by these functions. They are not part of its index.
import { collectFields, collectSubfields } from 'graphql/execution/collectFields';
import { flagsOf, fragmentsOf } from '../../graphql/document-parts';
import { hasPlainFields } from '../../graphql/plain-fields';

/**
 * Writes the response to an event from the value of the subscription's field. The text is byte for byte the one of the
 * executor.
 * @returns null if the executor must respond, because the value does not agree with the schema
 */
export type EventWriter = (value: unknown) => string | null;

/** Maximum number of writers of a document: one for each combination of the variables that its directives use. */
const maxWriters = 50;

/** The writers of a document. */
export class EventWriters {
  private readonly fragments: Selection['fragments'];
  private readonly flags: readonly string[];
  /** By operation and the values of the flags. */
  private readonly known = new Map<string, EventWriter | null>();

  /** @param document - valid */
  constructor(document: ExecutionArgs['document']) {
    this.fragments = fragmentsOf(document);
    this.flags = flagsOf(document);
  }

  /** The writer of an operation; null if it selects more than plain fields, which is left to the executor. */
  of(args: ExecutionArgs): EventWriter | null {
    const flags = this.flagsIn(args);
    const key = JSON.stringify([args.operationName, flags]);
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const writer = createWriter(args, { schema: args.schema, fragments: this.fragments, flags });
    if (this.known.size >= maxWriters) this.known.clear();
    this.known.set(key, writer);
    return writer;
  }

  private flagsIn({ schema, document, operationName, variableValues }: ExecutionArgs): Selection['flags'] {
    const definitions = getOperationAST(document, operationName)?.variableDefinitions ?? [];
    const used = definitions.filter(({ variable }) => this.flags.includes(variable.name.value));
    if (used.length === 0) return {};
    return getVariableValues(schema, used, variableValues ?? {}).coerced ?? {};
  }
}

/** What the fields of an operation are selected from. */
interface Selection {
  readonly schema: GraphQLSchema;
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  /** The variables that directives use, coerced. */
  readonly flags: Readonly<Record<string, unknown>>;
}

type Write = (value: unknown) => string;

/** The executor must respond. */
class LeftToExecutor extends Error {}

function createWriter(args: ExecutionArgs, selection: Selection): EventWriter | null {
  try {
    const write = rootWriter(args, selection);
    return (value) => unlessLeft(() => write(value));
  } catch (error) {
    if (error instanceof LeftToExecutor) return null;
    throw error;
  }
}

/** Any error, such as that of a value that a scalar refuses, is reported by the executor. */
function unlessLeft(write: () => string): string | null {
  try {
    return write();
  } catch {
    return null;
  }
}

function rootWriter({ schema, document, operationName }: ExecutionArgs, selection: Selection): Write {
  const root = schema.getSubscriptionType();
  const operation = getOperationAST(document, operationName);
  if (!root || !operation) throw new LeftToExecutor();
  const { fragments, flags } = selection;
  const selected = [...collectFields(schema, fragments, flags, root, operation.selectionSet)];
  const [field] = selected;
  if (!field || selected.length > 1) throw new LeftToExecutor();
  const [key, nodes] = field;
  const write = memberWriter(root, nodes, selection);
  const start = `{"data":{${JSON.stringify(key)}:`;
  return (value) => `${start}${write(value)}}}`;
}

function memberWriter(type: GraphQLObjectType, nodes: readonly FieldNode[], selection: Selection): Write {
  const definition = type.getFields()[nodes[0]!.name.value];
  if (!definition) throw new LeftToExecutor();
  return writerOf(definition.type, nodes, selection);
}

function writerOf(type: GraphQLOutputType, nodes: readonly FieldNode[], selection: Selection): Write {
  if (isNonNullType(type)) return required(writerOf(type.ofType, nodes, selection));
  if (isLeafType(type)) return (value) => (value == null ? 'null' : leafText(type.serialize(value)));
  if (!isObjectType(type) || !hasPlainFields(type)) throw new LeftToExecutor();
  return objectWriter(type, nodes, selection);
}

function required(write: Write): Write {
  return (value) => {
    if (value == null) throw new LeftToExecutor();
    return write(value);
  };
}

function leafText(serialized: unknown): string {
  if (serialized == null) throw new LeftToExecutor();
  return JSON.stringify(serialized);
}

function objectWriter(type: GraphQLObjectType, nodes: readonly FieldNode[], selection: Selection): Write {
  const { schema, fragments, flags } = selection;
  const selected = [...collectSubfields(schema, fragments, flags, type, nodes)];
  const members = selected.map(([key, fieldNodes], index) => {
    const name = fieldNodes[0]!.name.value;
    const write =
      name === '__typename' ? () => JSON.stringify(type.name) : memberWriter(type, fieldNodes, selection);
    return { start: `${index === 0 ? '' : ','}${JSON.stringify(key)}:`, name, write };
  });
  return (value) => {
    if (value == null) return 'null';
    let text = '{';
    for (const { start, name, write } of members) text += start + write((value as Properties)[name]);
    return `${text}}`;
  };
}

/** The value of an object type is an object. */
type Properties = Readonly<Record<string, unknown>>;
