import {
  BREAK,
  GraphQLError,
  isValueNode,
  Kind,
  parse,
  visit,
  type ASTNode,
  type DocumentNode,
  type Source,
} from 'graphql';
import { excerpt } from '../core/errors';
import { pathOfField } from '../core/input-problems';

/** A value of the wrong type, in a variable or a literal. */
export interface CoercionProblem {
  /** The path of the value, starting with the argument or the variable; empty if unknown. */
  readonly path: readonly (string | number)[];
  /** The problem, without the value, which may be secret. */
  readonly message: string;
}

/** The problem that a GraphQLError of validation or coercion describes; null for other errors. */
export function coercionProblemOf(error: GraphQLError): CoercionProblem | null {
  const links = chainOf(error).filter((link) => link instanceof GraphQLError);
  for (const link of links.reverse()) {
    const problem = problemOfLink(link);
    if (problem) return problem;
  }
  return null;
}

/** Whether graphql-js reports that it stopped after its maximum number of errors. It has no code for this error. */
export function isLimitError(error: unknown): boolean {
  return (
    error instanceof GraphQLError && error.nodes === undefined && /^Too many .*aborted\.$/.test(error.message)
  );
}

/** An error and the errors that it wraps; the innermost is last. */
export function chainOf(error: unknown): unknown[] {
  const chain = [error];
  for (let link = error; link instanceof GraphQLError && link.originalError;) {
    link = link.originalError;
    chain.push(link);
  }
  return chain;
}

function problemOfLink(error: GraphQLError): CoercionProblem | null {
  const [node, ...others] = error.nodes ?? [];
  if (!node || others.length > 0) return null;
  if (node.kind === Kind.VARIABLE_DEFINITION) return problemOfVariable(error, node.variable.name.value);
  if (!isValueNode(node) && node.kind !== Kind.OBJECT_FIELD) return null;
  const { message } = error.originalError ?? error;
  const path = pathOfLiteral(node);
  return { path: [...path, ...missingField(message)], message: withoutValue(message) };
}

/**
 * graphql-js writes `Variable "$input" got invalid value <value> at "input.type"; <reason>`. The value is removed because
 * it may be a signed URL.
 */
function problemOfVariable(error: GraphQLError, variable: string): CoercionProblem | null {
  const reason = error.originalError?.message;
  if (reason === undefined) {
    const isMissing = / was not provided\.$| must not be null\.$/.test(error.message);
    return isMissing ? { path: [variable], message: error.message } : null;
  }
  const prefix = error.message.slice(0, -`; ${reason}"`.length);
  // Quotation marks within the value are escaped, so the last one starts the path, if there is a path.
  const start = prefix.lastIndexOf('"') + 1;
  const path = prefix.slice(0, start).endsWith(' at "') ? prefix.slice(start) : '';
  const isPath = path.startsWith(variable) && /^[.[]/.test(path.slice(variable.length));
  return {
    path: [...pathOfField(isPath ? path : variable), ...missingField(reason), ...undefinedField(reason)],
    message: withoutValue(reason),
  };
}

/** The name of a required field of an input object in the message for its absence. */
function missingField(message: string): string[] {
  const [, name] = /^Field "(?:\w+\.)?(\w+)" of required type ".*" was not provided\.$/.exec(message) ?? [];
  return name === undefined ? [] : [name];
}

/** The name, which a client can choose, in the message for a field that an input object does not have. */
function undefinedField(message: string): string[] {
  const start = 'Field "'.length;
  const end = message.lastIndexOf('" is not defined by type "');
  return message.startsWith('Field "') && end >= start ? [excerpt(message.slice(start, end))] : [];
}

/**
 * Removes the value that graphql-js repeats in its messages. Avoids regular expressions over the whole message because it
 * can contain up to 250 kB of client input.
 */
function withoutValue(message: string): string {
  const noEnumValue = message.lastIndexOf(' does not exist in "');
  if (message.startsWith('Value "') && noEnumValue > 0) return `The value${message.slice(noEnumValue)}`;
  if (/^(?:Int|Float|String|Boolean|ID|Enum "\w+") cannot represent /.test(message)) {
    const value = message.indexOf(': ');
    return value < 0 ? message : `${message.slice(0, value)}.`;
  }
  const found = message.startsWith('Expected value of type "') ? message.indexOf('", found ') : -1;
  if (found < 0 || message.endsWith('", found null.')) return message;
  return `${message.slice(0, found + 1)}.`;
}

/** Parsed documents, since an error has the source of its literal, but not the document. */
const documents = new WeakMap<Source, DocumentNode>();

function documentOf(source: Source): DocumentNode {
  const document = documents.get(source) ?? parse(source);
  documents.set(source, document);
  return document;
}

/**
 * The path of a literal in a query, such as `['input', 'photoIds', 3]`; empty if the node is not an input or has no
 * location.
 * @param target - the value, or the field of an input object
 */
function pathOfLiteral(target: ASTNode): (string | number)[] {
  const { loc } = target;
  if (!loc) return [];
  const document = documentOf(loc.source);
  let result: (string | number)[] = [];
  visit(document, {
    enter(node, _key, _parent, path) {
      if (node.kind !== target.kind || node.loc?.start !== loc.start || node.loc.end !== loc.end)
        return undefined;
      result = inputPath(document, path);
      return BREAK;
    },
  });
  return result;
}

/** Converts the path of a node in its document to the path of the input. */
function inputPath(document: ASTNode, path: readonly (string | number)[]): (string | number)[] {
  let result: (string | number)[] = [];
  let node: unknown = document;
  path.forEach((key, index) => {
    node = (node as Record<string | number, unknown>)[key];
    if (path[index - 1] === 'values') result.push(key);
    result = [...startOf(node as ASTNode, result), ...nameOf(node as ASTNode)];
  });
  return result;
}

/** An argument or a variable starts a path. */
function startOf({ kind }: ASTNode, path: (string | number)[]): (string | number)[] {
  return kind === Kind.VARIABLE_DEFINITION || kind === Kind.ARGUMENT ? [] : path;
}

function nameOf(node: ASTNode): string[] {
  if (node.kind === Kind.VARIABLE_DEFINITION) return [node.variable.name.value];
  return node.kind === Kind.ARGUMENT || node.kind === Kind.OBJECT_FIELD ? [node.name.value] : [];
}
