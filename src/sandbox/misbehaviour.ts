import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { type Fault, isPaid } from './faults';
import { failureMessages } from './jobs';
import { begin, type Headers, type Reply, send } from './replies';

/** The size of an oversized body. */
const hugeBytes = 200_000_000;

/** The size of the decompressed body of `gzip-bomb`. */
const bombBytes = 100_000_000;

/** Created at its first use. */
let bomb: Buffer | undefined;

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
  const original = unrelatedReply(fault) ?? reply ?? { status: 202, body: {} };
  switch (fault.kind) {
    case 'reset-before':
    case 'reset-after':
      response.socket?.resetAndDestroy();
      break;
    case 'hang':
      break;
    case 'huge':
      flood(response.writeHead(200, { ...headers, 'content-type': 'application/json' }));
      break;
    case 'truncated':
      sendHalf(response, original, headers);
      break;
    case 'slow':
      drip(response, original, headers, fault.everyMs);
      break;
    default:
      send(response, original.status < 300 ? altered(fault, original, duplicateId) : original, headers);
  }
}

/** A reply that does not depend on the call; null for other faults. */
function unrelatedReply(fault: Fault): Reply | null {
  const json = { 'content-type': 'application/json' };
  switch (fault.kind) {
    case 'status': {
      const { status, body, headers } = fault;
      return { status, body: typeof body === 'string' ? Buffer.from(body) : body, headers };
    }
    case 'redirect':
      return { status: 307, body: Buffer.alloc(0), headers: { location: fault.location } };
    case 'html': {
      const body = Buffer.from('<!doctype html><title>Please log in</title>');
      return { status: 200, body, headers: { 'content-type': 'text/html' } };
    }
    case 'empty':
      return { status: 200, body: Buffer.alloc(0), headers: json };
    case 'malformed':
      return { status: 200, body: Buffer.from('{"status": "DONE", "data": ['), headers: json };
    case 'gzip-bomb':
      bomb ??= gzipSync(Buffer.alloc(bombBytes, ' '));
      return { status: 200, body: bomb, headers: { ...json, 'content-encoding': 'gzip' } };
    case 'not-an-image':
      return { status: 200, body: Buffer.from('not a picture'), headers: { 'content-type': 'image/jpeg' } };
    case 'expired':
      return { status: 404, body: { detail: 'The picture does not exist or has expired.' } };
    default:
      return null;
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
      return isPaid(fault.on)
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
  if (isPaid(fault.on)) return {};
  switch (fault.kind) {
    case 'failed':
      return { status: 'FAILED', message: failureMessages.FAILED, data: undefined };
    case 'image-not-valid':
      return { status: 'IMAGE_NOT_VALID', message: failureMessages.IMAGE_NOT_VALID, data: undefined };
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

function idNameOf(body: Record<string, unknown>): string {
  return 'model_id' in body ? 'model_id' : 'inference_id';
}

function sendHalf(response: ServerResponse, reply: Reply, headers: Headers): void {
  const bytes = begin(response, reply, headers);
  response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
}

/** Sends one byte at a time, so that idle timeouts do not fire. */
function drip(response: ServerResponse, reply: Reply, headers: Headers, everyMs: number): void {
  const bytes = begin(response, reply, headers);
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
