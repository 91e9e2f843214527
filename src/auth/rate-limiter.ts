import { createHash, randomBytes } from 'node:crypto';
import type { Logger } from '../core/logger';
import { levelOf } from '../core/outage';
import type { Sql } from '../core/sql';
import type { RateCount, WindowCounts } from './rate-count';
import { deleteEndedWindows, exchangeCounts } from './rate-window.repository';
import type { RedisRateWindows } from './redis-rate-windows';

/** Allows `quota` operations per fixed window. All windows of the same length start at the same time. */
export interface RatePolicy {
  /** The name of the limit in responses, such as `owner` or `address`; also part of the counter's key. */
  readonly name: string;
  readonly quota: number;
  /** Window length in milliseconds. */
  readonly windowMs: number;
}

/** The state of a limit after a request was counted or refused. */
export interface RateReading {
  readonly isAllowed: boolean;
  /** Operations left in this window. */
  readonly remaining: number;
  /** Milliseconds until the next window starts. */
  readonly resetsInMs: number;
}

/** Maximum counters per process, maximum counters per statement, and how often expired rows are deleted. */
const limits = { maxSubjects: 20_000, maxPerStatement: 1_000, sweepMs: 60_000 } as const;

interface Count {
  readonly name: string;
  readonly endsAtMs: number;
  /** What this process has counted. */
  own: number;
  /** The part of `own` that was exchanged. */
  exchanged: number;
  /** What the other counters of the window are known to have counted. */
  readonly others: Map<string, number>;
  /** The sum of `others`. */
  othersSum: number;
}

/** A count as it was sent. */
interface Sent extends RateCount {
  readonly count: Count;
}

/**
 * Rate limits across all processes without a query per request. Each process counts in memory, exchanges its counts every
 * 500 ms through Redis or, without it, through rows of the database, and receives the counts of all. While another process
 * lacks Redis, it uses both, since processes return to Redis at different times. What was sent without an answer may be stored
 * or not, now or later: each count is the whole count of one counter, of which the highest value that was seen is used, so that
 * nothing is counted twice. A limit can be exceeded by what other processes admit within that interval. While neither is
 * available, the limit applies per process.
 */
export class RateLimiter {
  private readonly counts = new Map<string, Count>();
  private readonly processId = randomBytes(9).toString('base64url');
  private timer: NodeJS.Timeout | null = null;
  private flushing: Promise<void> | null = null;
  private nextNumber = 0;
  private sweptAtMs = 0;
  private isFailing = false;
  private isStopped = false;
  /** Whether the windows in Redis may lack counts of this process. */
  private isRedisBehind = false;

  constructor(
    private readonly sql: Pick<Sql, 'rows'>,
    private readonly logger: Logger,
    /** How often counts are exchanged with the other processes, in milliseconds. */
    private readonly flushMs = 500,
    private readonly redis: RedisRateWindows | null = null,
  ) {
    redis?.onReset(() => {
      this.isRedisBehind = true;
      this.schedule();
    });
  }

  /**
   * Counts a request if the quota allows it. Refused requests are not counted.
   * @param subject - an owner or address; only its hash is stored in the database
   */
  consume(policy: RatePolicy, subject: string, count = 1, nowMs = Date.now()): RateReading {
    const endsAtMs = (Math.floor(nowMs / policy.windowMs) + 1) * policy.windowMs;
    const counter = this.countOf(keyOf(policy, subject), endsAtMs);
    const used = counter.othersSum + counter.own;
    const isAllowed = used + count <= policy.quota;
    if (isAllowed) {
      counter.own += count;
      this.schedule();
    }
    const remaining = Math.max(policy.quota - used - (isAllowed ? count : 0), 0);
    return { isAllowed, remaining, resetsInMs: endsAtMs - nowMs };
  }

  /** Exchanges counts with the other processes immediately. Never rejects. */
  flush(): Promise<void> {
    this.flushing ??= this.exchange().finally(() => (this.flushing = null));
    return this.flushing;
  }

  /** Stops the exchange; pending counts are discarded. */
  async stop(): Promise<void> {
    this.isStopped = true;
    if (this.timer) clearTimeout(this.timer);
    await this.flushing;
  }

  private countOf(key: string, endsAtMs: number): Count {
    const known = this.counts.get(key);
    if (known?.endsAtMs === endsAtMs) return known;
    const name = `${this.processId}:${this.nextNumber++}`;
    const fresh = { name, endsAtMs, own: 0, exchanged: 0, others: new Map(), othersSum: 0 };
    // Reinsert at the end, so that the first entry of the map is the oldest window.
    this.counts.delete(key);
    if (this.counts.size >= limits.maxSubjects) this.forgetOldest();
    this.counts.set(key, fresh);
    return fresh;
  }

  private forgetOldest(): void {
    const oldest = this.counts.keys().next();
    if (!oldest.done) this.counts.delete(oldest.value);
  }

  private schedule(): void {
    if (this.timer || this.isStopped) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      void this.flush();
    }, this.flushMs);
    this.timer.unref();
  }

  private async exchange(): Promise<void> {
    try {
      for (const batch of this.batches()) await this.share(batch);
      await this.sweep();
      if (this.isRedisBehind && this.redis?.isUp) this.schedule();
      this.isFailing = false;
    } catch (error) {
      if (!this.isFailing) {
        this.logger[levelOf(error, 'warn')](
          { err: error },
          'rate limits apply per process until the database is available',
        );
      }
      this.isFailing = true;
      this.schedule();
    }
  }

  /** What has to be exchanged: new counts, and all of them after Redis may have lost them. */
  private *batches(): Generator<(readonly [string, Count])[]> {
    const isBehind = this.isRedisBehind && this.redis?.isShared;
    if (isBehind) this.isRedisBehind = false;
    const now = Date.now();
    const waiting = [...this.counts].filter(
      ([, { own, exchanged, endsAtMs }]) => own > exchanged || (isBehind && own > 0 && endsAtMs > now),
    );
    for (let index = 0; index < waiting.length; index += limits.maxPerStatement)
      yield waiting.slice(index, index + limits.maxPerStatement);
  }

  private async share(batch: readonly (readonly [string, Count])[]): Promise<void> {
    // All processes use the same order, which prevents deadlocks.
    const rows = [...batch].sort(([one], [other]) => (one < other ? -1 : 1));
    const sent = rows.map(([subject, count]): Sent => {
      const { name, endsAtMs, own } = count;
      return { subject, name, endsAtMs, own, count };
    });
    if (this.redis?.isShared && (await this.shareInRedis(sent))) return;
    this.isRedisBehind = true;
    receive(sent, await exchangeCounts(this.sql, sent));
    // Others may have returned to Redis already.
    await this.shareInRedis(sent);
  }

  /** @returns whether Redis has the counts now */
  private async shareInRedis(sent: readonly Sent[]): Promise<boolean> {
    const windows = await this.redis?.exchange(sent);
    if (!windows) return false;
    receive(sent, windows);
    return true;
  }

  private async sweep(): Promise<void> {
    const now = Date.now();
    if (now - this.sweptAtMs < limits.sweepMs) return;
    this.sweptAtMs = now;
    for (const [key, { endsAtMs }] of this.counts) if (endsAtMs <= now) this.counts.delete(key);
    await deleteEndedWindows(this.sql);
  }
}

/** Notes that counts were exchanged. A store that has lost its data, or has got a count late, does not decrease what is known. */
function receive(sent: readonly Sent[], windows: readonly WindowCounts[]): void {
  for (const [index, { count, own }] of sent.entries()) {
    count.exchanged = own;
    for (const [name, counted] of windows[index]!) {
      const known = count.others.get(name) ?? 0;
      if (name === count.name || counted <= known) continue;
      count.others.set(name, counted);
      count.othersSum += counted - known;
    }
  }
}

function keyOf({ name }: RatePolicy, subject: string): string {
  return createHash('sha256').update(`${name}\n${subject}`).digest('base64url');
}
