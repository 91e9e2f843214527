import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { isOutOfDescriptors, outOfDescriptors, DomainError, excerpt } from '../core/errors';
import { fieldOfPath, maxProblems, pathOfField, withCount } from '../core/input-problems';
import { loggableError, type Logger } from '../core/logger';
import { chainOf, coercionProblemOf, isLimitError, type CoercionProblem } from './coercion-problems';
import { isGraphQLCode } from './error-code.type';

/** The request in which an error occurred. */
export interface ErrorScope {
  readonly requestId: string;
  readonly logger: Logger;
  /** Whether to remove "Did you mean …?" from messages, which would reveal the schema while introspection is disabled. */
  readonly hideSuggestions: boolean;
}

/**
 * Formats errors for the client, identically over HTTP, WebSocket and SSE:
 *
 * - DomainError: its message, `code`, details, `field`, and `problems` with every invalid field
 * - input of the wrong type, in variables or literals: one `INVALID_INPUT` with `field` and all `problems`
 * - query refused by GraphQL: the standard code
 * - any other error: masked as `INTERNAL_SERVER_ERROR` and logged once at level error
 */
export function formatErrors(errors: readonly unknown[], scope: ErrorScope): GraphQLFormattedError[] {
  const invalid: InvalidValue[] = [];
  const others: unknown[] = [];
  for (const error of errors) {
    const problem = isRequestError(error) ? coercionProblemOf(error) : null;
    if (problem) invalid.push({ error: error as GraphQLError, problem });
    else others.push(error);
  }
  if (invalid.length === 0) return others.map((error) => formatError(error, scope));
  // graphql-js adds an error when it stops at its limit; the combined error replaces it if all others are combined.
  const rest = others.every(isLimitError) ? [] : others;
  return [formatInvalidValues(invalid, scope), ...rest.map((error) => formatError(error, scope))];
}

/** A value of the wrong type, for which graphql-js refused the request. */
interface InvalidValue {
  readonly error: GraphQLError;
  readonly problem: CoercionProblem;
}

/** Whether the error refuses a whole request, and was not thrown by a resolver. */
function isRequestError(error: unknown): error is GraphQLError {
  return error instanceof GraphQLError && error.path === undefined && domainErrorIn(error) === null;
}

function formatError(error: unknown, scope: ErrorScope): GraphQLFormattedError {
  const located = error instanceof GraphQLError ? error : undefined;
  const { message, extensions } = formatCause(error, scope);
  return {
    message,
    ...(located?.locations && { locations: located.locations }),
    ...(located?.path && { path: located.path }),
    extensions,
  };
}

function formatInvalidValues(invalid: readonly InvalidValue[], scope: ErrorScope): GraphQLFormattedError {
  const locations = invalid.flatMap(({ error }) => error.locations ?? []);
  const { message, extensions } = formatProblems(
    invalid.map(({ problem }) => problem),
    scope,
  );
  return { message, ...(locations.length > 0 && { locations }), extensions };
}

function formatProblems(found: readonly CoercionProblem[], scope: ErrorScope): FormattedError {
  const problems = found.slice(0, maxProblems).map(({ path, message }) => ({
    code: 'INVALID_INPUT',
    path,
    message: excerpt(scope.hideSuggestions ? withoutSuggestion(message) : message),
  }));
  const [{ path, message }] = problems as [(typeof problems)[0]];
  const field = fieldOfPath(path);
  return {
    message: withCount(message, problems.length - 1),
    extensions: { code: 'INVALID_INPUT', ...(field !== '' && { field }), problems },
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

/** The code that a client receives for an error; INTERNAL_SERVER_ERROR for a bug. */
export function codeOf(error: unknown): string {
  const domain = domainErrorIn(error);
  if (domain) return domain.code;
  if (error instanceof GraphQLError) {
    if (coercionProblemOf(error) !== null) return 'INVALID_INPUT';
    if (isGraphQLCode(error.extensions.code)) return error.extensions.code;
  }
  return isOutOfDescriptors(error) ? outOfDescriptors(error).code : 'INTERNAL_SERVER_ERROR';
}

interface FormattedError {
  message: string;
  extensions: Record<string, unknown> & { code: string };
}

function formatCause(error: unknown, scope: ErrorScope): FormattedError {
  const domain = domainErrorIn(error);
  if (domain) return formatDomainError(domain);
  if (error instanceof GraphQLError) {
    const problem = coercionProblemOf(error);
    if (problem) return formatProblems([problem], scope);
    const { message, extensions } = error;
    if (isGraphQLCode(extensions.code)) {
      const shown = scope.hideSuggestions ? withoutSuggestion(message) : message;
      return { message: excerpt(shown), extensions: { code: extensions.code } };
    }
  }
  if (isOutOfDescriptors(error)) return formatDomainError(outOfDescriptors(error));
  scope.logger.error(
    { requestId: scope.requestId, error: loggableError(chainOf(error).at(-1)) },
    'unexpected error',
  );
  return { message: maskedMessage(scope.requestId), extensions: { code: 'INTERNAL_SERVER_ERROR' } };
}

function formatDomainError({ message, code, field, details, problems }: DomainError): FormattedError {
  const named = problems.map((problem) => ({
    code: problem.code,
    path: pathOfField(problem.field),
    message: problem.message,
  }));
  return {
    message,
    extensions: {
      ...details,
      code,
      ...(field !== undefined && { field }),
      ...(named.length > 0 && { problems: named }),
    },
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
