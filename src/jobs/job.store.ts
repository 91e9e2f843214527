import { failpoint } from '../core/failpoint';
import { LeasedRows, type LeasedTable, type LeaseOptions } from '../core/leased-rows';
import { camelRow, snakeName, type Sql, type Transactions } from '../core/sql';
import { appendEvents } from '../events/event-log';
import type { JobKind, JobMove, JobRow } from './job';
import { settleQuotas } from './quota-returns';

/** Columns that moves may set, per table; everything else is written once, at birth. */
const movable = {
  models: ['ready_at'],
  generations: ['results_expire_at', 'completed_at'],
  both: [
    'status',
    'progress',
    'estimated_ready_at',
    'failure_code',
    'failure_message',
    'failure_retryable',
    'attempt',
    'provider_ref',
    'submitted_at',
    'deadline_at',
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

/** Tells those who wait that something has been committed. */
export interface Announcer {
  announce(wake: { streams?: readonly string[]; work?: boolean }): void;
}

/** The kinds of work on jobs, each with its rows. */
const jobWork = {
  /** Queued for their paid call. */
  submit: () => ({ rows: `status = 'QUEUED'` }),
  /** Queued for longer than they may. */
  expire: () => ({ rows: `status = 'QUEUED' AND deadline_at <= now()`, order: 'deadline_at', inTurn: false }),
  /** Without a known outcome of their paid call. */
  settle: () => ({ rows: `status IN ('SUBMITTING', 'UNCERTAIN')`, inTurn: false }),
  /** Polled: the upstream works on them. */
  follow: ({ running }: JobKind) => ({ rows: `status = '${running}'` }),
  /** Polled rarely: failed, but the upstream may still finish them. */
  watch: () => ({ rows: `status = 'FAILED'` }),
} as const satisfies Record<string, (kind: JobKind) => Omit<LeasedTable, 'table'>>;

/** A kind of work on jobs. */
export type JobWork = keyof typeof jobWork;

/**
 * The only way by which rows of `models` and `generations` change: leases, which lend a row to one worker, and moves,
 * which change it conditionally and append the event in the same transaction.
 */
export class JobStore {
  constructor(
    private readonly database: Transactions,
    private readonly announcer: Announcer,
  ) {}

  /** The rows that one kind of work is about. The leases belong to the worker that called this. */
  rowsFor(kind: JobKind, work: JobWork, options: LeaseOptions): LeasedRows<JobRow> {
    const { rows, ...rest } = jobWork[work](kind);
    const spec = { ...rest, table: kind.table, rows: `due_at IS NOT NULL AND ${rows}` };
    return new LeasedRows<JobRow>(this.database, spec, options);
  }

  /** {@link moveWithin} in a transaction of its own, then wakes who waits. */
  async move<Row extends JobRow>(kind: JobKind, moves: readonly JobMove[]): Promise<Row[]> {
    if (moves.length === 0) return [];
    const moved = await this.database.transaction((sql) => this.moveWithin<Row>(sql, kind, moves));
    await failpoint('move:committed');
    this.wake(
      kind,
      moved,
      moves.some(({ dueInMs }) => dueInMs === 0),
    );
    return moved;
  }

  /**
   * Changes rows conditionally, all in one statement, gives back to quotas what jobs that failed had taken, and appends
   * their events. The caller commits and then calls {@link wake}.
   * @returns the rows that changed, as they are now; a row that was not in the state it was to leave is not among them
   */
  async moveWithin<Row extends JobRow>(sql: Sql, kind: JobKind, moves: readonly JobMove[]): Promise<Row[]> {
    for (const move of moves) assertLegal(kind, move);
    const columns = [...movable.both, ...movable[kind.table]];
    const rows = await sql.rows<Record<string, unknown>>(
      `UPDATE ${kind.table} t
          SET (${columns.join(', ')}) =
              (SELECT ${columns.map((name) => `r.${name}`).join(', ')} FROM jsonb_populate_record(t, m.set) r),
              due_at = now() + m.due_in_ms * interval '1 ms',
              updated_at = now()
         FROM jsonb_to_recordset($1) AS m(id uuid, "from" jsonb, lease uuid, attempt integer, set jsonb, due_in_ms double precision)
        WHERE t.id = m.id AND m.from ? t.status
          AND (m.lease IS NULL OR t.lease = m.lease)
          AND (m.attempt IS NULL OR t.attempt = m.attempt)
       RETURNING t.*`,
      [jsonOf(moves.map(moveRecord))],
    );
    const moved = rows.map((row) => camelRow<Row>(row));
    await settleQuotas(sql, kind, moves, moved);
    const withEvent = new Set(moves.filter((move) => move.appendsEvent).map((move) => move.id));
    await appendEvents(
      sql,
      moved.filter((row) => withEvent.has(row.id)).map((row) => eventOf(kind, row)),
    );
    await failpoint('move:before-commit');
    return moved;
  }

  /**
   * Wakes subscribers of the rows' streams; after the commit.
   * @param work - whether something is due at once, so that the workers are woken too
   */
  wake(kind: JobKind, rows: readonly JobRow[], work = false): void {
    if (rows.length === 0) return;
    this.announcer.announce({ streams: [...new Set(rows.map((row) => kind.streamOf(row)))], work });
  }
}

/** The event that tells of a row as it is. */
export function eventOf(kind: JobKind, row: JobRow): Parameters<typeof appendEvents>[1][number] {
  return {
    streamId: kind.streamOf(row),
    kind: kind.eventKind,
    subjectId: row.id,
    generationId: kind.table === 'generations' ? row.id : null,
    payload: kind.payloadOf(row),
  };
}

function moveRecord(move: JobMove): object {
  const set = Object.entries(move.set).map(([name, value]) => [snakeName(name), value]);
  // A move ends the work in hand, unless it says otherwise: the lease goes back.
  return {
    id: move.id,
    from: move.from,
    lease: move.lease ?? null,
    attempt: move.attempt ?? null,
    set: { lease: null, ...(Object.fromEntries(set) as object) },
    due_in_ms: move.dueInMs,
  };
}

/**
 * JSON that PostgreSQL takes: it knows neither NUL nor half of a surrogate pair, such as is left of an emoji where
 * somebody cut a text. An upstream's words must not hold up the moves of all others in the statement.
 */
function jsonOf(value: unknown): string {
  // Every escape is looked at in its turn, so that an escaped backslash is never taken for the beginning of one.
  return JSON.stringify(value).replace(/\\(u0000|ud[89a-f][0-9a-f]{2}|.)/g, (escape, what: string) =>
    what.length > 1 ? '\ufffd' : escape,
  );
}

function assertLegal(kind: JobKind, { from, set }: JobMove): void {
  const to = set.status;
  if (to === undefined) return;
  const illegal = from.find((state) => state !== to && !kind.moves[state]?.includes(to));
  if (illegal !== undefined) throw new Error(`A ${kind.noun} cannot go from ${illegal} to ${to}.`);
}
