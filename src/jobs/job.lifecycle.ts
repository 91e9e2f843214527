import { audit, type AuditedAction } from '../accounts/audit.repository';
import { checkKey, claimKey } from '../accounts/idempotency.repository';
import { writeTransaction } from '../accounts/write-admission.repository';
import { DomainError, notFound } from '../core/errors';
import { failpoint } from '../core/failpoint';
import { toGlobalId, type InputId } from '../core/ids';
import { checkChange } from '../core/input-problems';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { endStreams, eraseEvents, type Positioned } from '../events/event-log.repository';
import { noFailure } from './failure';
import type { JobServiceDeps } from './job-creation';
import { notPolled, type JobMove } from './job-move';
import {
  deleteJobs,
  findJobsOf,
  lockAtProgress,
  lockJob,
  queuePositions,
  readJob,
  type ReadJob,
} from './job-row.repository';
import { noteTrace } from './job-traces';
import {
  assertConfigured,
  isRetryable,
  isUnfinished,
  queueDeadlineMs,
  reservationOf,
  type JobKind,
  type JobRow,
  type JobPatch,
} from './job.kind';
import { settleLedger } from './ledger-settlement.repository';
import { detachSubmissions } from './ledger.repository';
import { currentProgress } from './pace';

/** What a client states about a retry, so that a repeated retry is not paid for again. */
export interface RetryRequest {
  /** The attempt that the client has seen: a retry is refused if there has been a later one. */
  readonly attempt?: number | null;
  readonly idempotencyKey?: string | null;
  /** Only for generations: keep the stored pictures, and order those that are missing. */
  readonly missingOnly?: boolean;
}

/** What differs between kinds of jobs. The steps run in the transaction of the change, while the job's row is locked. */
export interface LifecycleSteps<Row extends JobRow> {
  readonly kind: JobKind<Row>;
  readonly actions: { readonly retry: AuditedAction; readonly delete: AuditedAction };
  /** Called when the row is cancelled, with the row as it was. */
  cancelled(sql: Sql, row: Row): Promise<void>;
  /**
   * Prepares a new attempt.
   * @returns columns to reset in addition to those of every job
   * @throws DomainError NOT_RETRYABLE, for example if its photos have been deleted
   */
  prepareRetry(sql: Sql, viewer: Viewer, row: Row, request: RetryRequest): Promise<JobPatch>;
  /** The UUIDs of those rows of the viewer that {@link prepareRetry} would accept. */
  retryable(sql: Sql, viewer: Viewer, rows: readonly Row[]): Promise<ReadonlySet<string>>;
  /** Deletes what depends on the row, with its bytes, before the row. */
  deleteDependents(sql: Sql, row: Row): Promise<void>;
}

/** Runs in the transaction of a change while the job's row is locked. Throws an error to prevent the change. */
export type JobGuard = (sql: Sql) => Promise<void>;

/** Cancels, retries and deletes jobs of one kind. */
export class JobLifecycle<Row extends JobRow> {
  constructor(
    private readonly deps: Pick<JobServiceDeps, 'database' | 'jobs' | 'quotas'> & {
      provider: { readonly name: string };
    },
    private readonly steps: LifecycleSteps<Row>,
  ) {}

  get kind(): JobKind<Row> {
    return this.steps.kind;
  }

  /**
   * Stops a job that has not ended; avatars that are already stored stay. The upstream cannot be stopped, but its result
   * is ignored. A retry that has not been submitted ends as if it had not been requested if the job has a result.
   * Idempotent.
   * @throws DomainError NOT_FOUND, NOT_CANCELLABLE
   */
  async cancel(viewer: Viewer, id: string, guard = noGuard): Promise<Row & Positioned> {
    const { kind } = this.steps;
    const { noun, unfinished } = kind;
    const cancelLocked = async (sql: Sql, row: ReadJob<Row>): Promise<Row> => {
      await guard(sql);
      if (kind.isCancelled(row)) return row;
      if (!unfinished.includes(row.status)) {
        throw new DomainError(
          'NOT_CANCELLABLE',
          `The ${noun} is ${row.status}. Only unfinished ${noun}s can be cancelled.`,
          { field: 'input.id' },
        );
      }
      const progress = currentProgress(kind, row, row.readAt.getTime());
      const set = { progress, ...kind.cancelledState(row) };
      const cancelled = await this.move(sql, row, { set, dueInMs: null });
      await this.steps.cancelled(sql, row);
      return cancelled;
    };
    return this.change(viewer, id, neverRepeated, cancelLocked, lockAtProgress);
  }

  /**
   * Retries a job that is UNCERTAIN, FAILED and retryable, or PARTIAL: a new attempt, which is paid for again. A repetition with
   * the same key changes nothing and returns the job as it is now. The key is claimed in the transaction of the change,
   * so a refused retry does not use it. `attempt` alone also excludes a second payment, since each call has a new number.
   * @throws DomainError NOT_FOUND, NOT_RETRYABLE, PROVIDER_NOT_CONFIGURED, QUOTA_EXCEEDED, IDEMPOTENCY_KEY_REUSED, INVALID_INPUT
   */
  async retry(viewer: Viewer, id: string, request: RetryRequest = {}): Promise<Row & Positioned> {
    const { kind, actions } = this.steps;
    const { attempt = null, idempotencyKey: key, missingOnly = false } = request;
    const call = { owner: viewer.owner, key, operation: actions.retry, resultId: id };
    const input = { id: toGlobalId(kind.node, id), attempt, ...(missingOnly && { missingOnly }) };
    return this.retryOnce(
      viewer,
      id,
      request,
      async (sql) => (await claimKey(sql, { ...call, input })) !== null,
    );
  }

  /**
   * {@link retry} with another record of repetitions than idempotency keys.
   * @param isRepeated - records the retry in its transaction, or returns that it was recorded before
   * @param check - throws an error to prevent the retry of the locked row
   */
  async retryOnce(
    viewer: Viewer,
    id: string,
    request: RetryRequest,
    isRepeated: (sql: Sql) => Promise<boolean>,
    check?: (row: Row) => void,
  ): Promise<Row & Positioned> {
    const { kind, actions } = this.steps;
    const { attempt = null } = request;
    return this.change(viewer, id, isRepeated, async (sql, row) => {
      check?.(row);
      assertAttempt(kind, row, attempt);
      assertRetryable(kind, row);
      assertConfigured(row.provider, this.deps.provider, 'input.id');
      const set = {
        status: 'QUEUED',
        progress: 0,
        providerRef: null,
        submittedAt: null,
        deadlineAt: new Date(Date.now() + queueDeadlineMs),
        startBy: null,
        estimatedReadyAt: null,
        pace: null,
        ...notPolled,
        resends: 0,
        ...noFailure,
        ...kind.notEnded,
        ...(await this.steps.prepareRetry(sql, viewer, row, request)),
      };
      const queued = await this.move(sql, row, { set, dueInMs: 0 });
      await audit(sql, viewer, { action: actions.retry, subject: toGlobalId(kind.node, id) });
      await this.deps.quotas.reserve(sql, viewer, reservationOf(kind, queued, row.attempt));
      await settleLedger(sql, kind, [id]);
      return queued;
    });
  }

  /**
   * Checks the input of a retry.
   * @returns the UUID of the job
   * @throws DomainError NOT_FOUND or INVALID_INPUT, with all problems
   */
  checkRetry(viewer: Viewer, target: InputId, request: RetryRequest): Promise<string> {
    const { kind } = this.steps;
    const find = async (id: string): Promise<Row | null> => {
      const [row = null] = await findJobsOf(this.deps.database, kind, viewer.owner, [id]);
      return row;
    };
    const { attempt, idempotencyKey = null } = request;
    return checkChange(
      find,
      target,
      () => {
        if (attempt != null && attempt < 0) throw attemptProblem(kind, attempt);
      },
      () => {
        checkKey(idempotencyKey);
      },
    );
  }

  /** Whether {@link cancel} would stop the job. */
  canCancel(row: Row): boolean {
    return isUnfinished(this.steps.kind, row);
  }

  /** The places of the viewer's jobs in the queue, in the order of the jobs; null for those that are not QUEUED. */
  queuePositions({ owner }: Viewer, rows: readonly Row[]): Promise<(number | null)[]> {
    const ids = rows.map(({ id }) => id);
    return queuePositions(this.deps.database, this.steps.kind, owner, ids);
  }

  /** For each row of the viewer, whether {@link retry} would be accepted now if no quota refuses it. */
  async canRetry(viewer: Viewer, rows: readonly Row[]): Promise<boolean[]> {
    const { database, provider } = this.deps;
    const candidates = rows.filter((row) => isRetryable(row) && row.provider === provider.name);
    const retryable = await this.steps.retryable(database, viewer, candidates);
    return rows.map(({ id }) => retryable.has(id));
  }

  /**
   * Deletes the job with everything that depends on it, and all bytes. Idempotent.
   * @returns whether it existed
   */
  async delete(viewer: Viewer, id: string, guard = noGuard): Promise<boolean> {
    const { database, jobs } = this.deps;
    const { kind, actions } = this.steps;
    const deleted = await writeTransaction(database, viewer, async (sql) => {
      const row = await lockJob(sql, kind, id, viewer.owner);
      if (!row) return null;
      await guard(sql);
      await detachSubmissions(sql, kind, [id]);
      await this.steps.deleteDependents(sql, row);
      await deleteJobs(sql, kind, [id]);
      await this.endEvents(sql, row);
      await audit(sql, viewer, { action: actions.delete, subject: toGlobalId(kind.node, id) });
      return row;
    });
    if (!deleted) return false;
    await failpoint('delete:marked');
    jobs.wake(kind, [deleted]);
    return true;
  }

  private async endEvents(sql: Sql, row: Row): Promise<void> {
    const { kind } = this.steps;
    const streamId = kind.streamOf(row);
    if (streamId !== row.id) return eraseEvents(sql, streamId, { generationId: row.id });
    return endStreams(sql, [row.id], kind.eventKind);
  }

  private async move(sql: Sql, { id, status }: Row, move: Pick<JobMove, 'set' | 'dueInMs'>): Promise<Row> {
    const notes = [{ kind: 'ACTED_ON' }] as const;
    const moves = [{ id, from: [status], ...move, appendsEvent: true, notes }];
    noteTrace({ id });
    const [moved] = await this.deps.jobs.moveWithin(sql, this.steps.kind, moves);
    return moved!;
  }

  /**
   * Changes the viewer's job while its row is locked.
   * @param isRepeated - whether an earlier call has made this change, so that the job is returned as it is
   */
  private async change(
    viewer: Viewer,
    id: string,
    isRepeated: (sql: Sql) => Promise<boolean>,
    work: (sql: Sql, row: ReadJob<Row>) => Promise<Row>,
    lock: typeof lockAtProgress = lockJob,
  ): Promise<Row & Positioned> {
    const { database, jobs } = this.deps;
    const { kind } = this.steps;
    const changed = await writeTransaction(database, viewer, async (sql) => {
      // Before the row is locked, so that a concurrent call with the same key waits without holding the row.
      const repeated = await isRepeated(sql);
      const row = await lock(sql, kind, id, viewer.owner);
      if (!row) throw notFound(kind.noun, 'input.id');
      return readJob(sql, kind, repeated ? row : await work(sql, row));
    });
    await failpoint('mutation:committed');
    jobs.wake(kind, [changed], changed.status === 'QUEUED');
    return changed;
  }
}

const noGuard: JobGuard = () => Promise.resolve();

const neverRepeated = (): Promise<boolean> => Promise.resolve(false);

function attemptProblem({ noun }: JobKind, given: number): DomainError {
  const message = `attempt must be 0 or more; received ${given}. Use the attempt of the ${noun}.`;
  return new DomainError('INVALID_INPUT', message, { field: 'input.attempt', details: { given } });
}

function assertAttempt({ noun }: JobKind, { attempt: latest }: JobRow, seen: number | null): void {
  if (seen === null || seen === latest) return;
  const field = 'input.attempt';
  const details = { given: seen, latest };
  if (seen > latest) {
    const message = `attempt is ${seen}, but the ${noun}'s latest attempt is ${latest}. Use the attempt of the ${noun}.`;
    throw new DomainError('INVALID_INPUT', message, { field, details });
  }
  const message = `The ${noun} has been attempted again since attempt ${seen}; its latest attempt is ${latest}. Read its status before you retry attempt ${latest}.`;
  throw new DomainError('NOT_RETRYABLE', message, { field, details });
}

function assertRetryable({ noun }: JobKind, row: JobRow): void {
  if (isRetryable(row)) return;
  throw new DomainError(
    'NOT_RETRYABLE',
    `The ${noun} is ${row.status}. Only ${noun}s that are UNCERTAIN, or FAILED with failure.retryable, can be retried.`,
    { field: 'input.id' },
  );
}
