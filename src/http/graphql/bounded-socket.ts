import type { Socket } from 'node:net';
import type { WebSocket as Wire } from 'graphql-ws';
import type { RawData, WebSocket } from 'ws';
import { loggableError, type Logger } from '../../core/logger';
import { isRecord, parseJson } from './graphql-request';
import type { Checked, KeepAlive } from './keep-alive';
import { pingFrame, textFrame } from './text-frame';

/**
 * Close codes and reasons of the gateway, in addition to those of the protocol. After 1001 and 1013 many clients connect
 * again at the same time, so the reasons ask for a random delay.
 */
export const closeReasons = {
  tooSlow: { code: 4413, reason: 'Reading too slowly; reconnect and resume with your last cursor.' },
  stopping: {
    code: 1001,
    reason:
      'The server is stopping; reconnect after a random delay of up to 3 s and resume with your last cursor.',
  },
  later: { code: 1013, reason: 'Try again after a random delay of up to 10 s.' },
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

/** Bytes that may be unsent before the source of a subscription waits for the client. */
const maxUnsentBytes = 65_536;

/** What a {@link BoundedSocket} is made of. */
export interface SocketParts {
  readonly webSocket: WebSocket;
  /** The connection of the WebSocket, which must not compress messages. */
  readonly connection: Pick<Socket, 'bytesWritten' | 'writableLength' | 'write'>;
  readonly limits: SocketLimits;
  /** With the interval of the limits. */
  readonly keepAlive: KeepAlive;
  readonly logger: Logger;
  readonly requestId: string;
}

/**
 * A WebSocket for graphql-ws with limits in both directions. The socket of a client that does not read is closed with a
 * reason instead of buffering without limit.
 */
export class BoundedSocket implements Wire, Checked {
  private hasAnswered = true;
  /** The bytes that the operating system had accepted at the last check, if others were waiting. */
  private acceptedBytes = -1;
  /** What graphql-ws does not receive; see {@link takeGiven}. */
  private given: unknown = undefined;
  private readonly socket: WebSocket;
  private readonly slot: number;

  constructor(private readonly parts: SocketParts) {
    const { webSocket, keepAlive } = parts;
    this.socket = webSocket;
    this.slot = keepAlive.add(this);
    webSocket.on('pong', () => (this.hasAnswered = true));
    // A client that sends pings without reading fills the buffer with pongs.
    webSocket.on('ping', () => this.checkBuffer());
    // ws has already closed it with the correct code: 1009 for oversized frames, 1007 for invalid UTF-8.
    webSocket.on('error', () => undefined);
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  /** Releases its resources; to be called when the WebSocket was closed. */
  release(): void {
    this.parts.keepAlive.remove(this, this.slot);
  }

  /**
   * Sends a message and resolves when the operating system has accepted it. On a closing socket it sends nothing and
   * resolves when it is closed; otherwise a source that always has results would be read in an endless loop.
   */
  send(text: string): Promise<void> {
    if (!this.isWritable()) return this.closed();
    return new Promise<void>((resolve) => {
      // An error means that the socket is closed, which the close event handles.
      this.parts.connection.write(textFrame(text), () => resolve());
    });
  }

  /**
   * Sends a result of an operation.
   * @param id - of the operation
   * @param payload - the result as JSON
   * @returns a promise if many bytes were unsent before: it resolves when this result has been accepted, or as `send`
   */
  sendResult(id: string, payload: string): Promise<void> | undefined {
    const message = `{"id":${JSON.stringify(id)},"type":"next","payload":${payload}}`;
    if (!this.isWritable() || this.socket.bufferedAmount > maxUnsentBytes) return this.send(message);
    this.parts.connection.write(textFrame(message));
    return undefined;
  }

  /**
   * The payload of the message that is being handled: the credentials of `connection_init`, or the client's operation.
   * graphql-ws would keep it as long as the socket or the operation, and would validate the operation: it would close the
   * socket for errors to which HTTP and SSE respond with an error, and it does not support persisted queries.
   */
  takeGiven(): unknown {
    const { given } = this;
    this.given = undefined;
    return given;
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
    const timer = setTimeout(() => this.socket.terminate(), this.parts.limits.keepAliveMs);
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
      else handle(this.reduced(message)).catch((error: unknown) => this.fail(error));
    });
  }

  /** The message for graphql-ws, which handles it before the next one. */
  private reduced({ payload, ...message }: Record<string, unknown>): string {
    const isOperation = message.type === 'subscribe' && isRecord(payload);
    if (!isOperation && message.type !== 'connection_init') return JSON.stringify({ ...message, payload });
    this.given = payload;
    return JSON.stringify(isOperation ? { ...message, payload: { query: '' } } : message);
  }

  private fail(error: unknown): void {
    const { logger, requestId } = this.parts;
    logger.error({ requestId, error: loggableError(error) }, 'unexpected error');
    this.closeFor('bug');
  }

  private closed(): Promise<void> {
    if (this.socket.readyState === this.socket.CLOSED) return Promise.resolve();
    return new Promise((resolve) => this.socket.once('close', () => resolve()));
  }

  private isWritable(): boolean {
    return this.socket.readyState === this.socket.OPEN && !this.checkBuffer();
  }

  private checkBuffer(): boolean {
    const isFull = this.socket.bufferedAmount > this.parts.limits.maxBufferedBytes;
    if (isFull) this.closeTooSlow();
    return isFull;
  }

  private closeTooSlow(): void {
    const { logger, requestId } = this.parts;
    logger.info({ requestId }, 'closed the socket of a client that reads too slowly');
    this.closeFor('tooSlow');
  }

  /** Sends a ping. Ends the socket if the last one was not answered, or if nothing was accepted since then. */
  checkAlive(): void {
    if (this.socket.readyState !== this.socket.OPEN) return;
    const { bytesWritten, writableLength } = this.parts.connection;
    const isWaiting = writableLength > 0;
    const acceptedBytes = bytesWritten - writableLength;
    if (isWaiting && acceptedBytes === this.acceptedBytes) {
      this.closeTooSlow();
    } else if (this.hasAnswered || isWaiting) {
      this.acceptedBytes = isWaiting ? acceptedBytes : -1;
      this.hasAnswered = isWaiting;
      this.parts.connection.write(pingFrame);
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
 * @returns null if it is not one of the protocol's messages
 */
function readMessage(text: string): Record<string, unknown> | null {
  try {
    const message = parseJson(text);
    if (!isRecord(message) || !clientMessages.has(message.type)) return null;
    return hasValidFields(message) ? message : null;
  } catch {
    return null;
  }
}

function hasValidFields({ type, id, payload }: Record<string, unknown>): boolean {
  if (typeof id === 'string' && id.length > maxIdLength) return false;
  return type !== 'connection_init' || !payload || isRecord(payload);
}
