import type { Sql } from '../core/sql';

/** What the database knows of its store of pictures. */
export interface StoreRecord {
  /** What the marker of the store must contain; null if no process has started yet. */
  readonly id: string | null;
  /** Whether a store has it. */
  readonly isMarked: boolean;
}

const columns = 'store_id AS id, store_marked_at IS NOT NULL AS "isMarked"';

/** Reads the record. */
export async function readStoreRecord(sql: Sql): Promise<StoreRecord> {
  const [record] = await sql.rows<StoreRecord>(`SELECT ${columns} FROM installation`);
  return record!;
}

/** Gives the record an id if it has none. */
export async function createStoreId(sql: Sql): Promise<void> {
  await sql.rows('UPDATE installation SET store_id = gen_random_uuid() WHERE store_id IS NULL');
}

/** Reads the record, and locks it until the end of the transaction. */
export async function lockStoreRecord(sql: Sql): Promise<StoreRecord> {
  const [record] = await sql.rows<StoreRecord>(`SELECT ${columns} FROM installation FOR UPDATE`);
  return record!;
}

/** Records the id of the store that has it in its marker. */
export async function recordStore(sql: Sql, id: string): Promise<void> {
  await sql.rows('UPDATE installation SET store_id = $1, store_marked_at = now()', [id]);
}

/** The keys of the newest pictures and photos that must be in the store: at most four of each. */
export async function findNewestKeys(sql: Sql): Promise<string[]> {
  // Names as in generations/avatar.entity.ts and photos/photo.entity.ts.
  const rows = await sql.rows<{ key: string }>(
    `(SELECT 'avatars/' || id || coalesce('.' || media_token, '') || '.picture' AS key FROM avatars
       WHERE status = 'STORED' AND damaged_at IS NULL ORDER BY id DESC LIMIT 4)
     UNION ALL
     (SELECT 'photos/' || id || coalesce('.' || nullif(media_token, ''), '') || '.jpg' FROM photos WHERE status = 'READY' ORDER BY id DESC LIMIT 4)`,
  );
  return rows.map(({ key }) => key);
}
