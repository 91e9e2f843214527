import type { Redis } from 'ioredis';
import { backoffMs, pause } from '../core/clock';
import type { Logger } from '../core/logger';
import { OutageLog } from '../core/outage';
import { RedisSession } from './redis-session';

/** Options of {@link RedisConnection}. */
export interface RedisConnectionOptions {
  /** `redis://` or `rediss://`. */
  url: string;
  /** The beginning of all keys and channels. */
  prefix: string;
  logger: Logger;
}

const firstPauseMs = 100;
const maxPauseMs = 2_000;
/** A session that has lasted so long does not delay the next one, in milliseconds. */
const stableMs = 10_000;

/**
 * Keeps a session with Redis while one is possible: after a loss, another is opened after 100 ms to 2 s. Whatever is stored
 * there may be lost at any time, and users must continue without it: see {@link isUp}.
 */
export class RedisConnection {
  readonly prefix: string;
  /** How often a session was lost. */
  lossCount = 0;
  private session: RedisSession | null = null;
  /** Until when another process may have no session. */
  private unsharedUntilMs = -Infinity;
  private readonly outages: OutageLog;
  private readonly stopping = new AbortController();
  private readonly messageListeners = new Set<(message: string) => void>();
  private readonly stateListeners = new Set<(isUp: boolean) => void>();
  private running: Promise<void> | null = null;

  constructor(private readonly options: RedisConnectionOptions) {
    this.prefix = options.prefix;
    this.outages = new OutageLog(options.logger, {
      begin: 'Redis is unavailable: wake-ups and rate limits use the database',
      end: 'Redis is available again',
    });
  }

  /** Whether there is a session. It may fail with the next command. */
  get isUp(): boolean {
    return this.session !== null;
  }

  /** Whether there is a session, and no other process is known to have none. Otherwise use the database for what has to reach all. */
  get isShared(): boolean {
    return this.isUp && performance.now() >= this.unsharedUntilMs;
  }

  /**
   * Records for a time, in milliseconds, that another process has no session: {@link isShared} is false until then.
   * @returns whether this was not known
   */
  markUnshared(ms: number): boolean {
    const isNew = performance.now() >= this.unsharedUntilMs;
    this.unsharedUntilMs = performance.now() + ms;
    return isNew;
  }

  /** Starts connecting. Redis need not be available. */
  start(): void {
    this.running ??= this.keep();
  }

  /** Disconnects permanently. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /**
   * Runs commands.
   * @throws Error if there is no session, or if they fail or take more than a second, which ends the session
   */
  run<Result>(send: (redis: Redis) => Promise<Result>): Promise<Result> {
    return this.open().run(send);
  }

  /**
   * Sends messages to all processes with the same prefix, including this one.
   * @throws Error as {@link run}; some may have been sent
   */
  async publish(messages: readonly string[]): Promise<void> {
    const { channel } = this.open();
    await this.run((redis) => Promise.all(messages.map((message) => redis.publish(channel, message))));
  }

  /** Calls `listener` with each published message. */
  onMessage(listener: (message: string) => void): void {
    this.messageListeners.add(listener);
  }

  /** Calls `listener` when a session begins or ends. Messages may have been lost before both. */
  onState(listener: (isUp: boolean) => void): void {
    this.stateListeners.add(listener);
  }

  private isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  private open(): RedisSession {
    if (!this.session) throw new Error('There is no session with Redis.');
    return this.session;
  }

  private async keep(): Promise<void> {
    const { signal } = this.stopping;
    for (let failures = 0; !this.isStopping();) {
      const beganMs = performance.now();
      try {
        await this.keepOne(signal);
      } catch (error) {
        if (error instanceof Error && !this.isStopping()) this.outages.failed(error);
        failures = performance.now() - beganMs > stableMs ? 1 : failures + 1;
        await pause(backoffMs(failures, firstPauseMs, maxPauseMs), signal);
      }
    }
  }

  /** Keeps one session until it ends. */
  private async keepOne(signal: AbortSignal): Promise<void> {
    const session = await RedisSession.open({
      ...{ url: this.options.url, prefix: this.prefix, signal },
      onMessage: (message) => this.call(this.messageListeners, message),
      onAlive: () => this.outages.succeeded(),
    });
    this.session = session;
    this.call(this.stateListeners, true);
    try {
      await session.ended;
    } finally {
      this.session = null;
      if (!this.isStopping()) {
        this.lossCount += 1;
        this.call(this.stateListeners, false);
      }
    }
  }

  private call<Value>(listeners: ReadonlySet<(value: Value) => void>, value: Value): void {
    for (const listener of listeners) {
      try {
        listener(value);
      } catch (error) {
        this.options.logger.error({ err: error }, 'a listener of Redis threw an error');
      }
    }
  }
}
