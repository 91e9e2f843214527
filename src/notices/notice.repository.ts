import type { DataSubject } from '../core/data-subject';
import { newId } from '../core/ids';
import type { ListTable } from '../core/list-statements';
import type { Sql } from '../core/sql';
import { NoticeEntity, type NoticeKind } from './notice.entity';

/** How long notices are kept, in milliseconds. */
const retentionMs = 90 * 86_400_000;
const noticesPerPrune = 5_000;

/** The lists of notices. */
export const noticeTable: ListTable<NoticeEntity, object> = {
  entity: NoticeEntity,
  table: 'notices',
  indexed: {},
  conditionsOf: () => [],
};

/** A notice to an owner. */
export interface NewNotice {
  readonly owner: string;
  readonly kind: NoticeKind;
  /** For people: what happened and what to do. Without secrets. */
  readonly message: string;
  /** The global id of the object that it is about. */
  readonly subject: string | null;
}

/** Adds a notice, in the transaction of what it is about. */
export async function insertNotice(
  sql: Sql,
  { owner, kind, message, subject }: NewNotice,
): Promise<NoticeEntity> {
  const [notice] = await sql.entities(
    NoticeEntity,
    'INSERT INTO notices (id, owner, kind, message, subject) VALUES ($1, $2, $3, $4, $5) RETURNING *',
    [newId(), owner, kind, message, subject],
  );
  return notice!;
}

/** Adds a notice unless the owner has it already. Call it while a lock of the owner excludes other calls. */
export async function insertNoticeOnce(
  sql: Sql,
  { owner, kind, message, subject }: NewNotice,
): Promise<void> {
  await sql.rows(
    `INSERT INTO notices (id, owner, kind, message, subject)
     SELECT $1, $2::text, $3::text, $4::text, $5
      WHERE NOT EXISTS (SELECT FROM notices WHERE owner = $2 AND kind = $3 AND message = $4)`,
    [newId(), owner, kind, message, subject],
  );
}

/** SQL that selects an owner's notice by its id, or several by `ANY`. */
export function selectNotice(id: string, owner: string): string {
  return `SELECT * FROM notices WHERE id = ${id} AND owner = ${owner}`;
}

/** The owner's notices with the given ids, in any order. */
export function findNotices(sql: Sql, owner: string, ids: readonly string[]): Promise<NoticeEntity[]> {
  return sql.entities(NoticeEntity, selectNotice('ANY($1)', '$2'), [ids, owner]);
}

/**
 * Deletes a batch of old notices.
 * @returns the number of deleted notices
 */
export async function pruneNotices(sql: Sql): Promise<number> {
  const pruned = await sql.rows(
    `DELETE FROM notices WHERE id IN
       (SELECT id FROM notices WHERE created_at < now() - $1 * interval '1 ms' ORDER BY created_at LIMIT $2) RETURNING 1`,
    [retentionMs, noticesPerPrune],
  );
  return pruned.length;
}

/**
 * Deletes an owner's notices. Run it until it returns 0, after what sends notices was deleted.
 * @returns the number of deleted notices, at most `limit`
 */
export async function deleteNoticesOf(
  sql: Sql,
  { owner, until }: DataSubject,
  limit: number,
): Promise<number> {
  const deleted = await sql.rows(
    `DELETE FROM notices WHERE id IN
       (SELECT id FROM notices WHERE owner = $1 AND created_at <= $2 ORDER BY id LIMIT $3) RETURNING 1`,
    [owner, until, limit],
  );
  return deleted.length;
}
