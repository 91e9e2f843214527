import { randomBytes } from 'node:crypto';
import { backoffMs, pause } from '../core/clock';
import type { Logger } from '../core/logger';
import { ListenSession } from './listen-session';
import { everyTopic, GatheredWakes, packWake, unpackWake, type Wake } from './wake';

/** What {@link Wakeups} is made of. */
export interface WakeupsOptions {
  /** Where PostgreSQL is; must be a session of its own, not one behind a pooler that shares sessions. */
  url: string;
  logger: Logger;
  /**
   * The NOTIFY channel; only processes on the same channel hear each other.
   * @defaultValue `likeness`
   */
  channel?: string;
}

const firstPauseMs = 100;
const maxPauseMs = 2_000;

/**
 * Wakes whoever waits for something that has been committed, in this process and in all others on the database: one
 * connection that listens and notifies, ids only. What is announced in one turn of the event loop goes out together.
 *
 * Wakes can be lost: those that others send while the connection is down. After it is back, which is tried at once and
 * then at most every 2 s, everything is woken: `'all'` streams, work, and the topic {@link everyTopic}. What this
 * process announces meanwhile is kept and sent then. So a listener must only ever take a wake as "look again".
 */
export class Wakeups {
  private readonly me = randomBytes(6).toString('base64url');
  private readonly streamListeners = new Set<(ids: readonly string[] | 'all') => void>();
  private readonly workListeners = new Set<() => void>();
  private readonly topicListeners = new Set<(topic: string) => void>();
  /** Announced in this turn, told to nobody yet. */
  private readonly announced = new GatheredWakes();
  /** Told here, to be sent to the others. */
  private readonly outgoing = new GatheredWakes();
  private turn: NodeJS.Immediate | null = null;
  private session: ListenSession | null = null;
  private sending: Promise<void> | null = null;
  private hasListened = false;
  private running: { ready: Promise<void>; ended: Promise<void>; abort: AbortController } | null = null;

  constructor(private readonly options: WakeupsOptions) {}

  /**
   * Connects. The very first time it throws if that fails, since the settings may be wrong; later the database may be
   * down, and it connects when it can. Called twice, it starts once.
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

  /** Sends what was announced, if it can, and disconnects; returns when that is done, within seconds. */
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
   * Tells everybody; call it after the commit, never before. Listeners of this process are called in the next turn of
   * the event loop, without PostgreSQL. Never throws because of the connection.
   * @throws RangeError on a topic of more than 200 bytes
   */
  announce(wake: Wake): void {
    this.announced.add(wake);
    this.turn ??= setImmediate(() => {
      this.flush();
    });
  }

  /**
   * Calls `listener` with streams that may have new events.
   * @returns ends it
   */
  onStreams(listener: (ids: readonly string[] | 'all') => void): () => void {
    return listen(this.streamListeners, listener);
  }

  /**
   * Calls `listener` when something may be due.
   * @returns ends it
   */
  onWork(listener: () => void): () => void {
    return listen(this.workListeners, listener);
  }

  /**
   * Calls `listener` with every topic announced; {@link everyTopic} means that any may have been.
   * @returns ends it
   */
  onTopic(listener: (topic: string) => void): () => void {
    return listen(this.topicListeners, listener);
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

  private dispatch({ streams = [], work = false, topics = [] }: Wake): void {
    if (streams.length > 0) this.call(this.streamListeners, (listener) => listener(streams));
    if (work) this.call(this.workListeners, (listener) => listener());
    for (const topic of topics) this.call(this.topicListeners, (listener) => listener(topic));
  }

  private call<Listener>(listeners: ReadonlySet<Listener>, how: (listener: Listener) => void): void {
    for (const listener of listeners) {
      try {
        how(listener);
      } catch (error) {
        this.options.logger.error({ err: error }, 'A listener for wake-ups threw');
      }
    }
  }

  private onNotification(payload: string): void {
    const wake = unpackWake(payload);
    if (wake && wake.from !== this.me) this.dispatch(wake);
  }

  /** One statement at a time: what comes while it runs goes out together after it. */
  private send(): void {
    if (this.sending || !this.session || this.outgoing.isEmpty) return;
    const wake = this.outgoing.take();
    this.sending = this.session
      .notify(packWake(this.me, wake))
      .catch(() => {
        // The session ends by this error; whether anything of it was heard is unknown, so it is said again.
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
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.listen(signal, () => {
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
        // Once an outage: the tries after the first say nothing new.
        const log = failures === 1 ? 'warn' : 'debug';
        this.options.logger[log]({ err: error }, 'Lost the connection for wake-ups; connecting again');
        await pause(backoffMs(failures, firstPauseMs, maxPauseMs), signal);
      }
    }
    ready.resolve();
  }

  /** One connection, from its beginning to its end. */
  private async listen(signal: AbortSignal, onListening: () => void): Promise<void> {
    const { url, channel = 'likeness' } = this.options;
    const session = await ListenSession.open({
      url,
      channel,
      signal,
      onPayload: (payload) => this.onNotification(payload),
    });
    this.session = session;
    const isAgain = this.hasListened;
    this.hasListened = true;
    onListening();
    if (isAgain) {
      this.options.logger.info('Listening for wake-ups again');
      this.dispatch({ streams: 'all', work: true, topics: [everyTopic] });
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
