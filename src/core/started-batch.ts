/** The work that one run of a periodic task has started. */
export interface StartedBatch {
  /** The number of claimed rows; above 0 the next run may follow immediately. */
  started: number;
  /** Settles when the work on these rows has ended, which may be after later runs. */
  ended: Promise<unknown>;
  /** Minimum pause before the next run, in milliseconds. Wake-ups do not shorten it. */
  restMs?: number;
}

/** The result of a run without due work. */
export const emptyBatch: StartedBatch = { started: 0, ended: Promise.resolve() };

/** Combines batches: the result has ended when all of them have. */
export function joinBatches(...batches: readonly StartedBatch[]): StartedBatch {
  const rests = batches.flatMap(({ restMs }) => (restMs === undefined ? [] : [restMs]));
  return {
    started: batches.reduce((sum, { started }) => sum + started, 0),
    ended: Promise.all(batches.map(({ ended }) => ended)),
    ...(rests.length > 0 && { restMs: Math.min(...rests) }),
  };
}
