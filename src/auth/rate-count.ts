/** What a counter of a process has counted for a subject, in the window that ends at `endsAtMs`. */
export interface RateCount {
  /** A hash. */
  readonly subject: string;
  readonly endsAtMs: number;
  /** The name of the counter. Differs between processes, and between the counters of a process. */
  readonly name: string;
  /** All that it has counted. Never decreases, so that it may be stored late, twice, and in several places. */
  readonly own: number;
}

/** The counts of all counters of a window, by their names. */
export type WindowCounts = ReadonlyMap<string, number>;
