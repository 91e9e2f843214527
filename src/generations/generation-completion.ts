import type { Sql, Transactions } from '../core/sql';
import type { DatabaseClock } from '../database/database-clock';
import type { Wakeups } from '../events/wakeups';
import { failure, failureColumns, noFailure, type JobFailure } from '../jobs/failure';
import type { JobMove } from '../jobs/job-move';
import { findJob, lockJob } from '../jobs/job-row.repository';
import type { JobRepository } from '../jobs/job.repository';
import { continuedPace, currentProgress } from '../jobs/pace';
import { tallyOf, type Tally } from './avatar.repository';
import type { GenerationEntity } from './generation.entity';
import { generationKind, streamOfGeneration } from './generation.kind';
import { lockStoring, touchGeneration } from './generation.repository';

/** How often a generation whose pictures are being fetched is checked without a change of its pictures. */
const checkMs = 30_000;

/** The states in which late pictures change nothing. */
const final: ReadonlySet<string> = new Set(['COMPLETED', 'CANCELLED']);

/** The next move of a generation; null for none. */
type Step = Pick<JobMove, 'set' | 'dueInMs' | 'appendsEvent'> | null;

/** Updates generations when their pictures are stored, delayed or lost, including after they have ended. */
export class GenerationCompletion {
  constructor(
    private readonly jobs: JobRepository,
    private readonly announcer: Pick<Wakeups, 'announce'>,
    private readonly clock: Pick<DatabaseClock, 'nowMs'>,
  ) {}

  /** Locks the generation's row. Required before any change of one of its pictures. */
  async lock(sql: Sql, generationId: string): Promise<void> {
    await lockJob(sql, generationKind, generationId);
  }

  /**
   * Counts the pictures and moves the generation: to its end, or from one end to another after a late picture. If it
   * does not move, its `updatedAt` changes.
   * Requires {@link lock} in the same transaction.
   */
  async updateProgress(sql: Sql, generationId: string): Promise<void> {
    const generation = await findJob(sql, generationKind, generationId);
    if (!generation || final.has(generation.status)) return;
    const step = await stepOf(sql, generation, this.clock.nowMs());
    if (!step) return touchGeneration(sql, generationId);
    const move = { id: generationId, from: [generation.status], ...step };
    await this.jobs.moveWithin(sql, generationKind, [move]);
  }

  /** Wakes subscribers. Call it after the commit. */
  notify({ generationId, modelId }: { generationId: string; modelId: string | null }): void {
    this.jobs.log.write([{ id: generationId }]);
    this.announcer.announce({ streams: [streamOfGeneration({ id: generationId, modelId })] });
  }

  /** Ends generations whose pictures are all settled but whose row was not moved, for example after a deletion. */
  async sweep(database: Transactions): Promise<number> {
    const due = await database.transaction(async (sql) => {
      const rows = await lockStoring(sql);
      for (const { id } of rows) await this.updateProgress(sql, id);
      return rows;
    });
    for (const { id, modelId } of due) this.notify({ generationId: id, modelId });
    return due.length;
  }
}

/** What follows from the generation's pictures; nothing while a retry of the missing ones is queued or running. */
async function stepOf(sql: Sql, generation: GenerationEntity, nowMs: number): Promise<Step> {
  switch (generation.status) {
    case 'STORING':
      return next(generation, await tallyOf(sql, generation.id), nowMs);
    case 'PARTIAL':
    case 'FAILED':
      return late(generation, await tallyOf(sql, generation.id));
    default:
      return null;
  }
}

function next(generation: GenerationEntity, tally: Tally, nowMs: number): Step {
  const { pending, stored, missing } = tally;
  if (pending > 0) return { ...storedSoFar(generation, tally, nowMs), dueInMs: checkMs };
  // A retry of missing pictures never discards the result of the attempts before.
  if (stored > 0 || missing < generation.wanted || generation.orderedPositions !== null)
    return success(tally);
  return {
    set: {
      status: 'FAILED',
      progress: currentProgress(generationKind, generation, nowMs),
      ...failureColumns(lossOf(tally)),
    },
    dueInMs: null,
    appendsEvent: true,
  };
}

/** The progress while pictures are stored. */
function storedSoFar(
  generation: GenerationEntity,
  { pending, all }: Tally,
  nowMs: number,
): Pick<JobMove, 'set' | 'appendsEvent'> {
  const { shareOfUpstream } = generationKind;
  const { pace, progress } = generation;
  const share = shareOfUpstream + ((1 - shareOfUpstream) * (all - pending)) / all;
  const reached = Math.min(99, Math.floor(100 * share));
  if (!pace) {
    const raised = Math.max(progress, reached);
    return { set: { progress: raised }, appendsEvent: raised !== progress };
  }
  const set = continuedPace(generationKind, { ...generation, pace }, { reached }, nowMs);
  return { set, appendsEvent: reached !== pace.reached };
}

/** The move for a picture that was stored or lost after its generation had ended. */
function late(generation: GenerationEntity, tally: Tally): Step {
  if (generation.status === 'PARTIAL') {
    return tally.missing === 0 ? success(tally) : null;
  }
  if (tally.stored > 0) return success(tally);
  const loss = failureColumns(lossOf(tally));
  const isSame =
    loss.failureCode === generation.failureCode && loss.failureRetryable === generation.failureRetryable;
  return isSame || tally.all === 0 ? null : { set: loss, dueInMs: null, appendsEvent: true };
}

function success({ missing }: Tally): Step {
  const status = missing === 0 ? 'COMPLETED' : 'PARTIAL';
  return {
    set: { status, progress: 100, completedAt: 'now', ...noFailure },
    dueInMs: null,
    appendsEvent: true,
  };
}

function lossOf({ delayed, expired, unreachable, all }: Tally): JobFailure {
  if (delayed > 0) {
    return failure(
      unreachable > 0 ? 'RESULT_UNREACHABLE' : 'RESULT_UNUSABLE',
      'They are retried until the avatar service deletes them, and stored if they arrive. A retry is charged again and discards them.',
    );
  }
  return failure(
    expired > 0 || all === 0 ? 'RESULT_EXPIRED' : 'RESULT_UNUSABLE',
    'A retry is charged again.',
  );
}
