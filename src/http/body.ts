import type { IncomingMessage } from 'node:http';
import { withinMs } from '../core/clock';
import { DomainError } from '../core/errors';
import type { Exchange } from './exchange';

/** How long a client may pause in the middle of a body, in milliseconds. */
const maxPauseMs = 30_000;

/** How much of a body that nobody wants is read, so that the client can finish and see the answer. */
const discarded = { maxBytes: 64_000_000, maxMs: 5_000 } as const;

/**
 * The bytes of a request's body as they come. Whoever stops reading leaves the connection alive, so that it can be
 * answered; the server disposes of the rest.
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
 * A whole body, as text.
 * @param maxBytes - refused from what the client announces, or as soon as more has come; the rest is not kept
 * @param maxMs - how long it may take in all
 * @throws DomainError REQUEST_TOO_LARGE, TIMEOUT
 */
export async function readBody(exchange: Exchange, maxBytes: number, maxMs: number): Promise<string> {
  if ((announcedSize(exchange.request) ?? 0) > maxBytes) throw tooLarge(maxBytes);
  return withinMs(maxMs, collect(exchange, maxBytes), tooSlow);
}

/** The size that the client announces, in bytes; 0 without a body, null if it is not known before its end. */
export function announcedSize(request: IncomingMessage): number | null {
  if (request.headers['transfer-encoding'] !== undefined) return null;
  return Number(request.headers['content-length'] ?? 0);
}

/**
 * Reads what is left of a request that is answered early, within bounds, and throws it away. Closing at once would
 * reset the connection, and the client would never see why. Returns when the request has ended or was cut off.
 */
export async function discardRest(request: IncomingMessage): Promise<void> {
  const { socket } = request;
  if (request.readableEnded || socket.destroyed) return;
  await new Promise<void>((resolve) => {
    let bytes = 0;
    const giveUp = (): void => void socket.destroy();
    const timer = setTimeout(giveUp, discarded.maxMs);
    const done = (): void => {
      clearTimeout(timer);
      socket.off('close', done);
      resolve();
    };
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > discarded.maxBytes) giveUp();
    });
    request.once('end', done);
    socket.once('close', done);
    request.resume();
  });
}

async function collect(exchange: Exchange, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of bodyChunks(exchange)) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function tooLarge(maxBytes: number): DomainError {
  return new DomainError('REQUEST_TOO_LARGE', `The request's body is larger than ${maxBytes / 1_000} kB.`, {
    details: { maximumBytes: maxBytes },
  });
}

function tooSlow(): DomainError {
  return new DomainError('TIMEOUT', "The request's body did not come in time. Send it again.");
}
