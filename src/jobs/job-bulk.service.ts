import { checkKey, claimKey } from '../accounts/idempotency.repository';
import type { Spending } from '../accounts/spending.service';
import { writeTransaction } from '../accounts/write-admission.repository';
import {
  BulkChanges,
  isFinal,
  type BulkChange,
  type BulkLimits,
  type BulkOptions,
  type BulkResult,
  type Selection,
} from '../core/bulk-changes';
import { DomainError } from '../core/errors';
import { newId } from '../core/ids';
import { ProblemCollector } from '../core/input-problems';
import type { Money } from '../core/money';
import type { ListScope, OwnedList } from '../core/owned-list';
import type { Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import {
  insertBulkRetries,
  readBulkRetry,
  settleBulkRetry,
  sizesOf,
  unsettledRetries,
  type BulkRetryKey,
  type RetriedJob,
} from './bulk-retry.repository';
import { isUnfinished, type JobRow } from './job.kind';
import type { JobLifecycle } from './job.lifecycle';

/** The filter of a list of jobs, as far as it is restricted here. */
interface JobFilter {
  readonly statuses?: readonly string[] | null;
}

/** What is read of selected jobs. */
interface JobColumns {
  readonly id: string;
  readonly status: string;
  readonly attempt: number;
  readonly provider_ref: string | null;
  readonly failure_code: JobRow['failureCode'];
  readonly failure_retryable: boolean | null;
}

/** A bulk retry. */
export interface BulkRetryRequest<Filter> {
  readonly selection: Selection<Filter>;
  readonly expectedCount: number;
  readonly idempotencyKey: string;
  readonly isDryRun: boolean;
  readonly operation: 'retryModels' | 'retryGenerations';
  /** The selection as it is compared with that of a repetition. */
  readonly input: object;
}

/** What a bulk retry did, and the price of the attempts; null without prices. */
export interface BulkRetryResult {
  readonly result: BulkResult;
  readonly cost: Money | null;
}

/** The maximum number of jobs of a bulk retry. They are recorded in one transaction. */
const maxRetries = 10_000;

/** What bulk changes of jobs use. */
export interface JobBulkDeps {
  readonly database: Transactions;
  readonly limits: BulkLimits;
  readonly spending: Spending;
}

/** Cancels, retries and deletes selected jobs of one kind. */
export class JobBulkService<Row extends JobRow, Filter extends JobFilter> {
  private readonly bulk: BulkChanges<Row, Filter, JobColumns>;

  constructor(
    private readonly deps: JobBulkDeps,
    private readonly lifecycle: JobLifecycle<Row>,
    list: OwnedList<Row, Filter>,
  ) {
    const columns = ['id', 'status', 'attempt', 'provider_ref', 'failure_code', 'failure_retryable'] as const;
    this.bulk = new BulkChanges(list, lifecycle.kind.node, columns, deps.limits);
  }

  /**
   * Cancels the selected jobs that have not ended; a filter selects no others.
   * @throws DomainError INVALID_INPUT, NOT_FOUND, with all problems of the selection
   */
  async cancel(viewer: Viewer, selection: Selection<Filter>, isDryRun: boolean): Promise<BulkResult> {
    const { kind } = this.lifecycle;
    const scope = this.bulk.scopeOf(viewer.owner, withStatuses(selection, kind.unfinished));
    return this.bulk.run(
      scope,
      selection,
      {
        check: (job) => {
          const { status, provider_ref: providerRef, failure_code: failureCode } = job;
          if (kind.isCancelled({ status, providerRef, failureCode })) return 'done';
          return isUnfinished(kind, job) ? 'change' : notCancellable(kind.noun, job);
        },
        apply: async ({ id }, guard) => {
          await this.lifecycle.cancel(viewer, id, guard);
          return true;
        },
      },
      { isDryRun, reportsUnknown: true },
    );
  }

  /**
   * Deletes the selected jobs.
   * @throws DomainError INVALID_INPUT, NOT_FOUND, with all problems of the selection
   */
  async delete(viewer: Viewer, selection: Selection<Filter>, isDryRun: boolean): Promise<BulkResult> {
    const change: BulkChange<JobColumns> = {
      check: () => 'change',
      apply: ({ id }, guard) => this.lifecycle.delete(viewer, id, guard),
    };
    const scope = this.bulk.scopeOf(viewer.owner, selection);
    return this.bulk.run(scope, selection, change, { isDryRun, reportsUnknown: false });
  }

  /**
   * Retries the selected FAILED jobs, each once: the first call with a key records which, and repetitions continue with
   * those that are left. A filter selects only jobs whose failure is retryable.
   * @throws DomainError INVALID_INPUT, also for another number of jobs than expected; NOT_FOUND, IDEMPOTENCY_KEY_REUSED
   */
  async retry(viewer: Viewer, request: BulkRetryRequest<Filter>): Promise<BulkRetryResult> {
    const { selection, isDryRun } = request;
    const problems = new ProblemCollector();
    problems.check(() => {
      checkKey(request.idempotencyKey);
    });
    const scope = this.retryScope(viewer, selection, problems);
    if (isDryRun) return this.countRetries(scope, selection);
    const key = { owner: viewer.owner, key: request.idempotencyKey };
    await this.record(viewer, key, request, scope);
    await this.retryRecorded(viewer, key);
    return this.resultOf(key, selection);
  }

  private retryScope(
    viewer: Viewer,
    selection: Selection<Filter>,
    problems: ProblemCollector,
  ): ListScope<Filter> {
    const scope = this.bulk.scopeOf(viewer.owner, withStatuses(selection, ['FAILED']), problems);
    if (selection.ids) return scope;
    return { ...scope, conditions: [{ text: 'failure_retryable' }] };
  }

  private async countRetries(
    scope: ListScope<Filter>,
    selection: Selection<Filter>,
  ): Promise<BulkRetryResult> {
    const { kind } = this.lifecycle;
    const options: BulkOptions = { isDryRun: true, reportsUnknown: true };
    const check = (job: JobColumns): 'change' | DomainError =>
      isRetryable(job) ? 'change' : notRetryable(kind.noun, job);
    const change = { check, apply: () => Promise.resolve(false) };
    const result = await this.bulk.run(scope, selection, change, options);
    if (!this.deps.spending.isPriced) return { result, cost: null };
    // The result is of the first jobs only, but the key retries all of them.
    const jobs = (await this.bulk.read(scope, maxRetries)).filter(isRetryable);
    const sizes = await sizesOf(
      this.deps.database,
      kind,
      jobs.map(({ id }) => id),
    );
    const costs = sizes.map((size) => this.deps.spending.costOf(size) ?? 0n);
    return { result, cost: this.deps.spending.moneyOf(costs.reduce((sum, cost) => sum + cost, 0n)) };
  }

  /** Records the jobs to retry with the key, unless an earlier call has recorded them. */
  private record(
    viewer: Viewer,
    key: BulkRetryKey,
    { expectedCount, operation, input }: BulkRetryRequest<Filter>,
    scope: ListScope<Filter>,
  ): Promise<void> {
    // No row has this id: the result is what is recorded with the key.
    const call = { ...key, operation, input: { ...input, expectedCount }, resultId: newId() };
    return writeTransaction(this.deps.database, viewer, async (sql) => {
      if ((await claimKey(sql, call)) !== null) return;
      const jobs = await this.bulk.read(scope, maxRetries + 1, sql);
      checkCount(expectedCount, jobs.length);
      await insertBulkRetries(sql, key, jobs);
    });
  }

  private async retryRecorded(viewer: Viewer, key: BulkRetryKey): Promise<void> {
    const sinceMs = performance.now();
    for (const job of await unsettledRetries(this.deps.database, key, this.deps.limits.maxObjects)) {
      if (!this.bulk.hasTime(sinceMs)) return;
      await this.retryOne(viewer, key, job);
    }
  }

  /** The job is settled in the transaction that retries it, so that it is retried once. */
  private async retryOne(viewer: Viewer, key: BulkRetryKey, { id, attempt }: RetriedJob): Promise<void> {
    const {
      deps: { database },
      lifecycle,
    } = this;
    try {
      await lifecycle.retryOnce(
        viewer,
        id,
        { attempt },
        async (sql) => !(await settleBulkRetry(sql, key, id, null)),
        assertFailed(lifecycle.kind.noun),
      );
    } catch (error) {
      if (!isFinal(error)) throw error;
      await settleBulkRetry(database, key, id, error);
    }
  }

  private async resultOf(key: BulkRetryKey, { ids }: Selection<Filter>): Promise<BulkRetryResult> {
    const { jobIds, unsettled, failures, reserved } = await readBulkRetry(this.deps.database, key);
    const unknown = this.bulk.unknown(
      ids,
      jobIds.map((id) => ({ id })),
    );
    const result = {
      matchedCount: jobIds.length,
      changedCount: jobIds.length - unsettled - failures.length,
      hasMore: unsettled > 0,
      failures: [...unknown, ...failures.map((failure) => this.bulk.failureOf(failure.id, failure))],
    };
    return {
      result,
      cost: this.deps.spending.moneyOf(this.deps.spending.isPriced ? BigInt(reserved) : null),
    };
  }
}

/** The selection without jobs in other statuses, which a filter does not select. */
function withStatuses<Filter extends JobFilter>(
  { ids, filter }: Selection<Filter>,
  statuses: readonly string[],
): Selection<Filter> {
  if (!filter) return { ids, filter };
  const { statuses: given } = filter;
  const restricted = given ? given.filter((status) => statuses.includes(status)) : statuses;
  return { ids, filter: { ...filter, statuses: restricted } };
}

function checkCount(expected: number, matched: number): void {
  if (matched > maxRetries) {
    const message = `More than ${maxRetries} jobs match. Nothing was retried. Narrow the filter.`;
    throw new DomainError('INVALID_INPUT', message, {
      field: 'input.select',
      details: { maximum: maxRetries },
    });
  }
  if (expected !== matched) {
    const message = `${matched} jobs match, but ${expected} were expected. Nothing was retried. Count them with dryRun.`;
    throw new DomainError('INVALID_INPUT', message, {
      field: 'input.expectedCount',
      details: { given: expected, matched },
    });
  }
}

function notCancellable(noun: string, { status }: JobColumns): DomainError {
  const message = `The ${noun} is ${status}. Only unfinished ${noun}s can be cancelled.`;
  return new DomainError('NOT_CANCELLABLE', message);
}

function isRetryable({ status, failure_retryable: isRetryableFailure }: JobColumns): boolean {
  return status === 'FAILED' && isRetryableFailure === true;
}

function notRetryable(noun: string, { status }: Pick<JobColumns, 'status'>): DomainError {
  const message = `The ${noun} is ${status}. Only ${noun}s that are FAILED with failure.retryable can be retried together.`;
  return new DomainError('NOT_RETRYABLE', message);
}

/** Prevents the retry of a job that has left FAILED, for example by a late success. */
function assertFailed(noun: string): (row: JobRow) => void {
  return (row) => {
    if (row.status !== 'FAILED') throw notRetryable(noun, row);
  };
}
