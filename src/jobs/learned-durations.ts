import { LRUCache } from 'lru-cache';
import type { Sql } from '../core/sql';

/** Durations are looked at anew after this time. */
const freshMs = 60_000;
/** Fewer past jobs than this say little; then the provider's own figure counts. */
const minSamples = 3;

/** How long jobs of a kind have taken, by the median of the last fifty; read at most once a minute for each kind. */
export class LearnedDurations {
  private readonly medians = new LRUCache<string, Promise<number | null>>({ max: 200, ttl: freshMs });

  constructor(private readonly sql: Sql) {}

  /**
   * @param kind - what the figure is kept under
   * @param query - selects `ms`, the durations of the last fifty jobs of the kind
   * @param otherwiseMs - what is usual until enough have been seen
   */
  async typicalMs(
    kind: string,
    query: string,
    parameters: readonly unknown[],
    otherwiseMs: number,
  ): Promise<number> {
    let median = this.medians.get(kind);
    if (!median) {
      median = this.median(query, parameters);
      this.medians.set(kind, median);
      // What failed is asked again: the database may be back a moment later.
      median.catch(() => this.medians.delete(kind));
    }
    return (await median) ?? otherwiseMs;
  }

  private async median(query: string, parameters: readonly unknown[]): Promise<number | null> {
    const [row] = await this.sql.rows<{ median: number | null; seen: number }>(
      `SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::float8 AS median, count(*)::int AS seen FROM (${query}) past`,
      parameters,
    );
    return row && row.seen >= minSamples ? row.median : null;
  }
}
