import { randomBytes } from 'node:crypto';
import { backoffMs, pause } from '../core/clock';
import type { Logger } from '../core/logger';
import { ListenSession } from './listen-session';
import { everyTopic, PendingWakes, packWake, unpackWake, type Wake } from './wake';

/** Options of {@link Wakeups}. */
export interface WakeupsOptions {
  /**
   * The PostgreSQL URL. LISTEN needs a dedicated session, so it must not point to a pooler in transaction mode. Null: other
   * processes are not notified, and their changes are looked for every second.
   */
  url: string | null;
  logger: Logger;
  /**
   * Whether `url` is that of DATABASE_DIRECT_URL. A loss of the connection is then logged, since the database may be available.
   * @defaultValue false
   */
  isDirect?: boolean;
  /**
   * The NOTIFY channel. Only processes with the same channel notify each other.
   * @defaultValue `likeness`
   */
  channel?: string;
  /**
   * How long the connection is unused before it is checked, in milliseconds.
   * @defaultValue 11_000 // 11 seconds
   */
  checkMs?: number;
}

/** How often changes of other processes are looked for without notifications, and what a reconnect does, in milliseconds. */
const pollMs = { changes: 1_000, reconnect: 30_000 } as const;

const firstPauseMs = 100;
const maxPauseMs = 2_000;
/** After how many failed attempts a loss is logged: a connection that was only ended is there again before. */
const loggedFailures = 3;

/**
 * Notifies listeners in all processes on the database of committed changes, with one LISTEN/NOTIFY connection per process
 * and ids only. Announcements of one event loop turn are sent together.
 *
 * Notifications of other processes are lost while the connection is down. After reconnecting, which is attempted
 * immediately and then at most every 2 s, all listeners are called: `'all'` streams, work, and the topic
 * {@link everyTopic}. Announcements of this process are kept and sent after reconnecting. A listener must therefore
 * treat a wake only as a reason to read the database again.
 */
export class Wakeups {
  private readonly senderId = randomBytes(6).toString('base64url');
  private readonly streamListeners = new Set<(ids: readonly string[] | 'all') => void>();
  private readonly workListeners = new Set<() => void>();
  private readonly topicListeners = new Set<(topic: string) => void>();
  private readonly reconnectListeners = new Set<() => void>();
  /** Announced in this turn, not yet dispatched. */
  private readonly announced = new PendingWakes();
  /** Dispatched in this process, not yet sent to the others. */
  private readonly outgoing = new PendingWakes();
  private turn: NodeJS.Immediate | null = null;
  private session: ListenSession | null = null;
  private sending: Promise<void> | null = null;
  private hasListened = false;
  private running: { ready: Promise<void>; ended: Promise<void>; abort: AbortController } | null = null;

  constructor(private readonly options: WakeupsOptions) {}

  /**
   * Connects. Throws if the first connection fails, because the settings may be wrong; later failures are retried. Further
   * calls have no effect.
   */
  async start(): Promise<void> {
    this.running ??= this.run();
    const { ready, ended } = this.running;
    try {
      await ready;
    } catch (error) {
      await ended;
      this.running = null;
      throw error;
    }
  }

  /** Sends pending announcements if possible and disconnects, within seconds. */
  async stop(): Promise<void> {
    const running = this.running;
    if (!running) return;
    this.flush();
    while (this.sending) await this.sending;
    running.abort.abort();
    await running.ended;
    this.running = null;
  }

  /**
   * Notifies all listeners. Call it after the commit, never before. Listeners of this process are called in the next event
   * loop turn, without PostgreSQL. Does not throw on connection errors.
   * @throws RangeError on a topic of more than 200 bytes
   */
  announce(wake: Wake): void {
    this.announced.add(wake);
    this.turn ??= setImmediate(() => {
      this.flush();
    });
  }

  /** Sends to the other processes, as {@link announce}, but calls no listener of this one. */
  relay(wake: Wake): void {
    this.outgoing.add(wake);
    this.send();
  }

  /**
   * Calls `listener` with streams that may have new events.
   * @returns removes the listener
   */
  onStreams(listener: (ids: readonly string[] | 'all') => void): () => void {
    return listen(this.streamListeners, listener);
  }

  /**
   * Calls `listener` when work may be due.
   * @returns removes the listener
   */
  onWork(listener: () => void): () => void {
    return listen(this.workListeners, listener);
  }

  /**
   * Calls `listener` with every announced topic; {@link everyTopic} means that any topic may have been announced.
   * @returns removes the listener
   */
  onTopic(listener: (topic: string) => void): () => void {
    return listen(this.topicListeners, listener);
  }

  /**
   * Calls `listener` when the connection was restored, possibly to another server.
   * @returns removes the listener
   */
  onReconnect(listener: () => void): () => void {
    return listen(this.reconnectListeners, listener);
  }

  /**
   * Runs a short read on the connection, which checks it too. Null without a connection, and while it sends.
   * @throws Error if that fails or takes more than 1 s; if there is no answer at all, the connection is replaced
   */
  read<Row>(text: string, parameters: readonly unknown[]): Promise<Row[]> | null {
    return this.sending || !this.session ? null : this.session.rows<Row>(text, parameters);
  }

  private flush(): void {
    if (this.turn) clearImmediate(this.turn);
    this.turn = null;
    if (this.announced.isEmpty) return;
    const wake = this.announced.take();
    this.dispatch(wake);
    this.outgoing.add(wake);
    this.send();
  }

  /** Calls the listeners of this process only. */
  dispatch({ streams = [], work = false, topics = [] }: Wake): void {
    if (streams.length > 0) this.call(this.streamListeners, (listener) => listener(streams));
    if (work) this.call(this.workListeners, (listener) => listener());
    for (const topic of topics) this.call(this.topicListeners, (listener) => listener(topic));
  }

  private call<Listener>(listeners: ReadonlySet<Listener>, notify: (listener: Listener) => void): void {
    for (const listener of listeners) {
      try {
        notify(listener);
      } catch (error) {
        this.options.logger.error({ err: error }, 'a wake-up listener threw an error');
      }
    }
  }

  private onNotification(payload: string): void {
    const wake = unpackWake(payload);
    if (wake && wake.from !== this.senderId) this.dispatch(wake);
  }

  /** Sends one statement at a time; announcements made meanwhile are sent together afterwards. */
  private send(): void {
    if (this.options.url === null) this.outgoing.take();
    if (this.sending || !this.session || this.outgoing.isEmpty) return;
    const wake = this.outgoing.take();
    this.sending = this.session
      .notify(packWake(this.senderId, wake))
      .catch(() => {
        // The error ends the session. It is unknown whether the notification was delivered, so it is sent again.
        this.outgoing.add(wake);
        this.session = null;
      })
      .finally(() => {
        this.sending = null;
        this.send();
      });
  }

  private run(): NonNullable<typeof this.running> {
    const abort = new AbortController();
    let ended = Promise.resolve();
    const ready = new Promise<void>((resolve, reject) => {
      ended = this.keepListening(abort.signal, { resolve, reject });
    });
    return { abort, ready, ended };
  }

  private async keepListening(
    signal: AbortSignal,
    ready: { resolve: () => void; reject: (error: unknown) => void },
  ): Promise<void> {
    const { url } = this.options;
    if (url === null) {
      ready.resolve();
      await this.poll(signal);
      return;
    }
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.listen(url, signal, () => {
          failures = 0;
          ready.resolve();
        });
      } catch (error) {
        if (!this.hasListened) {
          ready.reject(error);
          return;
        }
        ready.resolve();
        failures += 1;
        // The end is logged below; that the database is unavailable, by those who use it.
        this.options.logger.debug({ err: error }, 'lost the wake-up connection; reconnecting');
        if (failures === loggedFailures) this.logLoss(error);
        await pause(backoffMs(failures, firstPauseMs, maxPauseMs), signal);
      }
    }
    ready.resolve();
  }

  private logLoss(error: unknown): void {
    if (!this.options.isDirect) return;
    this.options.logger.warn(
      { err: error },
      'the server of DATABASE_DIRECT_URL cannot be reached: changes by other processes are noticed up to 5 s later, revoked keys up to 30 s',
    );
  }

  /** Calls the listeners as if all other processes had announced changes. Work is found by its due times. */
  private async poll(signal: AbortSignal): Promise<void> {
    for (let polls = 1; ; polls += 1) {
      await pause(pollMs.changes, signal);
      if (signal.aborted) return;
      this.dispatch({ streams: 'all', topics: [everyTopic] });
      if ((polls * pollMs.changes) % pollMs.reconnect === 0)
        this.call(this.reconnectListeners, (listener) => listener());
    }
  }

  /** Runs one connection until it ends. */
  private async listen(url: string, signal: AbortSignal, onListening: () => void): Promise<void> {
    const { channel = 'likeness', checkMs = 11_000 } = this.options;
    const session = await ListenSession.open({
      ...{ url, channel, signal, checkMs },
      onPayload: (payload) => this.onNotification(payload),
    });
    this.session = session;
    const isAgain = this.hasListened;
    this.hasListened = true;
    onListening();
    if (isAgain) {
      this.options.logger.info('wake-up connection restored');
      this.dispatch({ streams: 'all', work: true, topics: [everyTopic] });
      this.call(this.reconnectListeners, (listener) => listener());
    }
    this.send();
    try {
      await session.ended;
    } finally {
      if (this.session === session) this.session = null;
    }
  }
}

function listen<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}
