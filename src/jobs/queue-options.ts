import { DomainError } from '../core/errors';

/** The order among an owner's own waiting jobs. In the order of the queue: a row's `queueRank` is the index. */
const priorities = ['HIGH', 'NORMAL', 'LOW'] as const;

/** One of {@link priorities}. */
export type JobPriority = (typeof priorities)[number];

/** How a new job waits for its paid call. */
export interface QueueOptions {
  /** Null: without a limit. */
  readonly startBy: Date | null;
  readonly priority: JobPriority;
}

/** The columns of {@link QueueOptions}. */
export interface QueueColumns {
  readonly startBy: Date | null;
  readonly queueRank: number;
}

/**
 * The columns of a new job.
 * @throws DomainError INVALID_INPUT if `startBy` has passed
 */
export function queueColumns({ startBy, priority }: QueueOptions): QueueColumns {
  if (startBy === null || startBy.getTime() > Date.now())
    return { startBy, queueRank: priorities.indexOf(priority) };
  throw new DomainError('INVALID_INPUT', 'startBy must be in the future. Omit it to wait without a limit.', {
    field: 'input.startBy',
  });
}

/** The priority of a row. */
export function priorityOf({ queueRank }: Pick<QueueColumns, 'queueRank'>): JobPriority {
  return priorities[queueRank] ?? 'NORMAL';
}

/**
 * The options as repetitions of a request are compared with it. Defaults are not part of it: requests of versions without these
 * options are the same.
 */
export function comparedOptions({ startBy, priority }: QueueOptions): Partial<QueueOptions> {
  return { ...(startBy && { startBy }), ...(priority !== 'NORMAL' && { priority }) };
}
