import type { SubscribePayload, WebSocket as Wire } from 'graphql-ws';
import type { RawData, WebSocket } from 'ws';
import { loggableError } from '../../core/loggable-error';
import type { Logger } from '../../core/logger';
import { isRecord, parseJson } from '../json';

/** Why a socket was closed by us, beside the protocol's own codes. Clients connect again after both. */
export const closeReasons = {
  tooSlow: { code: 4413, reason: 'Reading too slowly; reconnect and resume with your last cursor.' },
  stopping: { code: 1012, reason: 'The server is stopping; reconnect and resume with your last cursor.' },
  later: { code: 1013, reason: 'Try again later.' },
  forbidden: { code: 4403, reason: 'Forbidden' },
  badMessage: { code: 4400, reason: 'Invalid message received' },
  binary: { code: 4400, reason: 'Send text frames, not binary ones.' },
  bug: { code: 4500, reason: 'Internal server error' },
} as const;

/** Bounds of one socket. */
export interface SocketLimits {
  /** Between pings; what has not been answered or taken by the next one ends the socket. Milliseconds. */
  readonly keepAliveMs: number;
  /** How much may wait to be sent before the client counts as too slow, in bytes. */
  readonly maxBufferedBytes: number;
}

/** What a client may send. */
const clientMessages: ReadonlySet<unknown> = new Set([
  'connection_init',
  'ping',
  'pong',
  'subscribe',
  'complete',
]);

/** Identifiers of operations are the client's own, and stand in a close reason of 123 bytes. */
const maxIdLength = 64;

/**
 * One socket, as graphql-ws wants it: text in, text out, with bounds in both directions. A client that does not read is
 * closed with a reason; it is never sent more than it takes.
 */
export class BoundedSocket implements Wire {
  private pendingSends = 0;
  private lastTakenMs = 0;
  private hasAnswered = true;
  private readonly keepAlive: NodeJS.Timeout;
  private readonly closed: Promise<void>;

  constructor(
    private readonly socket: WebSocket,
    private readonly limits: SocketLimits,
    private readonly logger: Logger,
  ) {
    this.keepAlive = setInterval(() => this.checkAlive(), limits.keepAliveMs);
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        clearInterval(this.keepAlive);
        resolve();
      });
    });
    socket.on('pong', () => (this.hasAnswered = true));
    // A client that pings without reading fills the buffer with our pongs.
    socket.on('ping', () => this.checkBuffer());
    // ws has closed it already, with the right code: 1009 for a frame too large, 1007 for bad UTF-8.
    socket.on('error', () => undefined);
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  /**
   * Sends, and resolves when the operating system has taken it. On a socket that is closing it sends nothing and
   * resolves at its end: a source that always has more would otherwise be read for ever, without a pause.
   */
  async send(text: string): Promise<void> {
    if (this.socket.readyState !== this.socket.OPEN || this.checkBuffer()) {
      await this.closed;
      return;
    }
    if (this.pendingSends === 0) this.lastTakenMs = Date.now();
    this.pendingSends += 1;
    await new Promise<void>((resolve) => {
      // An error here means that the socket is gone, which its close event tells.
      this.socket.send(text, () => resolve());
    });
    this.pendingSends -= 1;
    this.lastTakenMs = Date.now();
  }

  /** Closes with a reason, cut to what fits a close frame. Who does not answer is cut off. */
  close(code?: number, reason = ''): void {
    if (this.socket.readyState !== this.socket.OPEN) return;
    // A character that the cut has halved becomes U+FFFD, which may be longer than what was cut.
    const whole = Buffer.from(reason)
      .subarray(0, 123)
      .toString()
      .replace(/\ufffd$/, '');
    this.socket.close(code, whole);
    const timer = setTimeout(() => this.socket.terminate(), this.limits.keepAliveMs);
    this.socket.once('close', () => clearTimeout(timer));
  }

  /**
   * Closes with a code of {@link closeReasons}.
   * @param reason - instead of the usual one
   */
  closeFor(closing: keyof typeof closeReasons, reason: string = closeReasons[closing].reason): void {
    this.close(closeReasons[closing].code, reason);
  }

  /** Hands on every message that is well formed; what is not closes the socket. */
  onMessage(handle: (text: string) => Promise<void>): void {
    this.socket.on('message', (data, isBinary) => {
      if (this.socket.readyState !== this.socket.OPEN) return;
      if (isBinary) {
        this.closeFor('binary');
        return;
      }
      const message = readMessage(textOf(data));
      if (message === null) this.closeFor('badMessage');
      else handle(JSON.stringify(message)).catch((error: unknown) => this.fail(error));
    });
  }

  private fail(error: unknown): void {
    this.logger.error({ error: loggableError(error) }, 'unexpected error');
    this.closeFor('bug');
  }

  private checkBuffer(): boolean {
    const isFull = this.socket.bufferedAmount > this.limits.maxBufferedBytes;
    if (isFull) this.giveUp();
    return isFull;
  }

  private giveUp(): void {
    this.logger.info('a client reads too slowly');
    this.closeFor('tooSlow');
  }

  private checkAlive(): void {
    if (this.socket.readyState !== this.socket.OPEN) return;
    const isStuck = this.pendingSends > 0 && Date.now() - this.lastTakenMs >= this.limits.keepAliveMs;
    if (isStuck) {
      this.giveUp();
    } else if (this.hasAnswered) {
      this.hasAnswered = this.pendingSends > 0;
      this.socket.ping();
    } else {
      this.socket.terminate();
    }
  }
}

function textOf(data: RawData): string {
  return (Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)).toString('utf8');
}

/**
 * Reads a message before graphql-ws does, which takes any depth and answers some mistakes as if they were bugs of ours.
 * An operation is wrapped, so that graphql-ws does not check its form: it would close the socket for a mistake that
 * HTTP and SSE answer with an error, and does not know operations that are named by their hash.
 * @returns null if it is not one of the protocol's messages
 */
function readMessage(text: string): Record<string, unknown> | null {
  try {
    const message = parseJson(text);
    if (!isRecord(message) || !clientMessages.has(message.type)) return null;
    if (typeof message.id === 'string' && message.id.length > maxIdLength) return null;
    const isOperation = message.type === 'subscribe' && isRecord(message.payload);
    return isOperation ? { ...message, payload: wrapped(message.payload) } : message;
  } catch {
    return null;
  }
}

function wrapped(given: unknown): SubscribePayload {
  return { query: '', extensions: { given } };
}

/** The operation as the client sent it, out of what graphql-ws was given. */
export function givenIn(payload: SubscribePayload): unknown {
  return payload.extensions?.given;
}
