import { LRUCache } from 'lru-cache';

/** How long a median is cached. */
const freshMs = 60_000;
/** With fewer past jobs than this, the provider's figure is used. */
const minSamples = 3;

/** The median duration of past jobs of each kind; read at most once a minute per kind. */
export class LearnedDurations {
  private readonly medians = new LRUCache<string, Promise<number | null>>({ max: 200, ttl: freshMs });

  /**
   * @param kind - the cache key
   * @param read - reads the durations of the last jobs of the kind, in milliseconds
   * @param defaultMs - the result while there are too few jobs
   */
  async typicalMs(kind: string, read: () => Promise<number[]>, defaultMs: number): Promise<number> {
    let median = this.medians.get(kind);
    if (!median) {
      median = read().then(medianOf);
      this.medians.set(kind, median);
      // Do not cache failures: the database may be available a moment later.
      median.catch(() => this.medians.delete(kind));
    }
    return (await median) ?? defaultMs;
  }
}

function medianOf(durations: readonly number[]): number | null {
  if (durations.length < minSamples) return null;
  const sorted = [...durations].sort((a, b) => a - b);
  const [lower, upper] = [Math.floor, Math.ceil].map((round) => sorted[round((sorted.length - 1) / 2)]!);
  return (lower! + upper!) / 2;
}
