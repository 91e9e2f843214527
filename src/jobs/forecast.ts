import { LRUCache } from 'lru-cache';

/** The progress of a job and when it is expected to be ready. */
export interface Forecast {
  /** Percent, 0 to 99: 100 is reserved for finished jobs. */
  progress: number;
  readyAt: Date;
}

/** Parameters of {@link forecast}; times by one clock, durations in milliseconds. */
export interface ForecastInput {
  now: Date;
  submittedAt: Date;
  /** How long such jobs typically take. */
  typicalMs: number;
  /** The progress that the upstream reports, in percent. */
  reported?: number;
  /** The last published progress; the result is never lower. */
  lastProgress: number;
}

/** The progress by elapsed time at the typical duration; after that it approaches 99. */
const shareAtTypicalEnd = 95;

/**
 * Forecasts from the upstream's progress, or else from elapsed time and past durations. An overdue job is expected
 * to take another tenth of its time so far.
 */
export function forecast({ now, submittedAt, typicalMs, reported, lastProgress }: ForecastInput): Forecast {
  const elapsedMs = Math.max(0, now.getTime() - submittedAt.getTime());
  const byClock = shareByClock(elapsedMs / Math.max(1, typicalMs));
  const wanted = reported ?? byClock;
  const progress = Math.min(99, Math.max(lastProgress, Math.floor(wanted)));
  return { progress, readyAt: new Date(now.getTime() + remainingMs(elapsedMs, typicalMs, reported)) };
}

function shareByClock(share: number): number {
  if (share <= 1) return share * shareAtTypicalEnd;
  return shareAtTypicalEnd + (99 - shareAtTypicalEnd) * (1 - Math.exp(1 - share));
}

function remainingMs(elapsedMs: number, typicalMs: number, reported: number | undefined): number {
  // Below 5 % the figure is too coarse for an extrapolation.
  if (reported !== undefined && reported >= 5) return (elapsedMs * (100 - Math.min(99, reported))) / reported;
  return Math.max(typicalMs - elapsedMs, elapsedMs / 10);
}

/** How long a median is cached. */
const freshMs = 60_000;
/** With fewer past jobs than this, the provider's figure is used. */
const minSamples = 3;

/** The median duration of past jobs of each kind; read at most once a minute per kind. */
export class LearnedDurations {
  private readonly medians = new LRUCache<string, { ms: number | null }, () => Promise<number[]>>({
    ...{ max: 200, ttl: freshMs },
    // A failed read is not cached: the database may be available a moment later.
    fetchMethod: async (_kind, _stale, { context: read }) => ({ ms: medianOf(await read()) }),
  });

  /**
   * @param kind - the cache key
   * @param read - reads the durations of the last jobs of the kind, in milliseconds
   * @param defaultMs - the result while there are too few jobs
   */
  async typicalMs(kind: string, read: () => Promise<number[]>, defaultMs: number): Promise<number> {
    const median = await this.medians.fetch(kind, { context: read });
    return median?.ms ?? defaultMs;
  }
}

function medianOf(durations: readonly number[]): number | null {
  if (durations.length < minSamples) return null;
  const sorted = [...durations].sort((a, b) => a - b);
  const [lower, upper] = [Math.floor, Math.ceil].map((round) => sorted[round((sorted.length - 1) / 2)]!);
  return (lower! + upper!) / 2;
}
