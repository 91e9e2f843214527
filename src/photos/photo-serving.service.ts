import { randomUUID } from 'node:crypto';
import { pause } from '../core/clock';
import type { Logger } from '../core/logger';
import type { Sql } from '../core/sql';

/** How often a process records that it serves photos, in milliseconds. */
const recordMs = 5_000;
/** After a longer time without a record, photos may not have been served meanwhile. Milliseconds. */
const maxGapMs = 15_000;
/** How long records are kept; far longer than any grace period. */
const retention = '30 days';

/** What {@link PhotoServing} needs. */
export interface PhotoServingDependencies {
  sql: Sql;
  logger: Logger;
  /** What the photo URLs of this process begin with. */
  publicUrl: () => string;
  /** Whether the HTTP server of this process accepts connections now. */
  isAccepting: () => Promise<boolean>;
}

/**
 * Records that this process serves photos to upstreams, in the database, by the database's clock.
 *
 * "The upstream has fetched no photo" proves that a paid call never arrived only if photos could be fetched during the
 * whole time. A record says that the process served photos from `serving_since` to `last_seen_at`: it is renewed every
 * 5 s, only while the HTTP server accepts connections, and starts again at each start of a process. A gap of more than
 * 15 s, a fetch that was refused, and one that could not be recorded are recorded as an interruption.
 */
export class PhotoServing {
  private readonly id = randomUUID();
  private readonly stopping = new AbortController();
  private repeating: Promise<void> | null = null;
  private isInterrupted = false;
  private isFailing = false;

  constructor(private readonly dependencies: PhotoServingDependencies) {}

  /** Makes the first record, and then one every 5 s. Call it when the HTTP server listens, before any paid call. */
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

  /** A photo could not be served, or its fetch not be recorded: the time until the next record proves nothing. */
  interrupt(): void {
    this.isInterrupted = true;
  }

  /** Makes one record. Throws if the database cannot take it. */
  async record(): Promise<void> {
    const { sql, publicUrl, isAccepting } = this.dependencies;
    if (!(await isAccepting())) {
      this.interrupt();
      throw new Error('The HTTP server of this process accepts no connection.');
    }
    const wasInterrupted = this.isInterrupted;
    this.isInterrupted = false;
    try {
      await sql.rows(
        `INSERT INTO photo_servers AS s (id, public_url, serving_since, last_seen_at, interrupted_at)
         VALUES ($1, $2, now(), now(), CASE WHEN $3 THEN now() END)
         ON CONFLICT (id) DO UPDATE
           SET serving_since = CASE WHEN now() - s.last_seen_at > $4 * interval '1 ms' THEN now() ELSE s.serving_since END,
               last_seen_at = now(),
               interrupted_at = CASE WHEN now() - s.last_seen_at > $4 * interval '1 ms' THEN now()
                                     ELSE coalesce(excluded.interrupted_at, s.interrupted_at) END`,
        [this.id, publicUrl(), wasInterrupted, maxGapMs],
      );
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
    const { logger } = this.dependencies;
    try {
      await this.record();
      if (this.isFailing) logger.info('it is recorded again that photos are served');
      this.isFailing = false;
    } catch (error) {
      if (!this.isFailing) logger.warn({ err: error }, 'it cannot be recorded that photos are served');
      this.isFailing = true;
    }
  }
}

/** A time during which photos had to be served under an address, for a conclusion from the absence of fetches. */
export interface ServingWindow {
  publicUrl: string;
  from: Date;
  until: Date;
}

/**
 * Whether photos were served during the whole time:
 * - `unbroken`: a process with this address served from the beginning, no process that served was interrupted, and none
 *   has ended: which process a proxy passes a fetch to is not known, nor how long it passes fetches to one that has ended
 * - `pending`: a process that serves now has not yet made a record after the end of that time
 * - `broken`: otherwise
 */
export async function readServing(
  sql: Sql,
  { publicUrl, from, until }: ServingWindow,
): Promise<'unbroken' | 'pending' | 'broken'> {
  const maxGap = `$4 * interval '1 ms'`;
  const [found] = await sql.rows<
    Record<'is_pending' | 'has_ended' | 'is_covered' | 'is_interrupted', boolean | null>
  >(
    // A process that ended soon after the beginning made its last record before it.
    `SELECT bool_or(last_seen_at < $3 AND last_seen_at > now() - ${maxGap}) AS is_pending,
            bool_or(last_seen_at < $3 AND last_seen_at <= now() - ${maxGap}) AS has_ended,
            bool_or(serving_since <= $2) AS is_covered,
            bool_or(interrupted_at >= $2) AS is_interrupted
       FROM photo_servers WHERE public_url = $1 AND last_seen_at >= $2::timestamptz - ${maxGap}`,
    [publicUrl, from, until, maxGapMs],
  );
  const { is_covered: isCovered, is_interrupted: isInterrupted, has_ended: hasEnded } = found!;
  if (!isCovered || isInterrupted || hasEnded) return 'broken';
  return found!.is_pending ? 'pending' : 'unbroken';
}

/** Removes old records of processes that have ended. */
export async function pruneServing(sql: Sql): Promise<void> {
  await sql.rows(`DELETE FROM photo_servers WHERE last_seen_at < now() - interval '${retention}'`);
}
