import { randomUUID } from 'node:crypto';
import { pause } from '../core/clock';
import type { Logger } from '../core/logger';
import { levelOf } from '../core/outage';
import type { Sql } from '../core/sql';
import { everyTopic } from '../events/wake';
import {
  maxInterruptionMs,
  readRecords,
  recordAvailability,
  type AvailabilityWindow,
} from './photo-availability.repository';

/** The topic by which a process asks all that serve photos for a record now. */
export const photoRecordsTopic = 'photos:records';

/** How often the process checks itself, and how often it makes a record, in milliseconds. */
const intervalMs = { check: 5_000, record: 20_000 } as const;
/** The minimum age of a record that is renewed at a topic, in milliseconds. */
const minAgeMs: Readonly<Record<string, number | undefined>> = {
  [photoRecordsTopic]: 900,
  [everyTopic]: 5_000,
};
/** Timers may be so early, in milliseconds. */
const toleranceMs = 1_000;

/** A time by two clocks: the monotonic one does not advance while the machine is suspended. */
interface Instant {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

const instant = (): Instant => ({ monotonicMs: performance.now(), wallMs: Date.now() });

/** The time since the instant, by the clock that says more; 0 for null. */
function msSince(from: Instant | null): number {
  if (!from) return 0;
  return Math.max(performance.now() - from.monotonicMs, Date.now() - from.wallMs);
}

/**
 * Records in the database, by the database's clock, that this process serves photos to upstreams.
 *
 * That the upstream has fetched no photo proves that a paid call did not arrive only if photos could be fetched
 * during the whole period. A record states that the process served photos from `serving_since` to `last_seen_at`.
 * It is renewed every 20 s, and when another process waits for it; each start of a process creates a new one.
 *
 * Every 5 s the process checks, without the database, that its HTTP server accepts connections. More than 15 s without such
 * a check, a refused fetch, and a fetch that could not be recorded count as interruptions.
 */
export class PhotoAvailabilityHeartbeat {
  private readonly id = randomUUID();
  private readonly stopping = new AbortController();
  private repeating: Promise<void> | null = null;
  private isInterrupted = false;
  private isFailing = false;
  private isRequested = false;
  private checked: Instant | null = null;
  /** When the last record was begun. */
  private recorded: Instant | null = null;
  private resting: AbortController | null = null;

  constructor(
    private readonly sql: Sql,
    private readonly logger: Logger,
    /** The base of photo URLs of this process. */
    private readonly publicUrl: () => string,
    /** Whether the HTTP server of this process is accepting connections. */
    private readonly isAccepting: () => Promise<boolean>,
  ) {}

  /**
   * Makes the first record, and then one every 20 s. Call it when the HTTP server is listening, before any paid
   * call.
   */
  async start(): Promise<void> {
    if (this.repeating) return;
    await this.tryToRecord();
    this.repeating = this.repeat();
  }

  /** Ends the records. Call it before the HTTP server stops. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.resting?.abort();
    await this.repeating;
  }

  /** Records an interruption: a photo could not be served, or its fetch could not be recorded. */
  interrupt(): void {
    this.isInterrupted = true;
  }

  /** Call it with each announced topic: makes a record soon if one is requested, or if requests may have been lost. */
  onTopic(topic: string): void {
    if (msSince(this.recorded) < (minAgeMs[topic] ?? Infinity)) return;
    this.isRequested = true;
    this.resting?.abort();
  }

  /** Makes one record. Throws if the server accepts no connections or the database is unavailable. */
  async record(): Promise<void> {
    await this.check();
    await this.write();
  }

  private async check(): Promise<void> {
    if (!(await this.isAccepting())) {
      this.interrupt();
      throw new Error('The HTTP server of this process does not accept connections.');
    }
    if (msSince(this.checked) > maxInterruptionMs) this.interrupt();
    this.checked = instant();
  }

  private async write(): Promise<void> {
    const { sql, publicUrl, id } = this;
    const isInterrupted = this.isInterrupted;
    const sinceLastMs = this.recorded ? performance.now() - this.recorded.monotonicMs : 0;
    this.isInterrupted = false;
    this.recorded = instant();
    try {
      await recordAvailability(sql, { id, publicUrl: publicUrl(), isInterrupted, sinceLastMs });
    } catch (error) {
      this.isInterrupted ||= isInterrupted;
      throw error;
    }
  }

  private get isDue(): boolean {
    if (this.isInterrupted || this.isFailing || !this.recorded) return true;
    return msSince(this.recorded) >= intervalMs.record - toleranceMs;
  }

  private async repeat(): Promise<void> {
    const { signal } = this.stopping;
    for (;;) {
      this.resting = new AbortController();
      if (!this.isRequested && !signal.aborted) await pause(intervalMs.check, this.resting.signal);
      if (signal.aborted) return;
      await this.tryToRecord();
    }
  }

  private async tryToRecord(): Promise<void> {
    const { logger, isRequested } = this;
    this.isRequested = false;
    try {
      await this.check();
      if (!isRequested && !this.isDue) return;
      await this.write();
      if (this.isFailing) logger.debug('the record of serving photos is written again');
      this.isFailing = false;
    } catch (error) {
      if (!this.isFailing)
        logger[levelOf(error, 'warn')]({ err: error }, 'the record of serving photos cannot be written');
      this.isFailing = true;
    }
  }
}

/**
 * Whether photos were served during the whole period:
 * - `unbroken`: a process with this base URL served from the beginning, and no serving process was interrupted or
 *   has ended (a proxy may have passed a fetch to any of them)
 * - `pending`: a serving process has not yet made a record after the end of the period
 * - `broken`: otherwise
 */
export async function readAvailability(
  sql: Sql,
  window: AvailabilityWindow,
): Promise<'unbroken' | 'pending' | 'broken'> {
  const { isCovered, isInterrupted, hasEnded, isPending } = await readRecords(sql, window);
  if (!isCovered || isInterrupted || hasEnded) return 'broken';
  return isPending ? 'pending' : 'unbroken';
}
