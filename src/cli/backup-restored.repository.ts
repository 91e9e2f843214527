import type { Sql } from '../core/sql';
import { jobKinds } from '../generations/generation.kind';
import { pauseByOperator } from '../upstream/account-pause.repository';
import type { RestoreMarker } from './restore-marker';

/** By how much the numbers of streams increase: more than the events between a backup and its restore. */
const epochStep = 1_000_000_000;

/**
 * Begins a new epoch of events: positions of cursors from before, also of events that the backup does not have, are older
 * than every stored event, so that subscribers begin with a snapshot. Webhooks continue with new events.
 */
export async function beginEpoch(sql: Sql): Promise<void> {
  await sql.rows('DELETE FROM events');
  await sql.rows('DELETE FROM owner_events');
  await sql.rows('DELETE FROM streams WHERE ended_at IS NOT NULL');
  await sql.rows('UPDATE streams SET sequence = sequence + $1', [epochStep]);
  await sql.rows(
    `UPDATE owner_streams SET sequence = sequence + $1,
            numbered_until = pg_current_snapshot()::text, numbered_at = now()`,
    [epochStep],
  );
  await sql.rows(
    'UPDATE webhooks w SET position = o.sequence FROM owner_streams o WHERE o.id = w.owner_stream_id',
  );
}

/** What {@link holdPaidCalls} has changed. */
export interface HeldCalls {
  /** Jobs that were QUEUED. */
  readonly uncertain: number;
  readonly pausedAccounts: number;
}

/**
 * Makes sure that nothing is paid again: jobs that were QUEUED may have been submitted since the backup, so they become
 * UNCERTAIN with a call of unknown outcome, and submissions of all accounts, also of those that are used later, are paused
 * until an operator resumes them. Call it in the transaction that loads the rows.
 */
export async function holdPaidCalls(sql: Sql): Promise<HeldCalls> {
  let uncertain = 0;
  for (const { table, noun } of jobKinds) {
    const units = noun === 'model' ? '1, 0' : '0, j.wanted';
    const changed = await sql.rows(
      `WITH held AS (
         UPDATE ${table} SET status = 'UNCERTAIN', attempt = attempt + 1, lease = NULL, due_at = now(), start_by = NULL,
                last_error = 'restored from a backup, in which it was QUEUED', updated_at = now()
          WHERE status = 'QUEUED' RETURNING *)
       INSERT INTO submissions (id, ${noun}_id, attempt, provider, account, outcome, answered_at, trainings, avatars)
       SELECT gen_random_uuid(), j.id, j.attempt, j.provider, 'restored', 'UNKNOWN', now(), ${units}
         FROM held j RETURNING 1`,
    );
    uncertain += changed.length;
  }
  // A backup that is older than the migration that creates this table, which keeps an existing one.
  await sql.rows(
    `CREATE TABLE IF NOT EXISTS submission_pauses
       (provider text NOT NULL, paused_at timestamptz, CONSTRAINT submission_pauses_pkey PRIMARY KEY (provider))`,
  );
  const paused = await pauseByOperator(sql, { prefix: '', provider: null });
  return { uncertain, pausedAccounts: paused.length };
}

/** What a marker says of the transaction that it is called in. */
export async function describeTransaction(sql: Sql): Promise<Omit<RestoreMarker, 'paths'>> {
  const [row] = await sql.rows<Omit<RestoreMarker, 'paths'>>(
    `SELECT (SELECT system_identifier::text FROM pg_control_system()) AS server, d.oid::text AS database,
            pg_current_xact_id()::text AS transaction
       FROM pg_database d WHERE d.datname = current_database()`,
  );
  return row!;
}

/** What became of an interrupted restore. */
export type RestoreOutcome =
  /** Its rows are not in a database, and its files are of no use. */
  | 'FAILED'
  /** It is complete, in this database. */
  | 'COMPLETE'
  /** It is complete or running in another database, or it is too long ago. */
  | 'ELSEWHERE';

/** Finds out what became of a restore. Locks on the tables that it fills must be held, so that it does not run in this database. */
export async function findOutcome(sql: Sql, marker: RestoreMarker): Promise<RestoreOutcome> {
  const here = await describeTransaction(sql);
  if (here.server !== marker.server) return 'ELSEWHERE';
  const [row] = await sql.rows<{ status: string | null }>(
    `SELECT CASE WHEN $1::xid8 < pg_current_xact_id() THEN pg_xact_status($1::xid8) END AS status`,
    [marker.transaction],
  );
  if (row!.status === 'aborted') return 'FAILED';
  return row!.status === 'committed' && here.database === marker.database ? 'COMPLETE' : 'ELSEWHERE';
}
