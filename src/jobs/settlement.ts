import { DomainError } from '../core/errors';
import { failpoint } from '../core/failpoint';
import type { Logger } from '../core/logger';
import { camelRow, type Sql, type Transactions } from '../core/sql';
import { UpstreamError } from '../upstream/provider';
import { noFailure } from './failure';
import { notPolled, type JobMove, type JobPatch, type JobRow, type JobSteps } from './job';
import type { JobStore } from './job.store';
import type { Journal, JournalEntry } from './journal';
import { acceptAttempt, closeAttempt } from './submission.ledger';

/** What the settling of paid calls is made of. */
export interface SettlementDeps {
  database: Transactions;
  store: JobStore;
  journal: Journal;
  logger: Logger;
  /** How long the outcome of a submission may stay unknown, in milliseconds. */
  graceMs: number;
}

const uniqueViolation = '23505';

/** A row as it is when an id for it comes in, with the database's time. */
type Found = JobRow & { readAt: Date };

/** Keeps what is known of a paid call's end: its id, or that nothing is known. */
export class Settlement {
  private mayAdopt = true;
  /** Ids that are in the journal and on their way to the database for the first time. */
  private readonly storing = new Set<JournalEntry>();

  constructor(private readonly deps: SettlementDeps) {}

  /**
   * Whether the journal or the database failed to take an id that was answered; until both have it, no new paid call is
   * begun. An id that is being stored for the first time does not count.
   */
  get isBehind(): boolean {
    return this.deps.journal.unsettled.some((entry) => !this.storing.has(entry));
  }

  /** The upstream took it: the id goes to the journal, before anything else, and then to the database. */
  async accepted(steps: JobSteps, entry: JournalEntry): Promise<void> {
    try {
      this.deps.journal.append(entry);
      this.storing.add(entry);
    } catch (error) {
      this.deps.logger.error(
        { err: error, id: entry.id },
        'the journal cannot be written; the id is kept in memory, and no new paid call is begun until it can',
      );
    }
    try {
      await failpoint('submission:journaled');
      await this.store(steps, entry);
    } finally {
      this.storing.delete(entry);
    }
  }

  /**
   * Brings ids that only a journal has into the database, also those of processes that have died. Called at the start
   * before anything is claimed, and then all the time.
   */
  async replay(stepsOf: Record<JournalEntry['table'], JobSteps>): Promise<void> {
    this.adopt();
    for (const entry of this.deps.journal.unsettled) await this.store(stepsOf[entry.table], entry);
  }

  private adopt(): void {
    try {
      this.deps.journal.adopt();
      this.mayAdopt = true;
    } catch (error) {
      // Tried every second; told once.
      if (this.mayAdopt)
        this.deps.logger.error({ err: error }, 'cannot adopt journal files of exited processes');
      this.mayAdopt = false;
    }
  }

  /** Nothing certain is known of the call: the row says so, and is never sent again by itself. */
  async unknown(steps: JobSteps, row: Pick<JobRow, 'id' | 'attempt'>, error?: UpstreamError): Promise<void> {
    const { database, logger, store, graceMs } = this.deps;
    logger.error(
      { id: row.id, attempt: row.attempt },
      `whether the upstream took a ${steps.kind.noun} is unknown; it is not sent again by itself`,
    );
    const moved = await database.transaction(async (sql) => {
      const set = { status: 'UNCERTAIN', lastError: error?.message ?? 'the process ended during the call' };
      const uncertain = await store.moveWithin<JobRow>(sql, steps.kind, [
        { id: row.id, from: ['SUBMITTING'], attempt: row.attempt, set, dueInMs: graceMs, appendsEvent: true },
      ]);
      await closeAttempt(sql, steps.kind, row, 'UNKNOWN', error);
      return uncertain;
    });
    store.wake(steps.kind, moved);
  }

  /** What the database cannot take now stays in the journal for {@link replay}. */
  private async store(steps: JobSteps, entry: JournalEntry): Promise<void> {
    const { database, store, logger } = this.deps;
    try {
      const typicalMs = await this.typicalMs(steps, entry.id);
      const moved = await database.transaction((sql) => this.storeWithin(sql, steps, entry, typicalMs));
      if (moved) store.wake(steps.kind, [moved]);
      await failpoint('submission:stored');
    } catch (error) {
      if (isUniqueViolation(error)) return this.duplicate(steps, entry);
      logger.error(
        { err: error, id: entry.id, attempt: entry.attempt },
        'an answered id could not be stored yet; it is tried again',
      );
      return;
    }
    this.settle(entry);
  }

  private settle(entry: JournalEntry): void {
    try {
      this.deps.journal.settle(entry);
    } catch (error) {
      this.deps.logger.error(
        { err: error, id: entry.id },
        'the journal cannot be written; no new paid call is begun until it can',
      );
    }
  }

  private async typicalMs(steps: JobSteps, id: string): Promise<number> {
    const [row] = await this.deps.database.rows<Record<string, unknown>>(
      `SELECT * FROM ${steps.kind.table} WHERE id = $1`,
      [id],
    );
    return row ? steps.typicalMs(camelRow<JobRow>(row)) : 0;
  }

  private async storeWithin(
    sql: Sql,
    steps: JobSteps,
    entry: JournalEntry,
    typicalMs: number,
  ): Promise<JobRow | null> {
    const { logger, store } = this.deps;
    // The job's row is locked before its ledger's, here and wherever both are.
    const [found] = await sql.rows<Record<string, unknown>>(
      `SELECT t.*, now() AS read_at FROM ${steps.kind.table} t WHERE id = $1 FOR UPDATE`,
      [entry.id],
    );
    const row = found ? camelRow<Found>(found) : null;
    const isFirstAcceptance = await acceptAttempt(sql, steps.kind, entry);
    // What is read from the journal once more changes nothing: a person may have retried since.
    if (row && !isFirstAcceptance) return null;
    const bad = rejectionReason(row, entry);
    if (!row || bad !== null) {
      logger.error({ id: entry.id, attempt: entry.attempt, providerRef: entry.ref }, bad ?? undefined);
      return null;
    }
    const [moved] = await store.moveWithin<JobRow>(sql, steps.kind, [
      acceptingMove(row, entry, steps, typicalMs),
    ]);
    return moved ?? null;
  }

  /** The upstream answered with an id that another job has: whose it is cannot be known, and the other keeps it. */
  private async duplicate(steps: JobSteps, entry: JournalEntry): Promise<void> {
    const error = new UpstreamError('UNKNOWN', 'The upstream answered with an id that it has given before.', {
      status: 200,
      evidence: entry.ref,
    });
    await this.unknown(steps, entry, error);
    this.settle(entry);
  }
}

/** Why an id that is news cannot become the row's, in words for the operator; null if it can. */
function rejectionReason(row: JobRow | null, entry: JournalEntry): string | null {
  if (!row) return 'the upstream took a job that was deleted meanwhile';
  if (row.attempt === entry.attempt && row.providerRef === null) return null;
  return 'an earlier attempt was taken by the upstream after all: it was paid twice';
}

/** Whether the id is all that was missing. */
function isWaitedFor(row: JobRow): boolean {
  return row.status !== 'FAILED' || row.failureCode === 'SUBMISSION_UNKNOWN';
}

function acceptingMove(row: Found, entry: JournalEntry, steps: JobSteps, typicalMs: number): JobMove {
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
    // It has failed for a reason of its own, and was paid for all the same: the late watch takes it over.
    const set = { ...accepted, deadlineAt: inMs(steps.retentionMs) };
    return { ...hold, set, dueInMs: steps.pollPlan.firstMs, appendsEvent: false };
  }
  const set = { ...accepted, status: steps.kind.running, estimatedReadyAt: inMs(typicalMs), ...noFailure };
  return { ...hold, set, dueInMs: steps.pollPlan.firstMs, appendsEvent: true };
}

function isUniqueViolation(error: unknown): boolean {
  const cause = error instanceof DomainError ? error.cause : error;
  return (cause as { code?: unknown } | undefined)?.code === uniqueViolation;
}
