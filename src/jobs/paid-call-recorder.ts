import { DomainError, isServiceUnavailable } from '../core/errors';
import { failpoint } from '../core/failpoint';
import type { Sql } from '../core/sql';
import { UpstreamError } from '../upstream/provider';
import { acceptingMove, rejectionReason, type AcceptedExpectation } from './acceptance';
import type { JobContext } from './job-context';
import { loggedId } from './job-log';
import type { JobMove } from './job-move';
import { findJob, lockJob, type ReadJob } from './job-row.repository';
import type { JobSteps } from './job-steps';
import type { JobRow } from './job.kind';
import type { JournalEntry } from './journal-lines';
import { settleLedger } from './ledger-settlement.repository';
import { retryWhileUnavailable } from './retry-while-unavailable';
import { acceptAttempt, closeAttempt, openAttempt, type FailedCall } from './submission.repository';

const uniqueViolation = '23505';

/** Replaces what the upstream said. */
const unstorable = 'The outcome of the call is unknown, and what the upstream said could not be stored.';

/** An attempt of a job, with the id that the upstream has returned, if it is known. */
type Call = Pick<JournalEntry, 'id' | 'attempt' | 'provider' | 'account'> & { readonly ref?: string };

/** A paid call whose outcome is unknown, and what is known of it. */
interface UnknownCall {
  readonly steps: JobSteps;
  readonly row: Call;
  call?: FailedCall;
}

/** Stores the outcome of a paid call: its id, or that the outcome is unknown. */
export class PaidCallRecorder {
  private mayAdopt = true;
  private isFull = false;
  /** Entries that are in the journal and are being written to the database for the first time. */
  private readonly storing = new Set<JournalEntry>();
  /** Calls of this process whose unknown outcome could not be stored yet. */
  private readonly unknowns = new Set<UnknownCall>();

  constructor(
    private readonly deps: Pick<
      JobContext,
      'database' | 'jobs' | 'provider' | 'journal' | 'logger' | 'graceMs'
    >,
    private readonly stepsOf: Readonly<Record<JournalEntry['table'], JobSteps>>,
  ) {}

  /**
   * Whether the journal or the database failed to store an accepted id, or the database that an outcome is unknown. No
   * new paid call starts until they have stored it: a database that has lost the call has its job QUEUED. What is being
   * stored for the first time does not count.
   */
  get isBehind(): boolean {
    return this.unknowns.size > 0 || this.deps.journal.unsettled.some((entry) => !this.storing.has(entry));
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
   * Writes ids that only a journal has to the database, including those of exited processes, and outcomes that only this
   * process knows. Called at startup before any row is claimed, and then periodically.
   */
  async replay(): Promise<void> {
    this.retryWrites();
    this.adopt();
    const waiting = this.deps.journal.unsettled.filter((entry) => !this.storing.has(entry));
    for (const entry of waiting) await this.store(entry);
    for (const unknown of this.unknowns) await this.retryUnknown(unknown);
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
    this.logUnknown(steps, row);
    await this.storeUnknown({ steps, row, call });
  }

  /**
   * {@link unknown} for a call that this process has made: it may be the only one that knows of the call. If the database
   * does not store it for about a minute, {@link replay} continues.
   */
  async unanswered(steps: JobSteps, row: Call, call: FailedCall): Promise<void> {
    const unknown = { steps, row, call };
    this.logUnknown(steps, row);
    try {
      await retryWhileUnavailable(() => this.storeUnknown(unknown));
    } catch (error) {
      this.keep(unknown, error);
    }
  }

  private async retryUnknown(unknown: UnknownCall): Promise<void> {
    try {
      await this.storeUnknown(unknown);
      this.unknowns.delete(unknown);
    } catch (error) {
      this.keep(unknown, error);
    }
  }

  /**
   * Keeps a call for {@link replay}, which tries every second. Anything but an outage may be due to what the upstream said,
   * which must not stop all further paid calls. The status stays: it may prove that the call was executed.
   */
  private keep(unknown: UnknownCall, error: unknown): void {
    const { steps, row, call } = unknown;
    const isRefused = !isServiceUnavailable(error) && call !== undefined && call.error.message !== unstorable;
    if (isRefused) {
      const status = call.error.status;
      unknown.call = { ...call, error: new UpstreamError('UNKNOWN', unstorable, { status }) };
    }
    const level = isRefused || !this.unknowns.has(unknown) ? 'error' : 'debug';
    this.unknowns.add(unknown);
    this.deps.logger[level](
      { err: error, id: loggedId(steps.kind, row), attempt: row.attempt },
      'that the outcome of a paid call is unknown could not be stored yet; retrying',
    );
  }

  private logUnknown({ kind }: JobSteps, row: Call): void {
    this.deps.logger.error(
      { id: loggedId(kind, row), attempt: row.attempt },
      `it is unknown whether the upstream accepted a ${kind.noun}; it is not submitted again automatically`,
    );
  }

  private async storeUnknown({ steps, row, call }: UnknownCall): Promise<void> {
    const { jobs, graceMs } = this.deps;
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
   * attempt of a job never decreases. The call may have been made with another provider or account than this process has:
   * its journal entry has the account, except that of an earlier version, which is then not repeated for another provider.
   */
  private async lockCalled(sql: Sql, { kind }: JobSteps, call: Call): Promise<ReadJob | null> {
    const { jobs, logger, provider } = this.deps;
    const row = await lockJob(sql, kind, call.id);
    const isLost = row?.status === 'QUEUED' && row.attempt < call.attempt;
    const ownAccount = call.provider === provider.name ? provider.account : undefined;
    const account = call.account ?? ownAccount;
    if (!isLost || account === undefined) return row;
    const set = { status: 'SUBMITTING', attempt: call.attempt };
    const notes: JobMove['notes'] = [{ kind: 'SUBMITTED' }];
    const move = { id: row.id, from: [row.status], set, dueInMs: 0, appendsEvent: true, notes };
    const [calling] = await jobs.moveWithin(sql, kind, [move]);
    await openAttempt(sql, kind, calling!, { account, photoUrl: null });
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

function isUniqueViolation(error: unknown): boolean {
  const cause = error instanceof DomainError ? error.cause : error;
  return (cause as { code?: unknown } | undefined)?.code === uniqueViolation;
}
