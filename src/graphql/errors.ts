import {
  GraphQLError,
  isValueNode,
  Kind,
  BREAK,
  parse,
  visit,
  type ASTNode,
  type GraphQLFormattedError,
} from 'graphql';
import { isOutOfDescriptors, outOfDescriptors, DomainError, excerpt } from '../core/errors';
import { loggableError, type Logger } from '../core/logger';

/**
 * Values of `extensions.code` for errors of GraphQL itself, named as by Apollo. Invalid variables and literals are not
 * included: they are `INVALID_INPUT` with `field`.
 */
const graphqlCodes = [
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'BAD_REQUEST',
] as const;

/** The request in which an error occurred. */
export interface ErrorScope {
  readonly requestId: string;
  readonly logger: Logger;
  /** Whether to remove "Did you mean …?" from messages, which would reveal the schema while introspection is disabled. */
  readonly hideSuggestions: boolean;
}

/**
 * Formats an error for the client, identically over HTTP, WebSocket and SSE:
 *
 * - DomainError: its message, `code`, `field` and details
 * - input of the wrong type, in a variable or a literal: `INVALID_INPUT` with the path in `field`
 * - query refused by GraphQL: the standard code
 * - any other error: masked as `INTERNAL_SERVER_ERROR` and logged once at level error
 */
export function formatError(error: unknown, scope: ErrorScope): GraphQLFormattedError {
  const located = error instanceof GraphQLError ? error : undefined;
  const { message, extensions } = formatCause(error, scope);
  return {
    message,
    ...(located?.locations && { locations: located.locations }),
    ...(located?.path && { path: located.path }),
    extensions,
  };
}

/** The message of an internal error. */
export function maskedMessage(requestId: string): string {
  return `Internal server error. It was logged with request id ${requestId}.`;
}

/** The DomainError wrapped by a GraphQLError, if any. */
export function domainErrorIn(error: unknown): DomainError | null {
  const first = chainOf(error).at(-1);
  return first instanceof DomainError ? first : null;
}

interface FormattedError {
  message: string;
  extensions: Record<string, unknown> & { code: string };
}

function formatCause(error: unknown, scope: ErrorScope): FormattedError {
  const domain = domainErrorIn(error);
  if (domain) return formatDomainError(domain);
  const formatted =
    error instanceof GraphQLError ? (formatInputError(error) ?? formatGraphQLError(error)) : null;
  if (formatted) {
    const message = scope.hideSuggestions ? withoutSuggestion(formatted.message) : formatted.message;
    return { ...formatted, message: excerpt(message) };
  }
  if (isOutOfDescriptors(error)) return formatDomainError(outOfDescriptors(error));
  scope.logger.error(
    { requestId: scope.requestId, error: loggableError(chainOf(error).at(-1)) },
    'unexpected error',
  );
  return { message: maskedMessage(scope.requestId), extensions: { code: 'INTERNAL_SERVER_ERROR' } };
}

function formatDomainError({ message, code, field, details }: DomainError): FormattedError {
  return { message, extensions: { ...details, code, ...(field !== undefined && { field }) } };
}

function formatGraphQLError(error: GraphQLError): FormattedError | null {
  const code = graphqlCodes.find((known) => known === error.extensions.code);
  return code ? { message: error.message, extensions: { code } } : null;
}

/** Formats an error about a variable or literal of the wrong type. */
function formatInputError(error: GraphQLError): FormattedError | null {
  const links = chainOf(error).filter((link) => link instanceof GraphQLError);
  for (const link of links.reverse()) {
    const formatted = formatLinkError(link);
    if (formatted) return formatted;
  }
  return null;
}

function formatLinkError(error: GraphQLError): FormattedError | null {
  const [node, ...others] = error.nodes ?? [];
  if (!node || others.length > 0) return null;
  if (node.kind === Kind.VARIABLE_DEFINITION) return formatVariableError(error, node.variable.name.value);
  if (!isInput(node)) return null;
  const { message } = error.originalError ?? error;
  return invalidInput(message, inputPath(node));
}

function isInput(node: ASTNode): boolean {
  return isValueNode(node) || node.kind === Kind.OBJECT_FIELD;
}

/**
 * graphql-js writes `Variable "$input" got invalid value <value> at "input.type"; <reason>`. The value is removed because
 * it may be a signed URL.
 */
function formatVariableError(error: GraphQLError, variable: string): FormattedError | null {
  const reason = error.originalError?.message;
  if (reason === undefined) {
    const isMissing = / was not provided\.$| must not be null\.$/.test(error.message);
    return isMissing ? invalidInput(error.message, variable) : null;
  }
  const prefix = error.message.slice(0, -`; ${reason}"`.length);
  // Quotation marks within the value are escaped, so the last one starts the path, if there is a path.
  const start = prefix.lastIndexOf('"') + 1;
  const path = prefix.slice(0, start).endsWith(' at "') ? prefix.slice(start) : '';
  const isPath = path.startsWith(variable) && /^[.[]/.test(path.slice(variable.length));
  return invalidInput(reason, isPath ? path : variable);
}

function invalidInput(message: string, field: string | undefined): FormattedError {
  return {
    message,
    extensions: { code: 'INVALID_INPUT', ...(field !== undefined && { field }) },
  };
}

/**
 * Removes the suggestion that graphql-js appends: ` Did you mean "models"?`. Avoids a regular expression because the
 * message can contain up to 250 kB of client input.
 */
function withoutSuggestion(message: string): string {
  const start = message.endsWith('?') ? message.lastIndexOf('Did you mean ') : -1;
  return start === -1 ? message : message.slice(0, start).trimEnd();
}

/** An error and the errors that it wraps; the innermost is last. */
function chainOf(error: unknown): unknown[] {
  const chain = [error];
  for (let link = error; link instanceof GraphQLError && link.originalError;) {
    link = link.originalError;
    chain.push(link);
  }
  return chain;
}

/**
 * The path of a literal in a query, such as `input.photoIds[3]`; undefined if the node is not an input or has no location.
 * @param target - the value, or the field of an input object
 */
function inputPath(target: ASTNode): string | undefined {
  const { loc } = target;
  if (!loc) return undefined;
  const document = parse(loc.source);
  let result = '';
  visit(document, {
    enter(node, _key, _parent, path) {
      if (node.kind !== target.kind || node.loc?.start !== loc.start || node.loc.end !== loc.end)
        return undefined;
      result = formatPath(document, path);
      return BREAK;
    },
  });
  return result === '' ? undefined : result;
}

function formatPath(document: ASTNode, path: readonly (string | number)[]): string {
  let text = '';
  let node: unknown = document;
  path.forEach((key, index) => {
    node = (node as Record<string | number, unknown>)[key];
    if (path[index - 1] === 'values') text += `[${key}]`;
    text = withName(text, node as ASTNode);
  });
  return text;
}

function withName(text: string, node: ASTNode): string {
  if (node.kind === Kind.VARIABLE_DEFINITION) return node.variable.name.value;
  if (node.kind === Kind.ARGUMENT) return node.name.value;
  return node.kind === Kind.OBJECT_FIELD ? `${text}.${node.name.value}` : text;
}
