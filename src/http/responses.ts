import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { DomainError, isOutOfDescriptors, outOfDescriptors, type ErrorCode } from '../core/errors';
import { loggableError } from '../core/logger';
import { maskedMessage } from '../graphql/errors';
import { discardRest } from './body';
import type { Exchange } from './router';

/** Response headers by lower-case name. */
export type Headers = Readonly<Record<string, string | number>>;

/** Default headers of every response; routes may override them. */
export const securityHeaders: Headers = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
};

/** Adds headers to a response that has not begun. */
export function setHeaders(response: ServerResponse, headers: Headers): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}

/** Sends JSON that must not be cached. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Headers = {},
): void {
  sendText(response, status, JSON.stringify(body), {
    'content-type': 'application/json; charset=utf-8',
    ...headers,
  });
}

/** Sends text, by default not cacheable. May be called while the client is still sending its request. */
export function sendText(response: ServerResponse, status: number, text: string, headers: Headers): void {
  const length = Buffer.byteLength(text);
  response.writeHead(status, { 'cache-control': 'no-store', 'content-length': length, ...headers });
  if (response.req.complete) {
    // Node sends head and text as one string.
    response.end(text);
    return;
  }
  response.write(text);
  // The client has the whole answer. The end waits, since it may close the connection under a client that still sends.
  void discardRest(response.req).then(() => response.end());
}

/** The body of an error response of routes other than GraphQL. */
export function errorBody({ code, message, field, details }: DomainError): Record<string, unknown> {
  return { ...details, code, message, ...(field !== undefined && { field }) };
}

/** Retry-After and WWW-Authenticate headers of an error. */
export function errorHeaders(error: DomainError): Headers {
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
export function sendError(exchange: Exchange, thrown: unknown): void {
  const { response, logger, requestId } = exchange;
  if (response.destroyed) return;
  const error = knownError(thrown);
  if (!(error instanceof DomainError)) logger.error({ error: loggableError(error) }, 'unexpected error');
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (error instanceof DomainError) {
    sendJson(response, error.httpStatus, errorBody(error), errorHeaders(error));
  } else {
    sendJson(response, 500, { code: 'INTERNAL_SERVER_ERROR', message: maskedMessage(requestId) });
  }
}

function knownError(error: unknown): unknown {
  return !(error instanceof DomainError) && isOutOfDescriptors(error) ? outOfDescriptors(error) : error;
}

/** How long a client may keep its side open after the response, in milliseconds. */
const defaultLingerMs = 2_000;

/**
 * Sends a final error response on a socket without a response object, and destroys the socket when the client has closed
 * its side, or after `lingerMs`. Destroying it immediately could reset the connection before the client has read the
 * response.
 */
export function refuseSocket(
  socket: Duplex,
  status: number,
  code: ErrorCode,
  message: string,
  lingerMs: number = defaultLingerMs,
): void {
  const destroy = (): void => void socket.destroy();
  socket.on('error', destroy);
  socket.once('end', destroy);
  const body = JSON.stringify({ code, message });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    'X-Content-Type-Options: nosniff',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.end([...head, '', body].join('\r\n'));
  socket.resume();
  const timer = setTimeout(destroy, lingerMs);
  socket.once('close', () => clearTimeout(timer));
}
