import { Socket } from 'node:net';
import { Client, DatabaseError } from 'pg';

/** Options of {@link ListenSession}. */
export interface ListenSessionOptions {
  url: string;
  channel: string;
  /** Ends the session, also during connection setup. */
  signal: AbortSignal;
  onPayload: (payload: string) => void;
  /** How long it is unused before a statement checks it, in milliseconds. */
  checkMs: number;
}

const connectTimeoutMs = 2_000;
const statementTimeoutMs = 3_000;
/** When PostgreSQL itself ends a statement, for example one that waits for a lock: its error shows that the connection works. */
const serverTimeoutMs = 1_000;
const closeTimeoutMs = 500;

/**
 * A connection that listens on a channel and notifies it. If it has not been used for a while, a statement checks it. Each
 * statement has a timeout of 3 s, which detects dead connections.
 */
export class ListenSession {
  /** Resolves when the session was ended by the signal; otherwise rejects with the reason. */
  readonly ended: Promise<void>;
  private check: NodeJS.Timeout | undefined;
  private isClosed = false;

  private constructor(
    private readonly client: Client,
    private readonly socket: Socket,
    private readonly options: ListenSessionOptions,
    lost: Promise<never>,
  ) {
    this.scheduleCheck();
    this.ended = this.untilEnded(lost);
  }

  private async untilEnded(lost: Promise<never>): Promise<void> {
    try {
      await Promise.race([lost, aborted(this.options.signal)]);
    } finally {
      await this.close();
    }
  }

  /** @throws Error if listening fails, within 5 s */
  static async open(options: ListenSessionOptions): Promise<ListenSession> {
    const socket = new Socket();
    const client = new Client({
      connectionString: options.url,
      stream: () => socket,
      connectionTimeoutMillis: connectTimeoutMs,
      query_timeout: statementTimeoutMs,
      keepAlive: true,
      application_name: 'likeness wake-ups',
    });
    const lost = loss(client);
    // Callers that await the promise get the error; this handler prevents an unhandled rejection if there are none.
    lost.catch(() => undefined);
    const abort = (): void => void socket.destroy();
    options.signal.addEventListener('abort', abort);
    try {
      await Promise.race([client.connect(), lost]);
      client.on('notification', ({ payload }) => {
        if (payload) options.onPayload(payload);
      });
      const listen = `LISTEN ${client.escapeIdentifier(options.channel)}`;
      await Promise.race([client.query(`${listen}; SET statement_timeout = ${serverTimeoutMs}`), lost]);
      return new ListenSession(client, socket, options, lost);
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      options.signal.removeEventListener('abort', abort);
    }
  }

  /**
   * Sends all payloads to the channel in one statement.
   * @throws Error if that fails or takes more than 3 s; the session is then ended
   */
  async notify(payloads: readonly string[]): Promise<void> {
    await this.run('SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload', [
      this.options.channel,
      payloads,
    ]);
  }

  /**
   * Runs a statement.
   * @throws Error if that fails or takes more than 1 s; without an answer within 3 s the session is ended
   */
  async rows<Row>(text: string, parameters: readonly unknown[]): Promise<Row[]> {
    return (await this.run(text, [...parameters], (error) => !(error instanceof DatabaseError))) as Row[];
  }

  private async run(
    text: string,
    parameters: unknown[],
    endsSession: (error: unknown) => boolean = () => true,
  ): Promise<unknown[]> {
    try {
      const { rows } = await this.client.query(text, parameters);
      this.scheduleCheck();
      return rows as unknown[];
    } catch (error) {
      if (endsSession(error)) this.socket.destroy(error instanceof Error ? error : undefined);
      else this.scheduleCheck();
      throw error;
    }
  }

  private scheduleCheck(): void {
    clearTimeout(this.check);
    if (this.isClosed) return;
    this.check = setTimeout(() => {
      this.run('SELECT 1', []).catch(() => undefined);
    }, this.options.checkMs);
  }

  private async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.check);
    const cut = setTimeout(() => this.socket.destroy(), closeTimeoutMs);
    await this.client.end().catch(() => undefined);
    clearTimeout(cut);
    this.socket.destroy();
  }
}

function loss(client: Client): Promise<never> {
  return new Promise((_, reject) => {
    // Without an `error` listener an error would crash the process. `end` follows an error or occurs alone.
    client.on('error', reject);
    client.on('end', () => {
      reject(new Error('The connection for wake-ups was closed.'));
    });
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
