import { randomUUID } from 'node:crypto';
import { pause } from '../core/clock';
import type { Logger } from '../core/logger';
import { levelOf } from '../core/outage';
import type { Sql } from '../core/sql';
import { readRecords, recordAvailability, type AvailabilityWindow } from './photo-availability.repository';

/** The interval between records, in milliseconds. */
const recordMs = 5_000;

/**
 * Records in the database, by the database's clock, that this process serves photos to upstreams.
 *
 * That the upstream has fetched no photo proves that a paid call did not arrive only if photos could be fetched
 * during the whole period. A record states that the process served photos from `serving_since` to `last_seen_at`.
 * It is renewed every 5 s while the HTTP server accepts connections, and each start of a process creates a new one.
 * A gap of more than 15 s, a refused fetch, and a fetch that could not be recorded count as interruptions.
 */
export class PhotoAvailabilityHeartbeat {
  private readonly id = randomUUID();
  private readonly stopping = new AbortController();
  private repeating: Promise<void> | null = null;
  private isInterrupted = false;
  private isFailing = false;

  constructor(
    private readonly sql: Sql,
    private readonly logger: Logger,
    /** The base of photo URLs of this process. */
    private readonly publicUrl: () => string,
    /** Whether the HTTP server of this process is accepting connections. */
    private readonly isAccepting: () => Promise<boolean>,
  ) {}

  /**
   * Makes the first record, and then one every 5 s. Call it when the HTTP server is listening, before any paid
   * call.
   */
  async start(): Promise<void> {
    if (this.repeating) return;
    await this.tryRecord();
    this.repeating = this.repeat();
  }

  /** Ends the records. Call it before the HTTP server stops. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.repeating;
  }

  /** Records an interruption: a photo could not be served, or its fetch could not be recorded. */
  interrupt(): void {
    this.isInterrupted = true;
  }

  /** Makes one record. Throws if the database is unavailable. */
  async record(): Promise<void> {
    const { sql, publicUrl, isAccepting } = this;
    if (!(await isAccepting())) {
      this.interrupt();
      throw new Error('The HTTP server of this process does not accept connections.');
    }
    const wasInterrupted = this.isInterrupted;
    this.isInterrupted = false;
    try {
      await recordAvailability(sql, { id: this.id, publicUrl: publicUrl(), isInterrupted: wasInterrupted });
    } catch (error) {
      this.isInterrupted ||= wasInterrupted;
      throw error;
    }
  }

  private async repeat(): Promise<void> {
    const { signal } = this.stopping;
    for (;;) {
      await pause(recordMs, signal);
      if (signal.aborted) return;
      await this.tryRecord();
    }
  }

  private async tryRecord(): Promise<void> {
    const { logger } = this;
    try {
      await this.record();
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
