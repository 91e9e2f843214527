import { GraphQLError, isValueNode, Kind, type ASTNode, type GraphQLFormattedError } from 'graphql';
import { isOutOfDescriptors, outOfDescriptors } from '../core/descriptors';
import { DomainError } from '../core/errors';
import { excerpt } from '../core/excerpt';
import { loggableError } from '../core/loggable-error';
import type { Logger } from '../core/logger';
import { inputPath } from './input-path';

/**
 * Codes that stand in `extensions.code` besides those of the domain: what GraphQL itself refuses, under the names
 * that Apollo gave them. Wrong variables and wrong literals are not among them: they are `INVALID_INPUT` with `field`.
 */
const graphqlCodes = [
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'BAD_REQUEST',
] as const;

/** Where an error is told. */
export interface ErrorScope {
  readonly requestId: string;
  readonly logger: Logger;
  /** Whether "Did you mean …?" is taken out of messages: with introspection off, it would tell the schema. */
  readonly hideSuggestions: boolean;
}

/**
 * What the client is told of an error, the same over HTTP, WebSocket and SSE:
 *
 * - a DomainError: its message, `code`, `field` and details
 * - an input that does not fit its type, in a variable or in the query: `INVALID_INPUT` with the `field`'s path
 * - a query that GraphQL refuses: the standard code
 * - anything else is a bug or an outage: `INTERNAL_SERVER_ERROR`, masked, and logged here, once, at error
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

/** The one sentence that is told of an error of ours. */
export function maskedMessage(requestId: string): string {
  return `Something went wrong on our side; it was logged under request ${requestId}.`;
}

/** The domain error behind what GraphQL made of it, if there is one. */
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

/** A value that does not fit its type: a variable's, or one that stands in the query. */
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
 * graphql-js writes `Variable "$input" got invalid value <value> at "input.type"; <reason>`. The value is left out:
 * the client knows it, and it may be a signed URL.
 */
function formatVariableError(error: GraphQLError, variable: string): FormattedError | null {
  const reason = error.originalError?.message;
  if (reason === undefined) {
    const isMissing = / was not provided\.$| must not be null\.$/.test(error.message);
    return isMissing ? invalidInput(error.message, variable) : null;
  }
  const prefix = error.message.slice(0, -`; ${reason}"`.length);
  // A quotation mark within the value is escaped, so this is the path's if it has one.
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
 * graphql-js suggests names at the end of a message: ` Did you mean "models"?`. No regular expression: the message
 * repeats what the client sent, up to 250 kB.
 */
function withoutSuggestion(message: string): string {
  const start = message.endsWith('?') ? message.lastIndexOf('Did you mean ') : -1;
  return start === -1 ? message : message.slice(0, start).trimEnd();
}

/** An error and those that it wraps, down to the one that was thrown first. */
function chainOf(error: unknown): unknown[] {
  const chain = [error];
  for (let link = error; link instanceof GraphQLError && link.originalError;) {
    link = link.originalError;
    chain.push(link);
  }
  return chain;
}
