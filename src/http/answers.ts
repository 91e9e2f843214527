import { STATUS_CODES, type ServerResponse } from 'node:http';
import { isOutOfDescriptors, outOfDescriptors, DomainError } from '../core/errors';
import { loggableError } from '../core/logger';
import { maskedMessage } from '../graphql/errors';
import { discardRest } from './body';
import type { Exchange } from './exchange';

/** Response headers by lower-case name. */
export type Headers = Readonly<Record<string, string | number>>;

/** Sends JSON that must not be cached. */
export function answerJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Headers = {},
): void {
  answerText(response, status, JSON.stringify(body), {
    'content-type': 'application/json; charset=utf-8',
    ...headers,
  });
}

/** Sends text, by default not cacheable. May be called while the client is still sending its request. */
export function answerText(response: ServerResponse, status: number, text: string, headers: Headers): void {
  const bytes = Buffer.from(text);
  response.writeHead(status, { 'cache-control': 'no-store', 'content-length': bytes.length, ...headers });
  response.write(bytes);
  if (response.req.complete) {
    response.end();
    return;
  }
  // The client has the whole answer. The end waits, since it may close the connection under a client that still sends.
  void discardRest(response.req).then(() => response.end());
}

/** The error response of routes other than GraphQL: `{ code, message, field?, … }`. */
export interface Refusal {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Headers;
}

/** Converts a DomainError to the response of a route other than GraphQL. */
export function refusalOf(error: DomainError): Refusal {
  const { code, message, field, details, httpStatus: status } = error;
  return {
    status,
    body: { ...details, code, message, ...(field !== undefined && { field }) },
    headers: hints(error),
  };
}

/** Retry-After and WWW-Authenticate headers of an error. */
export function hints(error: DomainError): Headers {
  const retryAfter = error.details?.retryAfterSeconds;
  return {
    ...(error.code === 'UNAUTHENTICATED' && { 'www-authenticate': 'Bearer' }),
    ...(typeof retryAfter === 'number' && { 'retry-after': Math.ceil(retryAfter) }),
  };
}

/**
 * Responds to an error of a route: a DomainError unchanged, any other error masked and logged. A response that has been
 * started is aborted, so that the client detects that it is incomplete.
 */
export function answerError(exchange: Exchange, thrown: unknown): void {
  const { response, logger } = exchange;
  if (response.destroyed) return;
  const error = knownError(thrown);
  if (!(error instanceof DomainError)) logger.error({ error: loggableError(error) }, 'unexpected error');
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { status, body, headers } = error instanceof DomainError ? refusalOf(error) : masked(exchange);
  answerJson(response, status, body, headers);
}

function knownError(error: unknown): unknown {
  return !(error instanceof DomainError) && isOutOfDescriptors(error) ? outOfDescriptors(error) : error;
}

function masked({ requestId }: Exchange): Refusal {
  return {
    status: 500,
    body: { code: 'INTERNAL_SERVER_ERROR', message: maskedMessage(requestId) },
    headers: {},
  };
}

/** A raw HTTP response for a socket without a response object. */
export function rawAnswer(status: number, code: string, message: string): string {
  const body = JSON.stringify({ code, message });
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    'X-Content-Type-Options: nosniff',
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
}
