import { createHash } from 'node:crypto';
import type { Logger } from '../core/logger';
import { levelOf } from '../core/outage';
import type { Sql } from '../core/sql';
import { addCounts, deleteEndedWindows } from './rate-window.repository';
import type { OwnCount, RedisRateWindows } from './redis-rate-windows';

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
  readonly number: number;
  endsAtMs: number;
  /** The count of all processes, including this one, at the last exchange. */
  shared: number;
  /** What this process has counted since the last exchange. */
  pending: number;
  /** What this process has counted in this window. */
  own: number;
  /** The part of `own` that is in the database. */
  ownStored: number;
  /** What the database is known to have. */
  stored: number;
  /** What the processes that use Redis are known to have counted without the database. */
  unstored: number;
}

/** A count, and what it had pending when it was sent. */
interface Sent {
  readonly count: Count;
  readonly subject: string;
  readonly pending: number;
}

/**
 * Rate limits across all processes without a query per request. Each process counts in memory, exchanges its counts every
 * 500 ms through Redis or, without it, through rows of the database, and receives the totals. While another process lacks
 * Redis, it uses both, since processes return to Redis at different times: first the database, so that a count that Redis has
 * as stored is stored. A limit can therefore be exceeded by what other processes admit within that interval. While neither is
 * available, the limit applies per process.
 */
export class RateLimiter {
  private readonly counts = new Map<string, Count>();
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
    const used = counter.shared + counter.pending;
    const isAllowed = used + count <= policy.quota;
    if (isAllowed) {
      counter.pending += count;
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
    const counts = { shared: 0, pending: 0, own: 0, ownStored: 0, stored: 0, unstored: 0 };
    const fresh = { number: this.nextNumber++, endsAtMs, ...counts };
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
      ([, { pending, own, endsAtMs }]) => pending > 0 || (isBehind && own > 0 && endsAtMs > now),
    );
    for (let index = 0; index < waiting.length; index += limits.maxPerStatement)
      yield waiting.slice(index, index + limits.maxPerStatement);
  }

  private async share(batch: readonly (readonly [string, Count])[]): Promise<void> {
    // All processes use the same order, which prevents deadlocks.
    const rows = [...batch].sort(([one], [other]) => (one < other ? -1 : 1));
    const sent = rows.map(([subject, count]): Sent => ({ subject, count, pending: count.pending }));
    if (this.redis?.isShared && (await this.shareInRedis(sent))) return;
    this.isRedisBehind = true;
    await this.shareInDatabase(sent);
    // Others may have returned to Redis already.
    await this.shareInRedis(sent.map((each) => ({ ...each, pending: 0 })));
  }

  /** @returns whether Redis has the counts now, with what was pending */
  private async shareInRedis(sent: readonly Sent[]): Promise<boolean> {
    const totals = await this.redis?.exchange(
      sent.map(({ subject, count, pending }): OwnCount => {
        const { number, endsAtMs, ownStored } = count;
        // What is pending may be stored in the database next.
        return { subject, number, endsAtMs, ownStored, own: count.own - count.pending + pending };
      }),
    );
    if (!totals) return false;
    for (const [index, { count, pending }] of sent.entries()) {
      const { unstored, stored } = totals[index]!;
      count.unstored = Math.max(count.unstored, unstored);
      receive(count, pending, stored);
    }
    return true;
  }

  private async shareInDatabase(sent: readonly Sent[]): Promise<void> {
    const added = sent.filter(({ pending }) => pending > 0);
    if (added.length === 0) return;
    const counted = await addCounts(
      this.sql,
      added.map(({ subject, count, pending }) => ({
        subject,
        endsAt: new Date(count.endsAtMs),
        count: pending,
      })),
    );
    const totals = new Map(counted.map((row) => [`${row.subject} ${row.endsAt.getTime()}`, row.count]));
    for (const { subject, count, pending } of added) {
      count.ownStored += pending;
      receive(count, pending, totals.get(`${subject} ${count.endsAtMs}`) ?? 0);
    }
  }

  private async sweep(): Promise<void> {
    const now = Date.now();
    if (now - this.sweptAtMs < limits.sweepMs) return;
    this.sweptAtMs = now;
    for (const [key, { endsAtMs }] of this.counts) if (endsAtMs <= now) this.counts.delete(key);
    await deleteEndedWindows(this.sql);
  }
}

/** Notes that counts were exchanged. A total never decreases within a window, unless Redis has lost its data. */
function receive(count: Count, pending: number, stored: number): void {
  count.pending -= pending;
  count.stored = Math.max(count.stored, stored);
  count.shared = Math.max(count.shared + pending, count.unstored + count.stored);
}

function keyOf({ name }: RatePolicy, subject: string): string {
  return createHash('sha256').update(`${name}\n${subject}`).digest('base64url');
}
