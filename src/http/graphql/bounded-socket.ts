import type { SubscribePayload, WebSocket as Wire } from 'graphql-ws';
import type { RawData, WebSocket } from 'ws';
import { loggableError, type Logger } from '../../core/logger';
import { isRecord, parseJson } from './graphql-request';

/** Close codes and reasons of the gateway, in addition to those of the protocol. */
export const closeReasons = {
  tooSlow: { code: 4413, reason: 'Reading too slowly; reconnect and resume with your last cursor.' },
  stopping: { code: 1012, reason: 'The server is stopping; reconnect and resume with your last cursor.' },
  later: { code: 1013, reason: 'Try again later.' },
  forbidden: { code: 4403, reason: 'Forbidden' },
  badMessage: { code: 4400, reason: 'Invalid message received' },
  binary: { code: 4400, reason: 'Send text frames, not binary ones.' },
  bug: { code: 4500, reason: 'Internal server error' },
} as const;

/** Limits of a WebSocket. */
export interface SocketLimits {
  /** The ping interval in milliseconds. A ping or message not acknowledged by the next one ends the socket. */
  readonly keepAliveMs: number;
  /** Maximum bytes buffered for sending; a client beyond it is too slow. */
  readonly maxBufferedBytes: number;
}

/** Message types that clients may send. */
const clientMessages: ReadonlySet<unknown> = new Set([
  'connection_init',
  'ping',
  'pong',
  'subscribe',
  'complete',
]);

/** Clients choose the ids of operations; graphql-ws includes them in close reasons, which are limited to 123 bytes. */
const maxIdLength = 64;

/**
 * A WebSocket for graphql-ws with limits in both directions. The socket of a client that does not read is closed with a
 * reason instead of buffering without limit.
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
    // A client that sends pings without reading fills the buffer with pongs.
    socket.on('ping', () => this.checkBuffer());
    // ws has already closed it with the correct code: 1009 for oversized frames, 1007 for invalid UTF-8.
    socket.on('error', () => undefined);
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  /**
   * Sends a message and resolves when the operating system has accepted it. On a closing socket it sends nothing and
   * resolves when it is closed; otherwise a source that always has results would be read in an endless loop.
   */
  async send(text: string): Promise<void> {
    if (this.socket.readyState !== this.socket.OPEN || this.checkBuffer()) {
      await this.closed;
      return;
    }
    if (this.pendingSends === 0) this.lastTakenMs = Date.now();
    this.pendingSends += 1;
    await new Promise<void>((resolve) => {
      // An error means that the socket is closed, which the close event handles.
      this.socket.send(text, () => resolve());
    });
    this.pendingSends -= 1;
    this.lastTakenMs = Date.now();
  }

  /** Closes with a reason, truncated to the size of a close frame. Terminates the socket if the client does not respond. */
  close(code?: number, reason = ''): void {
    if (this.socket.readyState !== this.socket.OPEN) return;
    // A truncated character becomes U+FFFD, which may be longer than the removed bytes.
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
   * @param reason - replaces the default reason
   */
  closeFor(cause: keyof typeof closeReasons, reason: string = closeReasons[cause].reason): void {
    this.close(closeReasons[cause].code, reason);
  }

  /** Passes well-formed messages to `handle`; a malformed message closes the socket. */
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
    if (isFull) this.closeTooSlow();
    return isFull;
  }

  private closeTooSlow(): void {
    this.logger.info('closed the socket of a client that reads too slowly');
    this.closeFor('tooSlow');
  }

  private checkAlive(): void {
    if (this.socket.readyState !== this.socket.OPEN) return;
    const isStuck = this.pendingSends > 0 && Date.now() - this.lastTakenMs >= this.limits.keepAliveMs;
    if (isStuck) {
      this.closeTooSlow();
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
 * Validates a message before graphql-ws, which accepts any nesting and reports some client errors as internal errors.
 * Operations are wrapped so that graphql-ws does not validate them: it would close the socket for errors to which HTTP
 * and SSE respond with an error, and it does not support persisted queries.
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

/** Unwraps the client's operation from the payload of graphql-ws. */
export function givenIn(payload: SubscribePayload): unknown {
  return payload.extensions?.given;
}
