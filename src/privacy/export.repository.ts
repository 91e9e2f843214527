import { isBeingErased } from '../accounts/erasure.repository';
import type { Person } from '../core/person';
import type { Sql } from '../core/sql';

/** How long a download may continue after its URL has expired, in milliseconds. */
const maxServeMs = 86_400_000;

/** Records a download URL; returns when it expires. */
export async function insertExport(
  sql: Sql,
  { id, owner }: { id: string; owner: string },
  validMs: number,
): Promise<Date> {
  const [inserted] = await sql.rows<{ expiresAt: Date }>(
    `INSERT INTO exports (id, owner, expires_at) VALUES ($1, $2, now() + $3 * interval '1 ms') RETURNING expires_at AS "expiresAt"`,
    [id, owner, validMs],
  );
  return inserted!.expiresAt;
}

/** The number of valid download URLs of an owner, and the seconds until the first of them expires. */
export async function countOffers(sql: Sql, owner: string): Promise<{ count: number; seconds: number }> {
  const [offers] = await sql.rows<{ count: number; seconds: number }>(
    `SELECT count(*)::integer AS count, ceil(extract(epoch FROM min(expires_at) - now()))::integer AS seconds
       FROM exports WHERE owner = $1 AND expires_at > now()`,
    [owner],
  );
  return offers!;
}

/** The owner of a valid download URL, and the time up to which data are exported. */
export async function findPerson(sql: Sql, id: string): Promise<Person | null> {
  const [person] = await sql.rows<Person>(
    `SELECT owner, now()::text AS until FROM exports
      WHERE id::text = $1 AND expires_at > now() AND NOT ${isBeingErased('exports.owner')}`,
    [id],
  );
  return person ?? null;
}

/** Whether the owner's data are kept. Does not check the expiry of the URL, since a download may outlast it. */
export async function isExportKept(sql: Sql, id: string): Promise<boolean> {
  const rows = await sql.rows(
    `SELECT id FROM exports WHERE id = $1 AND NOT ${isBeingErased('exports.owner')}`,
    [id],
  );
  return rows.length > 0;
}

/** Deletes the owner's download URLs, which ends downloads. */
export async function deleteExports(sql: Sql, owner: string): Promise<void> {
  await sql.rows('DELETE FROM exports WHERE owner = $1', [owner]);
}

/**
 * Deletes download URLs that expired a day ago, when their downloads have ended.
 * @returns the number of deleted rows, at most 1,000 per call
 */
export async function pruneExports(sql: Sql): Promise<number> {
  const gone = await sql.rows(
    `DELETE FROM exports
      WHERE id IN (SELECT id FROM exports WHERE expires_at < now() - $1 * interval '1 ms' LIMIT 1000)
     RETURNING id`,
    [maxServeMs],
  );
  return gone.length;
}
