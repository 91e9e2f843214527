import { createHash } from 'node:crypto';
import { WebSocket } from 'ws';
import { createClient, type LikenessClient } from '../client/client';
import { LikenessError } from '../client/errors';
import { pause } from '../core/clock';

/** How the demo reaches its server. */
export interface DemoServer {
  /** Without a trailing slash. */
  url: string;
  /** A token or API key if the server requires authentication. */
  token?: string;
  /** How long to retry while the server is unavailable, in milliseconds. */
  maxUnavailableMs: number;
  /** Prints a message when the server becomes unavailable or available again. */
  print: (line: string) => void;
}

/** A permanent error. */
export class DemoError extends Error {
  override readonly name = 'DemoError';
}

const requestMs = 30_000;
const retryDelayMs = 500;
/** How long to wait for a server that has never answered, in milliseconds: it was probably not started. */
const firstAnswerMs = 5_000;

/** A client that survives restarts of the server. */
export function createDemoClient({ url, token, maxUnavailableMs, print }: DemoServer): LikenessClient {
  return createClient({
    url,
    token,
    webSocketImpl: WebSocket,
    timeoutMs: requestMs,
    retryForMs: maxUnavailableMs,
    retryDelayMs: () => retryDelayMs,
    onConnectionChange: (error) =>
      print(
        error === null
          ? 'The server is available again; continuing.'
          : `The server is unavailable (${error.message}). Retrying.`,
      ),
  });
}

/** The server with the time limit of a first request. */
export function untilFirstAnswer(server: DemoServer): DemoServer {
  return { ...server, maxUnavailableMs: Math.min(server.maxUnavailableMs, firstAnswerMs) };
}

/** Runs a part of the demo; its errors say what to do. */
export async function withAdvice<Result>(
  { url, maxUnavailableMs }: DemoServer,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof LikenessError)) throw error;
    const { code, message } = error;
    if (error.isTemporary) {
      const seconds = Math.round(maxUnavailableMs / 1_000);
      const advice = 'Start a server there with npm start, or give its address: --url.';
      throw new DemoError(`${url} was unavailable for ${seconds} s (${message}). ${advice}`);
    }
    if (code !== 'UNAUTHENTICATED') throw new DemoError(message);
    throw new DemoError(`${code}: ${message} Give the demo a key or token: --token, or LIKENESS_TOKEN.`);
  }
}

/**
 * Downloads an image.
 * @throws DemoError if the content does not match its announced size and hash, or cannot be fetched in time
 */
export async function downloadImage(
  url: string,
  { byteSize, sha256 }: { byteSize: number; sha256: string },
  maxUnavailableMs: number,
): Promise<Buffer> {
  const deadlineMs = Date.now() + maxUnavailableMs;
  for (;;) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(requestMs) });
      if (!response.ok) throw new Error(`HTTP status ${response.status}`);
      const bytes = await readUpTo(byteSize, response.body!);
      const isWhole = createHash('sha256').update(bytes).digest('hex') === sha256;
      if (!isWhole) throw new DemoError('The content of an image does not match its sha256.');
      return bytes;
    } catch (error) {
      if (error instanceof DemoError || Date.now() > deadlineMs) throw error;
      await pause(retryDelayMs);
    }
  }
}

async function readUpTo(maxBytes: number, body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw new DemoError('An image is larger than its byteSize.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
