import { z } from 'zod';
import type { Sql } from '../core/sql';

/** An erasure that a backup does not have in its tables. */
export const lateErasure = z.object({ id: z.uuid(), owner: z.string(), erasedAt: z.string() });

/** One of {@link lateErasure}. */
export type LateErasure = z.output<typeof lateErasure>;

/** The erasures that have an owner: until about a minute after their completion. */
export function findOwnedErasures(sql: Sql): Promise<LateErasure[]> {
  return sql.rows<LateErasure>(
    `SELECT id, owner, erased_at::text AS "erasedAt" FROM erasures WHERE owner IS NOT NULL`,
  );
}

/**
 * The erasures since a snapshot that have lost their owner.
 * @param since - the time of the snapshot; some that were requested before may have been committed after it
 */
export async function findDisownedErasures(sql: Sql, since: Date): Promise<string[]> {
  const rows = await sql.rows<{ id: string }>(
    `SELECT id FROM erasures WHERE owner IS NULL AND erased_at > $1::timestamptz - interval '1 hour'`,
    [since],
  );
  return rows.map(({ id }) => id);
}

/**
 * Adds erasures that were requested after the snapshot of a backup, for workers to carry out. An owner whose erasure is running
 * in the backup has one erasure, of the later time.
 * @returns the number of erasures that workers will carry out, also of those that the backup has in its tables
 */
export async function resumeErasures(sql: Sql, erasures: readonly LateErasure[]): Promise<number> {
  for (const { id, owner, erasedAt } of erasures) {
    await sql.rows(
      `INSERT INTO erasures (id, owner, erased_at, due_at) VALUES ($1, $2, $3, now())
       ON CONFLICT (owner) WHERE completed_at IS NULL
       DO UPDATE SET erased_at = greatest(erasures.erased_at, excluded.erased_at)`,
      [id, owner, erasedAt],
    );
  }
  const resumed = await sql.rows(
    `UPDATE erasures SET due_at = now() WHERE completed_at IS NULL AND owner IS NOT NULL RETURNING 1`,
  );
  return resumed.length;
}
