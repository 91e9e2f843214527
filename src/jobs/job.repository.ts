import type { LeasedTable } from '../core/claim-statement';
import { failpoint } from '../core/failpoint';
import { LeasedRows, type LeaseOptions } from '../core/leased-rows';
import {
  commitsWithoutWaiting,
  limitsIdleTime,
  snakeName,
  textList,
  type Sql,
  type Transactions,
} from '../core/sql';
import { appendEvents } from '../events/event-log.repository';
import type { Wakeups } from '../events/wakeups';
import { eventsOf } from './job-event';
import { JobLog } from './job-log';
import type { JobMove } from './job-move';
import { maxIdleMs } from './job-row.repository';
import { isWatchedIn, queueStates, unsettledStates } from './job.entity';
import type { JobKind, JobRow } from './job.kind';
import { settleQuotas } from './quota-settlement.repository';
import { entriesOf, insertEntries, trimTimelines } from './timeline.repository';

/** Columns that moves may set, per table. All others are written once, by the insert. */
const movable = {
  models: ['ready_at'],
  generations: ['results_expire_at', 'ordered_positions', 'completed_at'],
  both: [
    'status',
    'progress',
    'pace',
    'estimated_ready_at',
    'failure_code',
    'failure_message',
    'failure_retryable',
    'attempt',
    'provider_ref',
    'submitted_at',
    'deadline_at',
    'start_by',
    'lease',
    'polls',
    'tries',
    'not_found_since',
    'not_found_count',
    'last_running_at',
    'resends',
    'last_error',
  ],
} as const;

/** The kinds of work on jobs, each with the condition for its rows. */
const jobWork = {
  /** Waiting for their paid call. */
  submit: () => ({ rows: `status = 'QUEUED'`, order: ['queue_rank', 'queued_at'] }),
  /** Without a known outcome of their paid call. */
  settle: () => ({ rows: `status IN (${textList(unsettledStates)})`, inTurn: false }),
  /** Running upstream, polled. */
  poll: ({ running }: JobKind) => ({ rows: `status = '${running}'` }),
  /** Failed, but the upstream may still finish them; polled rarely. */
  watch: ({ moves }) => ({ rows: isWatchedIn(Object.keys(moves)) }),
} as const satisfies Record<string, (kind: JobKind) => Omit<LeasedTable<JobRow>, 'entity' | 'table'>>;

/** A key of {@link jobWork}. */
export type JobWork = keyof typeof jobWork;

/**
 * The only code that changes the states of `models` and `generations`: by leases, which assign a row to one worker, and
 * by moves, which change a row conditionally and append the event in the same transaction.
 */
export class JobRepository {
  constructor(
    private readonly database: Transactions,
    private readonly announcer: Pick<Wakeups, 'announce'>,
    readonly log = new JobLog(null),
  ) {}

  /** The rows for one kind of work. Leases that it grants belong to the caller. */
  rowsFor<Row extends JobRow>(kind: JobKind<Row>, work: JobWork, options: LeaseOptions): LeasedRows<Row> {
    const { rows, ...rest } = jobWork[work](kind);
    const { entity, table } = kind;
    const spec = { ...rest, entity, table, rows: `due_at IS NOT NULL AND ${rows}` };
    return new LeasedRows(this.database, spec, options);
  }

  /**
   * {@link moveWithin} in its own transaction, then wakes subscribers. Moves that change neither the state nor what
   * subscribers see are written by a statement of their own, whose loss in a crash of PostgreSQL is harmless: the jobs
   * are then due when their leases end.
   */
  async move(kind: JobKind, moves: readonly JobMove[]): Promise<void> {
    const unseen = moves.filter(isUnseen);
    await this.moveUnseen(kind, unseen);
    const seen = moves.filter((move) => !isUnseen(move));
    if (seen.length > 0) {
      const moved = await this.database.transaction((sql) => this.moveWithin(sql, kind, seen));
      await failpoint('move:committed');
      this.wake(kind, moved);
    }
    if (moves.some(({ dueInMs }) => dueInMs === 0)) this.announcer.announce({ streams: [], work: true });
  }

  private async moveUnseen(kind: JobKind, moves: readonly JobMove[]): Promise<void> {
    if (moves.length === 0) return;
    const update = updateOf(kind, moves);
    await this.database.rows(update.text({ where: ` AND ${commitsWithoutWaiting}` }), update.parameters);
    const polled = moves.flatMap(({ id, notes = [] }) => notes.map((note) => ({ id, ...note })));
    await trimTimelines(this.database, kind, polled);
  }

  /**
   * Changes rows conditionally, with their timelines, in one statement, releases the quota reservations of jobs that
   * failed, and appends the events. The caller commits and then calls {@link wake}.
   * @returns the changed rows; a row that was not in one of the expected states is not among them
   */
  async moveWithin<Row extends JobRow>(
    sql: Sql,
    kind: JobKind<Row>,
    moves: readonly JobMove[],
  ): Promise<Row[]> {
    const update = updateOf(kind, moves);
    const where = moves.some((move) => endsAtProgress(kind, move)) ? ` AND ${limitsIdleTime(maxIdleMs)}` : '';
    const moved = await sql.entities(
      kind.entity,
      update.text({ where, returnsRows: true }),
      update.parameters,
    );
    this.log.noteMoved(kind, moves, moved);
    await settleQuotas(sql, kind, moves, moved);
    await trimTimelines(sql, kind, moved);
    await appendEvents(sql, eventsOf(kind, moves, moved));
    await failpoint('move:before-commit');
    return moved;
  }

  /**
   * Runs `work`, which calls {@link moveWithin}, in a transaction, then wakes the subscribers of the rows that it
   * returns.
   * @param options - `wakesWorkers`: whether such a row is due immediately
   */
  async change<Row extends JobRow>(
    kind: JobKind<Row>,
    work: (sql: Sql) => Promise<Row[]>,
    { wakesWorkers = false } = {},
  ): Promise<Row[]> {
    const changed = await this.database.transaction(work);
    this.wake(kind, changed, wakesWorkers);
    return changed;
  }

  /**
   * Wakes subscribers of the rows' streams. Call it after the commit.
   * @param work - whether a row is due immediately, so that workers are woken too
   */
  wake(kind: JobKind, rows: readonly JobRow[], work = false): void {
    if (rows.length === 0) return;
    this.log.write(rows);
    this.announcer.announce({ streams: [...new Set(rows.map((row) => kind.streamOf(row)))], work });
  }
}

/**
 * SQL: the time of a change, at least a millisecond after the previous one. The transaction's time is not used, since a
 * transaction that started earlier may change the row later.
 */
export function laterThan(updatedAt: string): string {
  return `greatest(clock_timestamp(), ${updatedAt} + interval '1 ms')`;
}

/** Whether a move changes neither the state of a job nor what its subscribers see. */
function isUnseen({ appendsEvent, set }: JobMove): boolean {
  return !appendsEvent && set.status === undefined;
}

/** Whether a move ends a job at the progress that it has at this time. */
function endsAtProgress({ unfinished }: JobKind, { set: { status, progress = 100 } }: JobMove): boolean {
  return status !== undefined && !unfinished.includes(status) && progress < 100;
}

/** A move as the statement reads it; `set` has the values of columns. */
interface MoveRecord {
  readonly set: object;
  readonly [name: string]: unknown;
}

/** An update of rows by moves. */
interface Update {
  /**
   * Makes the SQL.
   * @param where - a further condition
   */
  readonly text: (options: { where?: string; returnsRows?: boolean }) => string;
  readonly parameters: [string];
}

/** The update of rows by moves. Sets only columns that at least one move sets. */
function updateOf(kind: JobKind, moves: readonly JobMove[]): Update {
  const known: readonly string[] = [...movable.both, ...movable[kind.table]];
  for (const move of moves) assertLegal(kind, known, move);
  const records = moves.map((move) => moveRecord(kind, move));
  const used = new Set(records.flatMap(({ set }) => Object.keys(set)));
  const columns = known.filter((name) => used.has(name));
  const isQueued = moves.some(({ set }) => set.status === 'QUEUED');
  const updateFrom = (source: string, where: string): string => `
UPDATE ${kind.table} t
   SET (${columns.join(', ')}) =
       (SELECT ${columns.map((name) => `r.${name}`).join(', ')} FROM jsonb_populate_record(t, m.set) r),
       due_at = now() + m.due_in_ms * interval '1 ms',
       updated_at = ${laterThan('t.updated_at')}${isQueued ? `, ${takePlace}` : ''}
  FROM ${source}
 WHERE t.id = m.id AND m.from ? t.status
   AND (m.lease IS NULL OR t.lease = m.lease)
   AND (m.attempt IS NULL OR t.attempt = m.attempt)${where}`;
  const hasEntries = records.some(({ entries }) => entries !== null);
  return {
    parameters: [jsonOf(records)],
    text: ({ where = '', returnsRows = false }) =>
      hasEntries
        ? withEntries(kind, updateFrom('m', where), returnsRows)
        : `${updateFrom(moveRecords, where)}${returnsRows ? ' RETURNING t.*' : ''}`,
  };
}

/** SQL: the moves in the parameter. */
const moveRecords = `jsonb_to_recordset($1) AS m(id uuid, "from" jsonb, lease uuid, attempt integer, set jsonb,
         due_in_ms double precision, entries jsonb)`;

/** SQL of an update and of the entries of the rows that it changes. */
function withEntries(kind: JobKind, update: string, returnsRows: boolean): string {
  const entries = insertEntries(
    kind,
    "SELECT moved.*, m.entries FROM moved JOIN m ON m.id = moved.id WHERE jsonb_typeof(m.entries) = 'array'",
  );
  const moved = `WITH m AS (SELECT * FROM ${moveRecords}), moved AS (${update} RETURNING t.*)`;
  return returnsRows ? `${moved}, written AS (${entries}) SELECT * FROM moved` : `${moved} ${entries}`;
}

/** SQL: a job that becomes QUEUED takes the last place in the queue, unless it returns to its place. */
const takePlace = `queued_at = CASE WHEN m.set ->> 'status' = 'QUEUED' AND t.status NOT IN (${textList(queueStates)})
                        THEN clock_timestamp() ELSE t.queued_at END`;

function moveRecord({ unfinished }: JobKind, move: JobMove): MoveRecord {
  const set = Object.entries(move.set).map(([name, value]) => [snakeName(name), value]);
  const isEnd = move.set.status !== undefined && !unfinished.includes(move.set.status);
  // A move ends the lease unless it sets one.
  return {
    id: move.id,
    from: move.from,
    lease: move.lease ?? null,
    attempt: move.attempt ?? null,
    set: { lease: null, ...(Object.fromEntries(set) as object), ...(isEnd && notRunning) },
    due_in_ms: move.dueInMs,
    entries: entriesOf(move),
  };
}

/** The columns that only an unfinished job has. */
const notRunning = { pace: null, estimated_ready_at: null };

/**
 * JSON for `jsonb`, which rejects NUL and unpaired surrogates (such as a truncated emoji): they become U+FFFD, so
 * that a text of the upstream cannot fail the statement for other rows.
 */
function jsonOf(value: unknown): string {
  // Matches every escape in order, so that an escaped backslash is not taken for the start of the next escape.
  return JSON.stringify(value).replace(/\\(u0000|ud[89a-f][0-9a-f]{2}|.)/g, (escape, what: string) =>
    what.length > 1 ? '\ufffd' : escape,
  );
}

function assertLegal(kind: JobKind, columns: readonly string[], { from, set }: JobMove): void {
  const unknown = Object.keys(set).find((name) => !columns.includes(snakeName(name)));
  if (unknown !== undefined) throw new Error(`A move of a ${kind.noun} cannot set ${unknown}.`);
  const to = set.status;
  if (to === undefined) return;
  const illegal = from.find((state) => state !== to && !kind.moves[state]?.includes(to));
  if (illegal !== undefined) throw new Error(`A ${kind.noun} cannot go from ${illegal} to ${to}.`);
}
