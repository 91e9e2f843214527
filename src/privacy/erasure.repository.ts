import { ErasureEntity } from '../accounts/erasure.entity';
import { admissionMs } from '../accounts/write-admission.repository';
import type { DataSubject } from '../core/data-subject';
import { dueAt } from '../core/due';
import type { Sql } from '../core/sql';
import type { JobKind } from '../jobs/job.kind';
import { bytesColumns, type PhotoBytes } from '../photos/photo.entity';

/**
 * The lease of an erasure in milliseconds, renewed with each batch. If the process exits, a worker continues the erasure
 * after this time; until then its owner stays locked out. Why not `LeasedRows`: docs/adr/0004.
 */
const erasureLeaseMs = 5_000;

/** The statement timeout in milliseconds, as set in database/data-source.ts. */
const statementMs = 15_000;

/**
 * The delay between completion and the final check, in milliseconds. The final check removes the owner from the row.
 * Requests that were admitted before the erasure are refused because of this row until then, and because of their age
 * afterwards.
 */
const finalCheckMs = admissionMs + statementMs;

/** The approximate number of avatars in a batch of generations; one generation has 1,000 at most. */
const avatarsAtOnce = 1_000;

/** Numbers of erased rows by table. */
export interface ErasureCounts {
  photos: number;
  models: number;
  generations: number;
  avatars: number;
}

/** An erasure; `until` is its time in the precision of the database. */
export type Erasing = ErasureEntity & { owner: string; until: string };

/** Finds an erasure by its receipt. */
export async function findErasure(sql: Sql, receipt: string): Promise<ErasureEntity | null> {
  const [erasure] = await sql.entities(ErasureEntity, 'SELECT * FROM erasures WHERE id::text = $1', [
    receipt,
  ]);
  return erasure ?? null;
}

/** Records an erasure, leased to the caller; returns false if one of the same owner is running. */
export async function insertErasure(
  sql: Sql,
  { id, owner, beganAt }: { id: string; owner: string; beganAt: string },
): Promise<boolean> {
  const inserted = await sql.rows(
    `INSERT INTO erasures (id, owner, erased_at, due_at) VALUES ($1, $2, $3, now() + $4 * interval '1 ms')
     ON CONFLICT (owner) WHERE completed_at IS NULL DO NOTHING RETURNING id`,
    [id, owner, beganAt, erasureLeaseMs],
  );
  return inserted.length > 0;
}

/** The id of the owner's running erasure. */
export async function findRunning(sql: Sql, owner: string): Promise<string | null> {
  const [erasure] = await sql.rows<{ id: string }>(
    'SELECT id FROM erasures WHERE owner = $1 AND completed_at IS NULL',
    [owner],
  );
  return erasure?.id ?? null;
}

/** When the next erasure is to be continued. */
export const erasureDue = dueAt('(SELECT min(due_at) FROM erasures)');

/** Claims an erasure whose lease has expired, or whose final check is due. */
export async function claimErasure(sql: Sql): Promise<string | null> {
  const isDue = sql.engine.claims({
    table: 'erasures',
    where: 'due_at <= now()',
    orderBy: 'due_at',
    limit: 1,
  });
  const [due] = await sql.rows<{ id: string }>(
    `UPDATE erasures SET due_at = now() + $1 * interval '1 ms' WHERE ${isDue} RETURNING id`,
    [erasureLeaseMs],
  );
  return due?.id ?? null;
}

/** Locks an erasure; null after its final check. */
export async function lockErasure(sql: Sql, id: string): Promise<Erasing | null> {
  const [erasing] = await sql.entities<ErasureEntity, Pick<Erasing, 'owner' | 'until'>>(
    ErasureEntity,
    'SELECT *, erased_at::text AS until FROM erasures WHERE id = $1 AND owner IS NOT NULL FOR UPDATE',
    [id],
  );
  return erasing ?? null;
}

/** Adds the rows of a batch, and renews the lease. */
export async function countErased(sql: Sql, id: string, counts: Partial<ErasureCounts>): Promise<void> {
  const { photos = 0, models = 0, generations = 0, avatars = 0 } = counts;
  await sql.rows(
    `UPDATE erasures
        SET photos = photos + $2, models = models + $3, generations = generations + $4, avatars = avatars + $5,
            due_at = now() + $6 * interval '1 ms'
      WHERE id = $1`,
    [id, photos, models, generations, avatars, erasureLeaseMs],
  );
}

/** Called when no rows are left: marks the erasure as complete or, after the final check, removes its owner. */
export async function closeErasure(sql: Sql, { id, completedAt }: Erasing): Promise<void> {
  await sql.rows(
    completedAt === null
      ? `UPDATE erasures SET completed_at = now(), due_at = now() + $2 * interval '1 ms' WHERE id = $1`
      : `UPDATE erasures SET owner = NULL, due_at = NULL WHERE id = $1 AND completed_at < now() - $2 * interval '1 ms'`,
    [id, finalCheckMs],
  );
}

/**
 * Locks a person's jobs that are to be deleted.
 * @param isUnderWay - only jobs with unfinished work
 * @returns their UUIDs: at most `limit`, and generations with about 1,000 avatars in total
 */
export async function lockJobsOf(
  sql: Sql,
  { table }: JobKind,
  { owner, until }: DataSubject,
  { isUnderWay, limit }: { isUnderWay: boolean; limit: number },
): Promise<string[]> {
  const avatars = table === 'generations' ? 'wanted' : '0';
  const rows = await sql.rows<{ id: string }>(
    `SELECT id FROM ${table}
      WHERE id IN (SELECT id
                     FROM (SELECT id, sum(avatars) OVER (ORDER BY id) - avatars AS before
                             FROM (SELECT id, ${avatars} AS avatars FROM ${table}
                                    WHERE owner = $1 AND created_at <= $2 AND (due_at IS NOT NULL OR NOT $3)
                                    ORDER BY id LIMIT $4) AS first) AS counted
                    WHERE before < $5)
      ORDER BY id FOR UPDATE`,
    [owner, until, isUnderWay, limit, avatarsAtOnce],
  );
  return rows.map(({ id }) => id);
}

/** Deletes a person's photos, at most `limit`. */
export function deletePhotosOf(
  sql: Sql,
  { owner, until }: DataSubject,
  limit: number,
): Promise<PhotoBytes[]> {
  return sql.rows(
    `DELETE FROM photos
      WHERE id IN (SELECT id FROM photos WHERE owner = $1 AND created_at <= $2 ORDER BY id LIMIT $3 FOR UPDATE)
     RETURNING ${bytesColumns}`,
    [owner, until, limit],
  );
}
