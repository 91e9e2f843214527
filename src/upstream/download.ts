import { setMaxListeners } from 'node:events';
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps, type RequestOptions } from 'node:https';
import type { TcpSocketConnectOpts } from 'node:net';
import { isOutOfDescriptors } from '../core/descriptors';
import { GuardRefusal, type Guard, type Trust } from './guard';
import { DownloadDeferred } from './name-resolution';

/**
 * Why nothing, or not all, was fetched.
 * - `REFUSED_ADDRESS`: the URL itself cannot be used; asking again is no use
 * - `UNREACHABLE`: no whole answer came: name unknown, inside address, closed, reset, cut off, not HTTP, too slow, …
 * - `STATUS`: something else than the file was answered; `status` says what. File hosts answer 403, 404 or 410 for what
 *   has gone
 * - `TOO_LARGE`: the file has more than `maxBytes`
 */
export type DownloadErrorKind = 'REFUSED_ADDRESS' | 'UNREACHABLE' | 'STATUS' | 'TOO_LARGE';

/**
 * A fetch that failed. The message may be shown to whoever gave the URL: it names no URL, and it is one and the same
 * for closed, open and unknown, so that it is no port scanner. What happened is in `cause`, for the operator.
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

/** How a file is fetched. */
export interface DownloadOptions {
  guard: Guard;
  /** The most bytes taken; one more ends it. */
  maxBytes: number;
  /** From the call to the last byte read, redirects and pauses of the reader included, in milliseconds. */
  timeoutMs: number;
  /** Ends it early; the signal's reason is then thrown. */
  signal?: AbortSignal;
  /** Whose URL it is, if a client's. */
  owner?: string;
  /** Hosts that may be private; asked at each hop. */
  trust?: Trust;
  /** How many redirects are followed, each checked like the first URL.
   *  @defaultValue 0 */
  redirects?: number;
  /** What the message calls the file.
   *  @defaultValue photo */
  subject?: 'photo' | 'picture';
}

/** A file on its way. */
export interface Download {
  /** As the server says; whether it is true is for a decoder to see. */
  contentType: string | undefined;
  /**
   * The file, to be read once. Throws {@link DownloadError}. Leaving the loop closes the connection; so does the time
   * limit if nobody reads.
   */
  bytes: AsyncIterable<Uint8Array>;
}

/** The most that an answer's headers may have, in bytes. */
const maxHeaderBytes = 16_384;

/** How long one of several addresses is tried before the next one, in milliseconds; Node's 250 is short overseas. */
const addressAttemptMs = 1000;

/**
 * Fetches a file that somebody else named, on a connection of its own that goes where the guard allows.
 * @throws DownloadError, DownloadDeferred, the signal's reason, or the system's error if this process has no descriptor
 * left
 */
export async function download(url: string, options: DownloadOptions): Promise<Download> {
  options.signal?.throwIfAborted();
  const limit = new TimeLimit(options.timeoutMs, options.signal);
  try {
    const response = await follow(url, options, limit);
    refuseUnlessFile(response, options);
    return { contentType: response.headers['content-type'], bytes: read(response, options, limit) };
  } catch (error) {
    limit.end();
    throw limit.reasonFor(error, options);
  }
}

/** Asks, and goes on asking where it is sent to. Answers what is no redirect, or one too many. */
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

/** Only what can be seen in the given URL itself is called a refusal; all else would tell what there is inside. */
function checkFirst(url: string, { guard, trust }: DownloadOptions): URL {
  try {
    return guard.checkUrl(url, trust);
  } catch (error) {
    if (!(error instanceof GuardRefusal)) throw error;
    throw new DownloadError('REFUSED_ADDRESS', error.message, undefined, error);
  }
}

/** Passed on to the socket; Node's types of requests do not name it. */
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
        // Whoever reads the body meets its error; before that, nobody listens.
        response.on('error', () => undefined);
        resolve(response);
      })
      .on('error', reject)
      .on('close', () => {
        reject(new Error('The connection was closed without an answer.'));
      })
      .end();
  });
}

const redirects = new Set([301, 302, 303, 307, 308]);

function redirectTarget(response: IncomingMessage, from: URL): string | null {
  const { location } = response.headers;
  if (!redirects.has(response.statusCode ?? 0) || location === undefined) return null;
  // An absolute target is checked as it was written, a relative one as it is understood.
  return /^[a-z][a-z0-9+.-]*:/i.test(location) || !URL.canParse(location, from.href)
    ? location
    : new URL(location, from).href;
}

function refuseUnlessFile({ statusCode, headers }: IncomingMessage, options: DownloadOptions): void {
  if (statusCode !== 200) throw new DownloadError('STATUS', notFetched(options), statusCode);
  if (!/^\s*(identity\s*)?$/i.test(headers['content-encoding'] ?? '')) {
    throw new Error('The answer is compressed, which was not asked for.');
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
 * Ends a download by destroying its sockets, whatever it waits for. `fetch` with a signal is not used: in Node 20 an
 * abort may never reach a body that is being read (nodejs/undici #4627).
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

  /** What is to be done when it is over, in whatever way. */
  onEnd(act: () => void): void {
    this.acts.push(act);
  }

  end(): void {
    clearTimeout(this.timer);
    this.signal?.removeEventListener('abort', this.stop);
    for (const act of this.acts.splice(0)) act();
  }

  /** What to throw for an error: destroyed sockets fail in many ways, and why they were destroyed counts. */
  reasonFor(error: unknown, options: DownloadOptions): unknown {
    if (this.signal?.aborted) return this.signal.reason;
    // Not the address's fault, and no answer about it.
    if (error instanceof DownloadError || error instanceof DownloadDeferred || isOutOfDescriptors(error)) {
      return error;
    }
    const cause = this.isLate ? new Error(`It took longer than ${options.timeoutMs} ms.`) : error;
    return new DownloadError('UNREACHABLE', notFetched(options), undefined, cause);
  }
}
