import { setMaxListeners } from 'node:events';
import { request as requestHttp, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as requestHttps, type RequestOptions } from 'node:https';
import type { TcpSocketConnectOpts } from 'node:net';
import { isOutOfDescriptors } from '../core/errors';
import { GuardRefusal, type Guard, type Trust } from './guard';
import { DownloadDeferred } from './name-resolution';

/**
 * Why a download failed.
 * - `REFUSED_ADDRESS`: the URL itself is not allowed; retrying is useless
 * - `UNREACHABLE`: no complete response: unknown name, private address, refused, reset, truncated, not HTTP, too
 *   slow, …
 * - `STATUS`: a response other than the file, with `status`. File hosts answer 403, 404 or 410 for expired files
 * - `TOO_LARGE`: the file has more than `maxBytes`
 */
export type DownloadErrorKind = 'REFUSED_ADDRESS' | 'UNREACHABLE' | 'STATUS' | 'TOO_LARGE';

/**
 * A failed download. The message may be sent to the client: it contains no URL, and it is the same for closed, open
 * and unknown ports, so that it cannot be used as a port scanner. `cause` has the details for the operator.
 */
export class DownloadError extends Error {
  constructor(
    readonly kind: DownloadErrorKind,
    message: string,
    readonly status?: number,
    cause?: unknown,
  ) {
    super(message, { cause });
    this.name = 'DownloadError';
  }
}

/** Options of {@link download}. */
export interface DownloadOptions {
  guard: Guard;
  /** Maximum number of bytes; one more aborts the download. */
  maxBytes: number;
  /**
   * Maximum duration, in milliseconds, from the call to the last byte read, including redirects and pauses of the
   * reader.
   */
  timeoutMs: number;
  /** Aborts the download; the signal's reason is then thrown. */
  signal?: AbortSignal;
  /** The owner of the URL, if a client sent it. */
  owner?: string;
  /** Hosts that may be private; evaluated for each redirect. */
  trust?: Trust;
  /**
   * Maximum number of redirects, each checked like the first URL.
   * @defaultValue 0
   */
  redirects?: number;
  /**
   * The name of the file in messages.
   * @defaultValue photo
   */
  subject?: 'photo' | 'picture';
  /**
   * Called with the status and the headers of the answer, after redirects, before its body is read or refused.
   * @defaultValue none
   */
  onAnswer?: (status: number, headers: IncomingHttpHeaders) => void;
}

/** A download in progress. */
export interface Download {
  /** The Content-Type header; not verified. */
  contentType: string | undefined;
  /**
   * The body, readable once. Throws {@link DownloadError}. Leaving the loop closes the connection, and so does the
   * time limit without a reader.
   */
  bytes: AsyncIterable<Uint8Array>;
}

/** Maximum size of the response headers, in bytes. */
const maxHeaderBytes = 16_384;

/**
 * How long one of several addresses is tried before the next, in milliseconds; Node's default of 250 is too short
 * for intercontinental connections.
 */
const addressAttemptMs = 1000;

/**
 * Downloads a file from an untrusted URL, on a separate connection to an address that the guard allows.
 * @throws DownloadError, DownloadDeferred, the signal's reason, or the system's error if this process has no file
 * descriptor left
 */
export async function download(url: string, options: DownloadOptions): Promise<Download> {
  options.signal?.throwIfAborted();
  const limit = new TimeLimit(options.timeoutMs, options.signal);
  try {
    const response = await follow(url, options, limit);
    options.onAnswer?.(response.statusCode ?? 0, response.headers);
    refuseUnlessFile(response, options);
    return { contentType: response.headers['content-type'], bytes: read(response, options, limit) };
  } catch (error) {
    limit.end();
    throw limit.reasonFor(error, options);
  }
}

/**
 * Sends the request and follows redirects. Returns the first response that is not a redirect, or exceeds their
 * number.
 */
async function follow(url: string, options: DownloadOptions, limit: TimeLimit): Promise<IncomingMessage> {
  let checked = checkFirst(url, options);
  for (let left = options.redirects ?? 0; ; left -= 1) {
    const response = await open(checked, options, limit);
    const target = redirectTarget(response, checked);
    if (target === null || left === 0) return response;
    response.destroy();
    checked = options.guard.checkUrl(target, options.trust);
  }
}

/** Only problems visible in the URL itself are reported as refusals; others would reveal the internal network. */
function checkFirst(url: string, { guard, trust }: DownloadOptions): URL {
  try {
    return guard.checkUrl(url, trust);
  } catch (error) {
    if (!(error instanceof GuardRefusal)) throw error;
    throw new DownloadError('REFUSED_ADDRESS', error.message, undefined, error);
  }
}

/** Socket options that Node's request types lack. */
type TcpSocketSettings = Pick<TcpSocketConnectOpts, 'autoSelectFamilyAttemptTimeout'>;

function open(
  url: URL,
  { guard, trust, owner }: DownloadOptions,
  limit: TimeLimit,
): Promise<IncomingMessage> {
  const settings: RequestOptions & TcpSocketSettings = {
    agent: false,
    lookup: guard.lookupFor(url, trust, owner),
    autoSelectFamilyAttemptTimeout: addressAttemptMs,
    headers: { accept: 'image/*', 'accept-encoding': 'identity', 'user-agent': 'Likeness' },
    maxHeaderSize: maxHeaderBytes,
    rejectUnauthorized: true,
  };
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, settings);
    limit.onEnd(() => request.destroy());
    request
      .on('response', (response) => {
        // The reader of the body receives its error; before that, there is no listener.
        response.on('error', () => undefined);
        resolve(response);
      })
      .on('error', reject)
      .on('close', () => {
        reject(new Error('The connection was closed without a response.'));
      })
      .end();
  });
}

const redirects = new Set([301, 302, 303, 307, 308]);

function redirectTarget(response: IncomingMessage, from: URL): string | null {
  const { location } = response.headers;
  if (!redirects.has(response.statusCode ?? 0) || location === undefined) return null;
  // Absolute targets are checked as written, relative ones after resolution.
  return /^[a-z][a-z0-9+.-]*:/i.test(location) || !URL.canParse(location, from.href)
    ? location
    : new URL(location, from).href;
}

function refuseUnlessFile({ statusCode, headers }: IncomingMessage, options: DownloadOptions): void {
  if (statusCode !== 200) throw new DownloadError('STATUS', notFetched(options), statusCode);
  if (!/^\s*(identity\s*)?$/i.test(headers['content-encoding'] ?? '')) {
    throw new Error('The response is compressed, which was not requested.');
  }
  if (Number(headers['content-length'] ?? 0) > options.maxBytes) throw tooLarge(options);
}

async function* read(
  response: IncomingMessage,
  options: DownloadOptions,
  limit: TimeLimit,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > options.maxBytes) throw tooLarge(options);
      yield chunk;
    }
  } catch (error) {
    throw limit.reasonFor(error, options);
  } finally {
    limit.end();
  }
}

function notFetched({ subject = 'photo' }: DownloadOptions): string {
  return `The ${subject} could not be fetched from its URL.`;
}

function tooLarge({ subject = 'photo', maxBytes }: DownloadOptions): DownloadError {
  return new DownloadError('TOO_LARGE', `The ${subject} is larger than ${maxBytes / 1e6} MB.`);
}

/**
 * Ends a download by destroying its sockets. `fetch` with a signal is not used: in Node 20 an abort may not reach a
 * body that is being read (nodejs/undici #4627).
 */
class TimeLimit {
  private readonly acts: (() => void)[] = [];
  private readonly timer: NodeJS.Timeout;
  private isLate = false;
  private readonly stop = (): void => {
    this.end();
  };

  constructor(
    timeoutMs: number,
    private readonly signal?: AbortSignal,
  ) {
    this.timer = setTimeout(() => {
      this.isLate = true;
      this.end();
    }, timeoutMs);
    if (!signal) return;
    // Many downloads share a signal; each removes its listener.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', this.stop, { once: true });
  }

  /** Registers a callback for the end of the download. */
  onEnd(act: () => void): void {
    this.acts.push(act);
  }

  end(): void {
    clearTimeout(this.timer);
    this.signal?.removeEventListener('abort', this.stop);
    for (const act of this.acts.splice(0)) act();
  }

  /** The error to throw: destroyed sockets fail with various errors, but the reason for destroying them counts. */
  reasonFor(error: unknown, options: DownloadOptions): unknown {
    if (this.signal?.aborted) return this.signal.reason;
    // Not caused by the URL.
    if (error instanceof DownloadError || error instanceof DownloadDeferred || isOutOfDescriptors(error)) {
      return error;
    }
    const cause = this.isLate ? new Error(`It took longer than ${options.timeoutMs} ms.`) : error;
    return new DownloadError('UNREACHABLE', notFetched(options), undefined, cause);
  }
}
