import type { Sql } from '../core/sql';

/** Counts the unfinished trainings and generations of an owner, except the given one. */
export async function countRunning(sql: Sql, owner: string, exceptId: string | null): Promise<number> {
  const [counted] = await sql.rows<{ running: number }>(
    `SELECT ((SELECT count(*) FROM models
               WHERE owner = $1 AND status IN ('QUEUED', 'SUBMITTING', 'UNCERTAIN', 'TRAINING') AND id IS DISTINCT FROM $2)
           + (SELECT count(*) FROM generations
               WHERE owner = $1 AND status IN ('QUEUED', 'SUBMITTING', 'UNCERTAIN', 'GENERATING', 'STORING') AND id IS DISTINCT FROM $2)
            )::int AS running`,
    [owner, exceptId],
  );
  return counted!.running;
}
