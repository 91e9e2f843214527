import { createHash } from 'node:crypto';
import type { Logger } from '../core/logger';
import type { Sql } from '../core/sql';

/** How often something may be done: `quota` times in each window. Windows of one length begin together. */
export interface RatePolicy {
  /** What the limit is told under, and part of what is counted: `owner`, `address`. */
  readonly name: string;
  readonly quota: number;
  /** In milliseconds. */
  readonly windowMs: number;
}

/** How a limit stands after something was counted, or refused. */
export interface RateReading {
  readonly isAllowed: boolean;
  /** How often it may still be done in this window. */
  readonly remaining: number;
  /** Until the next window begins, in milliseconds. */
  readonly resetsInMs: number;
}

/** What {@link RateLimiter} needs. */
export interface RateLimiterDeps {
  readonly sql: Sql;
  readonly logger: Logger;
  /** How long counts stay in this process before the others learn of them. \@defaultValue 500 milliseconds */
  readonly flushMs?: number;
}

/** Bounds of one process's memory of counts, and of one statement; and how often old rows are removed. */
const bounds = { subjects: 20_000, perStatement: 1_000, sweepMs: 60_000 } as const;

interface Count {
  endsAtMs: number;
  /** What all processes had counted when this one last looked, its own part among it. */
  shared: number;
  /** What this process has counted since. */
  pending: number;
}

/**
 * Counts requests for all processes together, without asking the database for each: a process counts by itself, adds
 * what it has counted to the rows that all share every half second, and learns from the same statement what the others
 * have. So a limit can be passed by what the other processes let in within half a second. While the database is away
 * each process goes on by itself: the limit is then one per process, neither lifted nor closed.
 */
export class RateLimiter {
  private readonly counts = new Map<string, Count>();
  private timer: NodeJS.Timeout | null = null;
  private flushing: Promise<void> | null = null;
  private sweptAtMs = 0;
  private isFailing = false;
  private isStopped = false;

  constructor(private readonly deps: RateLimiterDeps) {}

  /**
   * Counts, unless that would be too many; what is refused is not counted.
   * @param subject - an owner's name, or an address; it is hashed before it leaves this process
   */
  take(policy: RatePolicy, subject: string, count = 1, nowMs = Date.now()): RateReading {
    const endsAtMs = (Math.floor(nowMs / policy.windowMs) + 1) * policy.windowMs;
    const counted = this.countOf(keyOf(policy, subject), endsAtMs);
    const used = counted.shared + counted.pending;
    const isAllowed = used + count <= policy.quota;
    if (isAllowed) {
      counted.pending += count;
      this.schedule();
    }
    const remaining = Math.max(policy.quota - used - (isAllowed ? count : 0), 0);
    return { isAllowed, remaining, resetsInMs: endsAtMs - nowMs };
  }

  /** Exchanges counts with the other processes now. Never rejects. */
  flush(): Promise<void> {
    this.flushing ??= this.exchange().finally(() => (this.flushing = null));
    return this.flushing;
  }

  /** Ends it; what was not yet shared is forgotten. */
  async stop(): Promise<void> {
    this.isStopped = true;
    if (this.timer) clearTimeout(this.timer);
    await this.flushing;
  }

  private countOf(key: string, endsAtMs: number): Count {
    const known = this.counts.get(key);
    if (known?.endsAtMs === endsAtMs) return known;
    const fresh = { endsAtMs, shared: 0, pending: 0 };
    // Set anew at the end: the first of the map is the one that began longest ago.
    this.counts.delete(key);
    if (this.counts.size >= bounds.subjects) this.forgetOldest();
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
    }, this.deps.flushMs ?? 500);
    this.timer.unref();
  }

  private async exchange(): Promise<void> {
    const waiting = [...this.counts].filter(([, count]) => count.pending > 0);
    try {
      for (let index = 0; index < waiting.length; index += bounds.perStatement) {
        await this.share(waiting.slice(index, index + bounds.perStatement));
      }
      await this.sweep();
      this.isFailing = false;
    } catch (error) {
      if (!this.isFailing) {
        this.deps.logger.warn({ err: error }, 'rates are counted by each process alone for now');
      }
      this.isFailing = true;
      this.schedule();
    }
  }

  private async share(portion: readonly [string, Count][]): Promise<void> {
    // In one order in all processes, so that two of them never wait for each other.
    const rows = [...portion].sort(([one], [other]) => (one < other ? -1 : 1));
    const sent = rows.map(([, { pending }]) => pending);
    const counted = await this.deps.sql.rows<{ subject: string; ends_at: Date; count: number }>(statement, [
      rows.map(([key]) => key),
      rows.map(([, { endsAtMs }]) => new Date(endsAtMs)),
      sent,
    ]);
    rows.forEach(([, count], index) => (count.pending -= sent[index]!));
    for (const row of counted) {
      const count = this.counts.get(row.subject);
      if (count?.endsAtMs === row.ends_at.getTime()) count.shared = row.count;
    }
  }

  private async sweep(): Promise<void> {
    const now = Date.now();
    if (now - this.sweptAtMs < bounds.sweepMs) return;
    this.sweptAtMs = now;
    for (const [key, { endsAtMs }] of this.counts) if (endsAtMs <= now) this.counts.delete(key);
    await this.deps.sql.rows(`DELETE FROM rate_windows WHERE ends_at < now() - interval '1 minute'`);
  }
}

/** A process whose clock is behind adds to the window that has begun elsewhere. */
const statement = `
INSERT INTO rate_windows AS known (subject, ends_at, count)
SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::int[])
ON CONFLICT (subject) DO UPDATE
   SET count = excluded.count + CASE WHEN known.ends_at >= excluded.ends_at THEN known.count ELSE 0 END,
       ends_at = greatest(known.ends_at, excluded.ends_at)
RETURNING subject, ends_at, count`;

function keyOf({ name }: RatePolicy, subject: string): string {
  return createHash('sha256').update(`${name}\n${subject}`).digest('base64url');
}
