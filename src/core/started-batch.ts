/** What one pass over due work has started. */
export interface StartedBatch {
  /** How many rows were taken up; above 0 the next pass may follow at once. */
  started: number;
  /** Settles when the work on them has ended, which may be long after the next pass. */
  ended: Promise<unknown>;
  /** How long nothing can be done, whatever becomes due, in milliseconds; wake-ups do not end this wait. */
  restMs?: number;
}

/** A pass that had nothing to do. */
export const emptyBatch: StartedBatch = { started: 0, ended: Promise.resolve() };

/** Several passes as one: it has ended when all have. */
export function joinBatches(...passes: readonly StartedBatch[]): StartedBatch {
  const rests = passes.flatMap(({ restMs }) => (restMs === undefined ? [] : [restMs]));
  return {
    started: passes.reduce((sum, { started }) => sum + started, 0),
    ended: Promise.all(passes.map(({ ended }) => ended)),
    ...(rests.length > 0 && { restMs: Math.min(...rests) }),
  };
}
