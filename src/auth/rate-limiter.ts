import { createHash } from 'node:crypto';
import type { Logger } from '../core/logger';
import { levelOf } from '../core/outage';
import type { Sql } from '../core/sql';
import { addCounts, deleteEndedWindows } from './rate-window.repository';

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
  endsAtMs: number;
  /** The count of all processes, including this one, at the last exchange. */
  shared: number;
  /** What this process has counted since the last exchange. */
  pending: number;
}

/**
 * Rate limits across all processes without a database query per request. Each process counts in memory, adds its counts
 * to shared rows every 500 ms, and reads the total in the same statement. A limit can therefore be exceeded by what other
 * processes admit within that interval. While the database is unavailable, the limit applies per process.
 */
export class RateLimiter {
  private readonly counts = new Map<string, Count>();
  private timer: NodeJS.Timeout | null = null;
  private flushing: Promise<void> | null = null;
  private sweptAtMs = 0;
  private isFailing = false;
  private isStopped = false;

  constructor(
    private readonly sql: Pick<Sql, 'rows'>,
    private readonly logger: Logger,
    /** How often counts are exchanged with the other processes, in milliseconds. */
    private readonly flushMs = 500,
  ) {}

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
    const fresh = { endsAtMs, shared: 0, pending: 0 };
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
    const waiting = [...this.counts].filter(([, count]) => count.pending > 0);
    try {
      for (let index = 0; index < waiting.length; index += limits.maxPerStatement) {
        await this.share(waiting.slice(index, index + limits.maxPerStatement));
      }
      await this.sweep();
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

  private async share(batch: readonly [string, Count][]): Promise<void> {
    // All processes use the same order, which prevents deadlocks.
    const rows = [...batch].sort(([one], [other]) => (one < other ? -1 : 1));
    const sent = rows.map(([subject, { endsAtMs, pending }]) => ({
      subject,
      endsAt: new Date(endsAtMs),
      count: pending,
    }));
    const counted = await addCounts(this.sql, sent);
    rows.forEach(([, count], index) => (count.pending -= sent[index]!.count));
    for (const row of counted) {
      const count = this.counts.get(row.subject);
      if (count?.endsAtMs === row.endsAt.getTime()) count.shared = row.count;
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

function keyOf({ name }: RatePolicy, subject: string): string {
  return createHash('sha256').update(`${name}\n${subject}`).digest('base64url');
}
