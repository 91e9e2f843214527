import { STATUS_CODES, type ServerResponse } from 'node:http';
import { isOutOfDescriptors, outOfDescriptors } from '../core/descriptors';
import { DomainError } from '../core/errors';
import { loggableError } from '../core/loggable-error';
import { maskedMessage } from '../graphql/errors';
import { discardRest } from './body';
import type { Exchange } from './exchange';

/** Headers of an answer, by lower-case name. */
export type Headers = Readonly<Record<string, string | number>>;

/** Answers with JSON that nobody keeps. */
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

/** Answers with text that nobody keeps unless the headers say so; also while the client is still sending. */
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

/** A refusal as a plain route answers it: `{ code, message, field?, … }`. */
export interface Refusal {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Headers;
}

/** What is told of a DomainError outside of GraphQL. */
export function refusalOf(error: DomainError): Refusal {
  const { code, message, field, details, httpStatus: status } = error;
  return {
    status,
    body: { ...details, code, message, ...(field !== undefined && { field }) },
    headers: hints(error),
  };
}

/** Headers that say how a refusal gets better. */
export function hints(error: DomainError): Headers {
  const retryAfter = error.details?.retryAfterSeconds;
  return {
    ...(error.code === 'UNAUTHENTICATED' && { 'www-authenticate': 'Bearer' }),
    ...(typeof retryAfter === 'number' && { 'retry-after': Math.ceil(retryAfter) }),
  };
}

/**
 * Answers what a route threw: a DomainError as it stands, anything else masked and logged. An answer that has begun is
 * cut off, so that nobody takes a part for the whole.
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

/** A whole answer for a socket that has no response object: one that is not HTTP yet, or never will be. */
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
