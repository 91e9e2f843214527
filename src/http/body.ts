import type { IncomingMessage } from 'node:http';
import { withinMs } from '../core/clock';
import { DomainError } from '../core/errors';
import type { Exchange } from './router';

/** Maximum pause between chunks of a body, in milliseconds. */
const maxPauseMs = 30_000;

/** Limits for reading and discarding the rest of a body, so that the client can finish and read the response. */
const discardLimits = { maxBytes: 64_000_000, maxMs: 5_000 } as const;

/**
 * Streams the body of a request. If the consumer stops reading, the connection stays open for the response, and the
 * server discards the rest.
 * @throws DomainError TIMEOUT if the client pauses too long
 */
export async function* bodyChunks(exchange: Exchange): AsyncGenerator<Buffer> {
  const { request, response, expectsContinue } = exchange;
  if (expectsContinue) response.writeContinue();
  const chunks = request.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
  try {
    for (;;) {
      const next = await withinMs(maxPauseMs, chunks.next(), tooSlow);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    // Not awaited: it would wait for a chunk that is being waited for.
    chunks.return?.().catch(() => undefined);
  }
}

/**
 * Reads a body as text.
 * @param maxBytes - checked against the announced size and while reading
 * @param maxMs - total time limit
 * @throws DomainError REQUEST_TOO_LARGE, TIMEOUT
 */
export async function readBody(exchange: Exchange, maxBytes: number, maxMs: number): Promise<string> {
  if ((announcedSize(exchange.request) ?? 0) > maxBytes) throw tooLarge(maxBytes);
  return withinMs(maxMs, collect(exchange, maxBytes), tooSlow);
}

/** The announced size of the body in bytes; 0 without a body, null if unknown (chunked). */
export function announcedSize(request: IncomingMessage): number | null {
  if (request.headers['transfer-encoding'] !== undefined) return null;
  return Number(request.headers['content-length'] ?? 0);
}

/**
 * Reads and discards the rest of a request that was answered early, within limits. Closing immediately would reset the
 * connection before the client has read the response. Resolves when the request has ended or was aborted.
 */
export async function discardRest(request: IncomingMessage): Promise<void> {
  const { socket } = request;
  if (request.readableEnded || socket.destroyed) return;
  await new Promise<void>((resolve) => {
    let bytes = 0;
    const destroy = (): void => void socket.destroy();
    const timer = setTimeout(destroy, discardLimits.maxMs);
    const done = (): void => {
      clearTimeout(timer);
      socket.off('close', done);
      resolve();
    };
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > discardLimits.maxBytes) destroy();
    });
    request.once('end', done);
    socket.once('close', done);
    request.resume();
  });
}

/** Collects the chunks by events, without the promises of an iterator. */
function collect({ request, response, expectsContinue }: Exchange, maxBytes: number): Promise<string> {
  if (expectsContinue) response.writeContinue();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (error: Error | null): void => {
      request.off('data', onData).off('end', onEnd).off('error', settle).off('close', onClose);
      if (!error) return resolve(Buffer.concat(chunks).toString('utf8'));
      request.pause();
      reject(error);
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > maxBytes) settle(tooLarge(maxBytes));
    };
    const onEnd = (): void => settle(null);
    const onClose = (): void => settle(new Error('The connection was closed before the body was received.'));
    request.on('data', onData).on('end', onEnd).on('error', settle).on('close', onClose);
  });
}

function tooLarge(maxBytes: number): DomainError {
  return new DomainError('REQUEST_TOO_LARGE', `The request's body is larger than ${maxBytes / 1_000} kB.`, {
    details: { maximumBytes: maxBytes },
  });
}

function tooSlow(): DomainError {
  return new DomainError('TIMEOUT', 'The request body was not received in time. Retry.');
}
