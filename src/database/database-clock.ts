import type { Sql } from '../core/sql';

/** How often the database's time is read while it is used, in milliseconds. */
const maxAgeMs = 60_000;
const minRetryMs = 5_000;
/** A read that takes longer is repeated: the time in the answer is that of any moment during the read. */
const maxReadMs = 200;
/** How often a slow read is repeated at once. */
const maxReads = 3;

/**
 * The database's time, which all processes share. Between two reads it continues by the monotonic clock of this machine,
 * so that it does not depend on the time that is set here, and it never goes back.
 */
export class DatabaseClock {
  /** The database's time minus `performance.now()`. */
  private offsetMs: number;
  /** The maximum error of the offset, in milliseconds. */
  private errorMs = Infinity;
  private nextReadMs = -Infinity;
  private latestMs = 0;

  constructor(private readonly sql: Sql) {
    this.offsetMs = Date.now() - performance.now();
  }

  /** A clock that has read the database's time. */
  static async start(sql: Sql): Promise<DatabaseClock> {
    const clock = new DatabaseClock(sql);
    await clock.read();
    return clock;
  }

  /** Milliseconds since 1970. Before the first read, by this machine's clock. */
  nowMs(): number {
    const tickMs = performance.now();
    if (tickMs >= this.nextReadMs) void this.read();
    this.latestMs = Math.max(this.latestMs, tickMs + this.offsetMs);
    return this.latestMs;
  }

  /** Reads the database's time. While the database is unavailable or slow, the clock continues. */
  async read(): Promise<void> {
    this.nextReadMs = performance.now() + minRetryMs;
    try {
      for (let reads = 0; reads < maxReads; reads += 1) if (await this.readOnce()) return;
    } catch {
      // Tried again by a later call.
    }
  }

  /**
   * Takes the time that was read unless the known time is more exact: a read may have waited for a connection, or the
   * process may have been suspended meanwhile.
   * @returns whether it was read quickly
   */
  private async readOnce(): Promise<boolean> {
    const startMs = performance.now();
    const [row] = await this.sql.rows<{ ms: number }>(
      'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms',
    );
    const endMs = performance.now();
    const isQuick = endMs - startMs <= maxReadMs;
    const errorMs = (endMs - startMs) / 2;
    if (isQuick || errorMs < this.errorMs) {
      this.offsetMs = row!.ms - (startMs + endMs) / 2;
      this.errorMs = errorMs;
    }
    if (isQuick) this.nextReadMs = endMs + maxAgeMs;
    return isQuick;
  }
}
