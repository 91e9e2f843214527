import type { Sql } from '../core/sql';
import { jobKinds } from '../generations/generation.kind';

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
    `UPDATE owner_streams SET sequence = sequence + $1, complete_from = sequence + $1 + 1,
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
 * UNCERTAIN with a call of unknown outcome, and submissions are paused until an operator resumes them.
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
  const paused = await sql.rows(
    `UPDATE upstream_accounts
        SET submit_paused_at = now(), submit_pause_reason = 'OPERATOR', trial_at = NULL, probe_at = NULL, probes = 0
     RETURNING 1`,
  );
  return { uncertain, pausedAccounts: paused.length };
}
