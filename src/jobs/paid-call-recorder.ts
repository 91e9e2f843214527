import { DomainError } from '../core/errors';
import { failpoint } from '../core/failpoint';
import type { Sql } from '../core/sql';
import { UpstreamError } from '../upstream/provider';
import { remainingQuantile } from './durations';
import { noFailure } from './failure';
import type { JobContext } from './job-context';
import { loggedId } from './job-log';
import { notPolled, type JobMove } from './job-move';
import { findJob, lockJob, type ReadJob } from './job-row.repository';
import type { JobSteps } from './job-steps';
import type { JobRow, JobPatch } from './job.kind';
import type { JournalEntry } from './journal';
import { settleLedger } from './ledger-settlement.repository';
import { startPace } from './pace';
import {
  acceptAttempt,
  closeAttempt,
  openAttempt,
  type Acceptance,
  type FailedCall,
} from './submission.repository';

const uniqueViolation = '23505';

/** An attempt of a job, with the id that the upstream has returned, if it is known. */
type Call = Pick<JournalEntry, 'id' | 'attempt' | 'provider'> & { readonly ref?: string };

/** Stores the outcome of a paid call: its id, or that the outcome is unknown. */
export class PaidCallRecorder {
  private mayAdopt = true;
  private isFull = false;
  /** Entries that are in the journal and are being written to the database for the first time. */
  private readonly storing = new Set<JournalEntry>();

  constructor(
    private readonly deps: Pick<
      JobContext,
      'database' | 'jobs' | 'provider' | 'journal' | 'logger' | 'graceMs'
    >,
    private readonly stepsOf: Readonly<Record<JournalEntry['table'], JobSteps>>,
  ) {}

  /**
   * Whether the journal or the database failed to store an accepted id. No new paid call starts until both have
   * stored it. An id that is being stored for the first time does not count.
   */
  get isBehind(): boolean {
    return this.deps.journal.unsettled.some((entry) => !this.storing.has(entry));
  }

  /** Whether the id of another paid call could be stored. Call it BEFORE each one. A new problem is logged once. */
  mayCall(): boolean {
    if (this.isBehind) return false;
    try {
      this.deps.journal.reserve();
      this.isFull = false;
    } catch (error) {
      const message = 'the journal cannot be written; no paid call is made until it has space for ids';
      if (!this.isFull) this.deps.logger.error({ err: error }, message);
      this.isFull = true;
    }
    return !this.isFull;
  }

  /**
   * Stores the id of an accepted call: first in the journal, then in the database.
   * @param row - the job as it was when the call was made
   */
  async accepted(row: JobRow, entry: JournalEntry): Promise<void> {
    try {
      this.deps.journal.append(entry);
      this.storing.add(entry);
    } catch (error) {
      this.deps.logger.error(
        { err: error, id: this.loggedIdOf(entry) },
        'the journal cannot be written; the id is kept in memory and no new paid call starts until it can be written',
      );
    }
    try {
      await failpoint('submission:journaled');
      await this.store(entry, row);
    } finally {
      this.storing.delete(entry);
    }
  }

  /**
   * Writes ids that only a journal has to the database, including those of exited processes. Called at startup
   * before any row is claimed, and then periodically.
   */
  async replay(): Promise<void> {
    this.retryWrites();
    this.adopt();
    const waiting = this.deps.journal.unsettled.filter((entry) => !this.storing.has(entry));
    for (const entry of waiting) await this.store(entry);
  }

  private retryWrites(): void {
    try {
      this.deps.journal.retryWrites();
    } catch (error) {
      // Logged as an error when the entry was appended; tried again every second.
      this.deps.logger.debug({ err: error }, 'the journal still cannot be written');
    }
  }

  private adopt(): void {
    try {
      this.deps.journal.adopt();
      this.mayAdopt = true;
    } catch (error) {
      // Tried every second, logged once.
      if (this.mayAdopt)
        this.deps.logger.error({ err: error }, 'cannot adopt journal files of exited processes');
      this.mayAdopt = false;
    }
  }

  /** Records that the outcome of a call is unknown. The call is not repeated automatically. */
  async unknown(steps: JobSteps, row: Call, call?: FailedCall): Promise<void> {
    const { logger, jobs, graceMs } = this.deps;
    logger.error(
      { id: loggedId(steps.kind, row), attempt: row.attempt },
      `it is unknown whether the upstream accepted a ${steps.kind.noun}; it is not submitted again automatically`,
    );
    await jobs.change(steps.kind, async (sql) => {
      await this.lockCalled(sql, steps, row);
      const set = {
        status: 'UNCERTAIN',
        lastError: call?.error.message ?? 'the process ended during the call',
      };
      const uncertain = await jobs.moveWithin(sql, steps.kind, [
        { id: row.id, from: ['SUBMITTING'], attempt: row.attempt, set, dueInMs: graceMs, appendsEvent: true },
      ]);
      await closeAttempt(sql, steps.kind, row, 'UNKNOWN', call);
      return uncertain;
    });
  }

  /** If the database is unavailable, the entry stays in the journal for {@link replay}. */
  private async store(entry: JournalEntry, row?: JobRow): Promise<void> {
    const steps = this.stepsOf[entry.table];
    const { database, jobs, logger } = this.deps;
    try {
      const job = row ?? (await findJob(database, steps.kind, entry.id));
      // The time of a call that is stored later is not known.
      const expectation = job && { ...(await steps.expect(job)), isTimed: row !== undefined };
      await jobs.change(steps.kind, (sql) => this.storeWithin(sql, steps, entry, expectation));
      await failpoint('submission:stored');
    } catch (error) {
      if (isUniqueViolation(error)) return this.duplicate(steps, entry);
      logger.error(
        { err: error, id: this.loggedIdOf(entry), attempt: entry.attempt },
        'the id of an accepted call could not be stored yet; retrying',
      );
      return;
    }
    this.settle(entry);
  }

  private loggedIdOf(entry: JournalEntry): string {
    return loggedId(this.stepsOf[entry.table].kind, entry);
  }

  private settle(entry: JournalEntry): void {
    try {
      this.deps.journal.settle(entry);
    } catch (error) {
      this.deps.logger.error(
        { err: error, id: this.loggedIdOf(entry) },
        'the journal cannot be written; no new paid call starts until it can be written',
      );
    }
  }

  private async storeWithin(
    sql: Sql,
    steps: JobSteps,
    entry: JournalEntry,
    expectation: AcceptedExpectation | null,
  ): Promise<JobRow[]> {
    const { logger, jobs } = this.deps;
    const row = await this.lockCalled(sql, steps, entry);
    const acceptance = await acceptAttempt(sql, steps.kind, entry);
    // A repeated journal entry changes nothing: the owner may have retried the job since.
    if (row && acceptance === 'REPEATED') return [];
    const bad = rejectionReason(row, entry, acceptance);
    if (!row || !expectation || bad !== null) {
      logger.error(
        { id: this.loggedIdOf(entry), attempt: entry.attempt, providerRef: entry.ref },
        bad ?? undefined,
      );
      return [];
    }
    const moved = await jobs.moveWithin(sql, steps.kind, [acceptingMove(row, entry, steps, expectation)]);
    // A retry that waited is not made: its money is released.
    if (row.status === 'QUEUED') await settleLedger(sql, steps.kind, [row.id]);
    return moved;
  }

  /**
   * Locks the job of a call. Repeats the intent to call of a job that the database has QUEUED without it, since a failover
   * or the restore of a backup has lost the last commits: otherwise the job would be paid a second time. In one database the
   * attempt of a job never decreases.
   */
  private async lockCalled(sql: Sql, { kind }: JobSteps, call: Call): Promise<ReadJob | null> {
    const { jobs, logger, provider } = this.deps;
    const row = await lockJob(sql, kind, call.id);
    const isLost = row?.status === 'QUEUED' && row.attempt < call.attempt;
    if (!isLost || call.provider !== provider.name) return row;
    const set = { status: 'SUBMITTING', attempt: call.attempt };
    const notes: JobMove['notes'] = [{ kind: 'SUBMITTED' }];
    const move = { id: row.id, from: [row.status], set, dueInMs: 0, appendsEvent: true, notes };
    const [calling] = await jobs.moveWithin(sql, kind, [move]);
    await openAttempt(sql, kind, calling!, { account: provider.account, photoUrl: null });
    logger.warn(
      { id: loggedId(kind, row), attempt: call.attempt, providerRef: call.ref },
      call.ref === undefined
        ? 'the database had lost a paid call, whose outcome is unknown'
        : 'the database had lost a paid call, which the journal has',
    );
    return Object.assign(calling!, { readAt: row.readAt });
  }

  /** The upstream returned an id that already belongs to another job. That job keeps it; this one becomes UNCERTAIN. */
  private async duplicate(steps: JobSteps, entry: JournalEntry): Promise<void> {
    const error = new UpstreamError(
      'UNKNOWN',
      'The upstream returned an id that already belongs to another job.',
      {
        status: 200,
        evidence: entry.ref,
      },
    );
    await this.unknown(steps, entry, { error, durationMs: entry.durationMs ?? null });
    this.settle(entry);
  }
}

/** How long an accepted job is expected to take; `isTimed`: the upstream has just accepted it. */
type AcceptedExpectation = Awaited<ReturnType<JobSteps['expect']>> & { isTimed: boolean };

/** Why a newly accepted id cannot be stored in the row, for the log; null if it can. */
function rejectionReason(row: JobRow | null, entry: JournalEntry, acceptance: Acceptance): string | null {
  if (!row) return 'the upstream accepted a job that was deleted in the meantime';
  if (acceptance === 'OTHER_ID')
    return 'the upstream accepted an attempt that the database had lost as well: the job was paid twice';
  if (row.attempt === entry.attempt && row.providerRef === null) return null;
  if (row.attempt < entry.attempt) return 'the database has lost an attempt that the upstream accepted';
  return 'the upstream accepted an earlier attempt as well: the job was paid twice';
}

/** Whether the job only waits for this id. */
function isWaitedFor(row: JobRow): boolean {
  return row.status !== 'FAILED' || row.failureCode === 'SUBMISSION_UNKNOWN';
}

function acceptingMove(
  row: ReadJob,
  entry: JournalEntry,
  steps: JobSteps,
  { durations, firstPollMs, isTimed }: AcceptedExpectation,
): JobMove {
  const inMs = (ms: number): Date => new Date(row.readAt.getTime() + ms);
  const hold = { id: row.id, from: [row.status], attempt: entry.attempt };
  const accepted: JobPatch = {
    providerRef: entry.ref,
    submittedAt: 'now',
    deadlineAt: inMs(steps.deadlineMs),
    ...notPolled,
    lastError: null,
  };
  if (row.status === 'CANCELLED') return { ...hold, set: accepted, dueInMs: null, appendsEvent: false };
  if (!isWaitedFor(row)) {
    // The job failed for another reason but was paid: the late watch polls it.
    const set = { ...accepted, deadlineAt: inMs(steps.retentionMs) };
    return { ...hold, set, dueInMs: steps.pollPlan.firstMs, appendsEvent: false };
  }
  const { notEnded, running } = steps.kind;
  const set = {
    ...{ ...accepted, ...notEnded, status: running, ...noFailure },
    pace: startPace(durations, row.readAt.getTime(), isTimed && row.status === 'SUBMITTING'),
    estimatedReadyAt: inMs(remainingQuantile(durations, 0, 0.5)),
  };
  return { ...hold, set, dueInMs: firstPollMs, appendsEvent: true };
}

function isUniqueViolation(error: unknown): boolean {
  const cause = error instanceof DomainError ? error.cause : error;
  return (cause as { code?: unknown } | undefined)?.code === uniqueViolation;
}
