import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import type { Fault } from './faults';
import type { Reply } from './replies';

type Headers = Readonly<Record<string, string>>;

/** The size of an oversized body. */
const hugeBytes = 200_000_000;

/** The size of the decompressed body of `gzip-bomb`. */
const bombBytes = 100_000_000;

/** Created at its first use. */
let bomb: Buffer | undefined;

/** Sends a reply without faults. */
export function send(response: ServerResponse, reply: Reply, headers: Headers): void {
  const bytes = bytesOf(reply);
  response.writeHead(reply.status, {
    ...headers,
    ...typeOf(reply),
    ...reply.headers,
    'content-length': bytes.length,
  });
  response.end(bytes);
}

/**
 * Sends a reply as changed by the fault, a different response, or nothing.
 * @param reply - null if the call was not executed
 * @param duplicateId - the id of an earlier job, if any
 */
export function misbehave(
  response: ServerResponse,
  fault: Fault,
  reply: Reply | null,
  headers: Headers,
  duplicateId: string | undefined,
): void {
  if (breakConnection(response, fault)) return;
  if (sendUnrelated(response, fault, headers)) return;
  const original = reply ?? { status: 202, body: {} };
  if (fault.kind === 'truncated') sendHalf(response, original, headers);
  else if (fault.kind === 'slow') drip(response, original, headers, fault.everyMs);
  else send(response, original.status < 300 ? altered(fault, original, duplicateId) : original, headers);
}

/** Faults without a response. */
function breakConnection(response: ServerResponse, fault: Fault): boolean {
  if (fault.kind === 'reset-before' || fault.kind === 'reset-after') response.socket?.resetAndDestroy();
  else if (fault.kind !== 'hang') return false;
  return true;
}

/** Faults whose response does not depend on the call. */
function sendUnrelated(response: ServerResponse, fault: Fault, headers: Headers): boolean {
  const json = { ...headers, 'content-type': 'application/json' };
  switch (fault.kind) {
    case 'status':
      send(response, { status: fault.status, body: asBody(fault.body), headers: fault.headers }, headers);
      return true;
    case 'redirect':
      response.writeHead(307, { ...headers, location: fault.location }).end();
      return true;
    case 'html':
      response
        .writeHead(200, { ...headers, 'content-type': 'text/html' })
        .end('<!doctype html><title>Please log in</title>');
      return true;
    case 'empty':
      response.writeHead(200, { ...json, 'content-length': 0 }).end();
      return true;
    case 'malformed':
      response.writeHead(200, json).end('{"status": "DONE", "data": [');
      return true;
    case 'gzip-bomb':
      bomb ??= gzipSync(Buffer.alloc(bombBytes, ' '));
      response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(bomb);
      return true;
    case 'huge':
      flood(response.writeHead(200, json));
      return true;
    case 'not-an-image':
      send(
        response,
        { status: 200, body: Buffer.from('not a picture'), headers: { 'content-type': 'image/jpeg' } },
        headers,
      );
      return true;
    case 'expired':
      send(
        response,
        { status: 404, body: { detail: 'The picture does not exist or has expired.' } },
        headers,
      );
      return true;
    default:
      return false;
  }
}

/** Faults that change fields of the correct reply. */
function altered(fault: Fault, reply: Reply, duplicateId: string | undefined): Reply {
  if (Buffer.isBuffer(reply.body)) return reply;
  const body = { ...reply.body } as Record<string, unknown>;
  switch (fault.kind) {
    case 'no-id':
      return { ...reply, body: { status: body.status } };
    case 'duplicate-id':
      return { ...reply, body: { ...body, ...(duplicateId && { [idNameOf(body)]: duplicateId }) } };
    case 'unknown-status':
      return { ...reply, body: { ...body, status: fault.word, data: undefined } };
    case 'nested':
      return { ...reply, body: nested(fault.word, body) };
    case 'status-back':
    case 'never-done':
      return isSubmission(fault)
        ? reply
        : { ...reply, body: { ...body, status: 'IN_PROGRESS', progress: 10, data: undefined } };
    default:
      return { ...reply, body: { ...body, ...ending(fault, body) } };
  }
}

/** Wraps the reply in an envelope with its own status, as related Picsart services have done since 2026. */
function nested(envelopeStatus: string, { data, ...body }: Record<string, unknown>): object {
  const results = Array.isArray(data) ? { urls: data as unknown[] } : (data as object | undefined);
  return { status: envelopeStatus, data: { ...body, ...results } };
}

/** The fields that a fault changes in the reply to a poll. Replies to submissions stay unchanged. */
function ending(fault: Fault, body: Record<string, unknown>): object {
  if (isSubmission(fault)) return {};
  switch (fault.kind) {
    case 'failed':
      return { status: 'FAILED', message: 'The job failed because of a configured fault.', data: undefined };
    case 'image-not-valid':
      return { status: 'IMAGE_NOT_VALID', message: 'At least one image is not valid.', data: undefined };
    case 'no-results':
      return { status: 'DONE', data: [] };
    case 'fewer-results':
      return { data: Array.isArray(body.data) ? body.data.slice(0, -1) : body.data };
    case 'long-url':
      return { data: Array.isArray(body.data) ? body.data.map(withLongUrl) : body.data };
    default:
      return {};
  }
}

/** Makes the URL of the first result longer than the gateway accepts. */
function withLongUrl(result: { url: string }, index: number): object {
  return index === 0 ? { ...result, url: `${result.url}?${'x'.repeat(4_096)}` } : result;
}

function isSubmission({ on }: Fault): boolean {
  return on === 'train' || on === 'generate' || on === 'instant';
}

function idNameOf(body: Record<string, unknown>): string {
  return 'model_id' in body ? 'model_id' : 'inference_id';
}

function sendHalf(response: ServerResponse, reply: Reply, headers: Headers): void {
  const bytes = bytesOf(reply);
  response.writeHead(reply.status, { ...headers, ...typeOf(reply), 'content-length': bytes.length });
  response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
}

/** Sends one byte at a time, so that idle timeouts do not fire. */
function drip(response: ServerResponse, reply: Reply, headers: Headers, everyMs: number): void {
  const bytes = bytesOf(reply);
  response.writeHead(reply.status, { ...headers, ...typeOf(reply), 'content-length': bytes.length });
  response.flushHeaders();
  let sent = 0;
  const timer = setInterval(() => {
    if (sent < bytes.length) response.write(bytes.subarray(sent, ++sent));
    else response.end();
  }, everyMs);
  response.on('close', () => {
    clearInterval(timer);
  });
}

/** Sends {@link hugeBytes} as fast as the client reads. */
function flood(response: ServerResponse): void {
  const chunk = Buffer.alloc(64_000, ' ');
  let left = hugeBytes;
  const more = (): void => {
    while (left > 0 && !response.destroyed) {
      left -= chunk.length;
      if (!response.write(chunk)) return;
    }
    response.end();
  };
  response.on('drain', more);
  more();
}

function bytesOf({ body }: Reply): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
}

function typeOf(reply: Reply): Headers {
  return {
    'content-type': Buffer.isBuffer(reply.body) ? 'application/octet-stream' : 'application/json',
    ...reply.headers,
  };
}

function asBody(body: string | Record<string, unknown>): object | Buffer {
  return typeof body === 'string' ? Buffer.from(body) : body;
}
