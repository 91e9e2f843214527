import { LRUCache } from 'lru-cache';
import type { Sql } from '../core/sql';

/** How long a median is cached. */
const freshMs = 60_000;
/** With fewer past jobs than this, the provider's figure is used. */
const minSamples = 3;

/** The median duration of the last fifty jobs of each kind; read at most once a minute per kind. */
export class LearnedDurations {
  private readonly medians = new LRUCache<string, Promise<number | null>>({ max: 200, ttl: freshMs });

  constructor(private readonly sql: Pick<Sql, 'rows'>) {}

  /**
   * @param kind - the cache key
   * @param query - selects `ms`, the durations of the last fifty jobs of the kind
   * @param defaultMs - the result while there are too few jobs
   */
  async typicalMs(
    kind: string,
    query: string,
    parameters: readonly unknown[],
    defaultMs: number,
  ): Promise<number> {
    let median = this.medians.get(kind);
    if (!median) {
      median = this.median(query, parameters);
      this.medians.set(kind, median);
      // Do not cache failures: the database may be available a moment later.
      median.catch(() => this.medians.delete(kind));
    }
    return (await median) ?? defaultMs;
  }

  private async median(query: string, parameters: readonly unknown[]): Promise<number | null> {
    const [row] = await this.sql.rows<{ median: number | null; seen: number }>(
      `SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::float8 AS median, count(*)::int AS seen FROM (${query}) past`,
      parameters,
    );
    return row && row.seen >= minSamples ? row.median : null;
  }
}
