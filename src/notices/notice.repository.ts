import type { DataSubject } from '../core/data-subject';
import { newId } from '../core/ids';
import type { ListTable } from '../core/list-statements';
import type { Sql } from '../core/sql';
import { deleteStreams, insertSingleEvent } from '../events/event-log.repository';
import type { OwnedKey } from '../events/present-rows';
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

/** Adds a notice with its event, in the transaction of what it is about. Wake its stream, which has its id, AFTER the commit. */
export async function insertNotice(
  sql: Sql,
  { owner, kind, message, subject }: NewNotice,
): Promise<NoticeEntity> {
  const [notice] = await sql.entities(
    NoticeEntity,
    'INSERT INTO notices (id, owner, kind, message, subject) VALUES ($1, $2, $3, $4, $5) RETURNING *',
    [newId(), owner, kind, message, subject],
  );
  await insertSingleEvent(sql, { id: notice!.id, owner, kind: 'NOTICE' });
  return notice!;
}

/**
 * Adds a notice with its event unless the owner has it already. Call it while a lock of the owner excludes other calls, and
 * wake a stream of the owner AFTER the commit.
 */
export async function insertNoticeOnce(
  sql: Sql,
  { owner, kind, message, subject }: NewNotice,
): Promise<void> {
  const [added] = await sql.rows<{ id: string }>(
    `INSERT INTO notices (id, owner, kind, message, subject)
     SELECT $1, $2::text, $3::text, $4::text, $5
      WHERE NOT EXISTS (SELECT FROM notices WHERE owner = $2 AND kind = $3 AND message = $4)
     RETURNING id`,
    [newId(), owner, kind, message, subject],
  );
  if (added) await insertSingleEvent(sql, { id: added.id, owner, kind: 'NOTICE' });
}

/** SQL that selects an owner's notice by its id, or several by `ANY`. */
export function selectNotice(id: string, owner: string): string {
  return `SELECT * FROM notices WHERE id = ${id} AND owner = ${owner}`;
}

/** The owner's notices with the given ids, in any order. */
export function findNotices(sql: Sql, owner: string, ids: readonly string[]): Promise<NoticeEntity[]> {
  return sql.entities(NoticeEntity, selectNotice('ANY($1)', '$2'), [ids, owner]);
}

/** The notices of the owners. */
export function findOwnedNotices(sql: Sql, keys: readonly OwnedKey[]): Promise<NoticeEntity[]> {
  return sql.entities(
    NoticeEntity,
    `SELECT notices.*
       FROM unnest($1::uuid[], $2::text[]) AS k (id, owner) JOIN notices ON notices.id = k.id AND notices.owner = k.owner`,
    [keys.map(({ id }) => id), keys.map(({ owner }) => owner)],
  );
}

/**
 * Deletes a batch of old notices. Their events are pruned with those of the same age, and skipped if these are kept longer.
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

/** Deletes the owner's notices about objects that are deleted in this transaction, given by their global ids. */
export async function deleteNoticesAbout(
  sql: Sql,
  owner: string,
  subjects: readonly string[],
): Promise<void> {
  const deleted = await sql.rows<{ id: string }>(
    'DELETE FROM notices WHERE owner = $1 AND subject = ANY($2) RETURNING id',
    [owner, subjects],
  );
  await deleteStreams(
    sql,
    deleted.map(({ id }) => id),
  );
}

/**
 * Deletes an owner's notices with their events. Run it until it returns 0, after what sends notices was deleted.
 * @returns the number of deleted notices, at most `limit`
 */
export async function deleteNoticesOf(
  sql: Sql,
  { owner, until }: DataSubject,
  limit: number,
): Promise<number> {
  const deleted = await sql.rows<{ id: string }>(
    `DELETE FROM notices WHERE id IN
       (SELECT id FROM notices WHERE owner = $1 AND created_at <= $2 ORDER BY id LIMIT $3) RETURNING id`,
    [owner, until, limit],
  );
  await deleteStreams(
    sql,
    deleted.map(({ id }) => id),
  );
  return deleted.length;
}
