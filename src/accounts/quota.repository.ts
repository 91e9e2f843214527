import type { DataSubject } from '../core/data-subject';
import { newId } from '../core/ids';
import { holdLock, type Sql } from '../core/sql';
import type { QuotaReservationEntity } from './quota-reservation.entity';

const today = `(now() AT TIME ZONE 'UTC')::date`;

/** Locks an owner's quotas until the transaction ends. */
export async function lockQuotas(sql: Sql, owner: string): Promise<void> {
  await holdLock(sql, 'quota', owner);
}

/** Records a paid request of today. */
export async function insertReservation(
  sql: Sql,
  owner: string,
  reservation: Pick<QuotaReservationEntity, 'jobId' | 'afterAttempt' | 'trainings' | 'avatars'>,
): Promise<void> {
  const { jobId, afterAttempt, trainings, avatars } = reservation;
  await sql.rows(
    `INSERT INTO quota_reservations (id, owner, day, job_id, after_attempt, trainings, avatars)
     VALUES ($1, $2, ${today}, $3, $4, $5, $6)`,
    [newId(), owner, jobId, afterAttempt, trainings, avatars],
  );
}

/** What an owner has reserved today, and when the next day begins. */
export interface ReservedDay {
  trainings: number;
  avatars: number;
  resetsAt: Date;
}

/** SQL that selects the {@link ReservedDay} of an owner, whose SQL is given. */
function selectReservedToday(owner: string): string {
  return `SELECT coalesce(sum(trainings), 0)::int AS trainings, coalesce(sum(avatars), 0)::int AS avatars,
            (${today} + 1)::timestamp AT TIME ZONE 'UTC' AS "resetsAt"
       FROM quota_reservations WHERE owner = ${owner} AND day = ${today} AND returned_at IS NULL`;
}

/** Returns what an owner has reserved today. */
export async function reservedToday(sql: Sql, owner: string): Promise<ReservedDay> {
  const [day] = await sql.rows<ReservedDay>(selectReservedToday('$1'), [owner]);
  return day!;
}

/** SQL: the {@link ReservedDay} of an owner, whose SQL is given, as a JSON object. */
export function reservedTodayJson(owner: string): string {
  return `(SELECT row_to_json(today) FROM (${selectReservedToday(owner)}) AS today)`;
}

/**
 * Deletes reservations from before yesterday, which no quota counts.
 * @returns the number of deleted reservations, at most 5,000 per call
 */
export async function pruneReservations(sql: Sql): Promise<number> {
  const deleted = await sql.rows(
    `DELETE FROM quota_reservations WHERE id IN
       (SELECT id FROM quota_reservations WHERE day < ${today} - 1 LIMIT 5000)
     RETURNING id`,
  );
  return deleted.length;
}

/**
 * Replaces the reservations of deleted jobs by one total per day, because a reservation and its job id reveal what was
 * requested and when. A total has no job and contains its own id as job id.
 */
export async function eraseReservations(
  sql: Sql,
  { owner }: DataSubject,
  keepsCounts: boolean,
): Promise<number> {
  const [result] = await sql.rows<{ count: number }>(
    `WITH gone AS (
       DELETE FROM quota_reservations
        WHERE owner = $1 AND job_id <> id
          AND NOT EXISTS (SELECT FROM models WHERE models.id = job_id)
          AND NOT EXISTS (SELECT FROM generations WHERE generations.id = job_id)
       RETURNING *
     ), sums AS (
       INSERT INTO quota_reservations (id, owner, day, job_id, trainings, avatars)
       SELECT id, $1, day, id, trainings, avatars
         FROM (SELECT day, sum(trainings) AS trainings, sum(avatars) AS avatars, gen_random_uuid() AS id FROM gone
                WHERE returned_at IS NULL AND $2 GROUP BY day) AS days
     )
     SELECT count(*)::integer AS count FROM gone`,
    [owner, keepsCounts],
  );
  return result!.count;
}
