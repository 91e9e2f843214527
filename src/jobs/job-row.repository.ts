import { dueAt, type DueQuery } from '../core/due';
import { limitsIdleTime, textList, type Sql } from '../core/sql';
import {
  sequenceOf,
  statementTime,
  streamPosition,
  type Positioned,
  type StreamPosition,
} from '../events/event-log.repository';
import type { OwnedKey } from '../events/present-rows';
import { isWatchedIn, queueStates, unsettledStates } from './job.entity';
import { retryableStates, type JobKind, type JobRow } from './job.kind';

/** A row with the database's time of the read. */
export type ReadJob<Row extends JobRow = JobRow> = Row & { readAt: Date };

/** SQL: the columns of a job besides those of its row, as its owner sees it: {@link Positioned}. */
export function computedJobColumns({
  streamColumn,
}: Pick<JobKind, 'streamColumn'>): Record<keyof Positioned, string> {
  return { sequence: sequenceOf(streamColumn), now: statementTime };
}

/** SQL: all columns of a job as its owner sees it. */
function jobColumns({ table, streamColumn }: Pick<JobKind, 'table' | 'streamColumn'>): string {
  return `${table}.*, ${sequenceOf(streamColumn)} AS sequence, ${statementTime} AS now`;
}

/** SQL that selects an owner's job by its id, or several by `ANY`. */
export function selectJob(kind: Pick<JobKind, 'table' | 'streamColumn'>, id: string, owner: string): string {
  return `SELECT ${jobColumns(kind)} FROM ${kind.table} WHERE id = ${id} AND owner = ${owner}`;
}

/** SQL: a value that is read only of a job that may be retried, with the given SQL of its status; null of others. */
export function ifRetryable(status: string, value: string): string {
  return `CASE WHEN ${status} IN (${textList(retryableStates)}) THEN ${value} END`;
}

/** SQL: a value that is read only of a job that has ended, with the given SQL of its status; null of others. */
export function ifEnded({ unfinished }: Pick<JobKind, 'unfinished'>, status: string, value: string): string {
  return `CASE WHEN ${status} NOT IN (${textList(unfinished)}) THEN ${value} END`;
}

/** Returns a job; null if it does not exist. */
export async function findJob<Row extends JobRow>(
  sql: Sql,
  { entity, table }: JobKind<Row>,
  id: string,
): Promise<Row | null> {
  const [row] = await sql.entities(entity, `SELECT * FROM ${table} WHERE id = $1`, [id]);
  return row ?? null;
}

/** The owner's jobs with the given ids, in the order of the ids; null for those that do not exist. */
export async function findJobsOf<Row extends JobRow>(
  sql: Sql,
  kind: JobKind<Row>,
  owner: string,
  ids: readonly string[],
): Promise<((Row & Positioned) | null)[]> {
  const text = selectJob(kind, 'ANY($1)', '$2');
  const rows = await sql.entities<Row, Positioned>(kind.entity, text, [ids, owner]);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => byId.get(id) ?? null);
}

/** The owner's job, which exists. */
export async function readJob<Row extends JobRow>(
  sql: Sql,
  kind: JobKind<Row>,
  { owner, id }: OwnedKey,
): Promise<Row & Positioned> {
  const [row] = await findJobsOf(sql, kind, owner, [id]);
  return row!;
}

/** The jobs of several owners with the positions of their streams, in any order, read in one statement. */
export function findJobsInStreams<Row extends JobRow>(
  sql: Sql,
  { entity, table, streamColumn }: JobKind<Row>,
  keys: readonly OwnedKey[],
): Promise<(Row & StreamPosition)[]> {
  return sql.entities<Row, StreamPosition>(
    entity,
    `SELECT ${table}.*, ${streamPosition}
       FROM ${ownedKeys} JOIN ${table} ON ${table}.id = k.id AND ${table}.owner = k.owner
            JOIN streams s ON s.id = ${streamColumn}`,
    parametersOf(keys),
  );
}

/** The jobs of several owners, in any order. */
export function findOwnedJobs<Row extends JobRow>(
  sql: Sql,
  kind: JobKind<Row>,
  keys: readonly OwnedKey[],
): Promise<(Row & Positioned)[]> {
  const { entity, table } = kind;
  return sql.entities<Row, Positioned>(
    entity,
    `SELECT ${jobColumns(kind)}
       FROM ${ownedKeys} JOIN ${table} ON ${table}.id = k.id AND ${table}.owner = k.owner`,
    parametersOf(keys),
  );
}

/**
 * Unfinished jobs of each owner, up to the limit, the oldest first: the newest of those that are not QUEUED, then the newest
 * of the others, so that a long queue does not hide the jobs that run.
 */
export function findUnfinishedJobs<Row extends JobRow>(
  sql: Sql,
  kind: JobKind<Row>,
  owners: readonly string[],
  limit: number,
): Promise<(Row & Positioned)[]> {
  const started = kind.unfinished.filter((status) => status !== 'QUEUED');
  const newest = (place: number, statuses: readonly string[]): string =>
    `(SELECT ${place} AS place, id FROM ${kind.table}
       WHERE owner = k.owner AND status IN (${textList(statuses)}) ORDER BY id DESC LIMIT $2)`;
  return sql.entities<Row, Positioned>(
    kind.entity,
    `SELECT ${jobColumns(kind)}
       FROM unnest($1::text[]) AS k (owner)
      CROSS JOIN LATERAL (SELECT id FROM (${newest(0, started)} UNION ALL ${newest(1, ['QUEUED'])}) AS found
                           ORDER BY place, id DESC LIMIT $2) AS chosen
       JOIN ${kind.table} ON ${kind.table}.id = chosen.id
      ORDER BY ${kind.table}.id`,
    [owners, limit],
  );
}

const ownedKeys = 'unnest($1::uuid[], $2::text[]) AS k (id, owner)';

function parametersOf(keys: readonly OwnedKey[]): unknown[] {
  return [keys.map(({ id }) => id), keys.map(({ owner }) => owner)];
}

/**
 * Locks a job; the time of the read is that after it has waited for the lock. Lock order, here and everywhere: the job's
 * row, then its row in the ledger.
 */
export async function lockJob<Row extends JobRow>(
  sql: Sql,
  { entity, table }: JobKind<Row>,
  id: string,
  owner: string | null = null,
  where = 'true',
): Promise<ReadJob<Row> | null> {
  const [row] = await sql.entities<Row, { readAt: Date }>(
    entity,
    `SELECT row.*, clock_timestamp() AS "readAt"
       FROM (SELECT * FROM ${table} WHERE id = $1 AND ($2::text IS NULL OR owner = $2) FOR UPDATE) row WHERE ${where}`,
    [id, owner],
  );
  return row ?? null;
}

/**
 * How long a transaction that ends a job at its present progress may be idle, in milliseconds. After a longer suspension
 * of the process, other processes would have shown more: the progress that they show is that of 2 seconds ago.
 */
export const maxIdleMs = 1_500;

/** {@link lockJob} for a change that ends the job at its progress at the time of the read. */
export function lockAtProgress<Row extends JobRow>(
  sql: Sql,
  kind: JobKind<Row>,
  id: string,
  owner: string | null = null,
): Promise<ReadJob<Row> | null> {
  return lockJob(sql, kind, id, owner, limitsIdleTime(maxIdleMs));
}

/** Deletes jobs whose rows this transaction has locked. */
export async function deleteJobs(sql: Sql, { table }: JobKind, ids: readonly string[]): Promise<void> {
  await sql.rows(`DELETE FROM ${table} WHERE id = ANY($1)`, [ids]);
}

/** The greatest place in a queue that is counted. */
const maxQueuePosition = 1_000;

/**
 * The places of the owner's jobs in the queue of the owner's jobs of this kind, from 1 to {@link maxQueuePosition}; null for
 * those that are not QUEUED. A place reads only the index entries before it.
 */
export async function queuePositions(
  sql: Sql,
  { table }: JobKind,
  owner: string,
  ids: readonly string[],
): Promise<(number | null)[]> {
  // `ANY(ARRAY[…])` and the order make the planner use the index on the queue of an owner.
  const rows = await sql.rows<{ id: string; position: number }>(
    `SELECT job.id, 1 + (SELECT count(*)::int FROM (
              SELECT FROM ${table} earlier
               WHERE earlier.owner = ANY(ARRAY[$2]) AND earlier.status IN (${textList(queueStates)})
                 AND (earlier.queue_rank, earlier.queued_at, earlier.id) < (job.queue_rank, job.queued_at, job.id)
               ORDER BY earlier.owner, earlier.queue_rank, earlier.queued_at, earlier.id LIMIT ${maxQueuePosition - 1}) AS earlier) AS position
       FROM ${table} job WHERE job.id = ANY($1) AND job.owner = $2 AND job.status = 'QUEUED'`,
    [ids, owner],
  );
  const positions = new Map(rows.map(({ id, position }) => [id, position]));
  return ids.map((id) => positions.get(id) ?? null);
}

/** SQL: the number of an owner's unfinished jobs of the given kinds, except a job. Owner and UUID are SQL. */
export function unfinishedOf(kinds: readonly JobKind[], owner: string, exceptId: string): string {
  const counts = kinds.map(
    ({ table, unfinished }) =>
      `(SELECT count(*) FROM ${table}
         WHERE owner = ${owner} AND status IN (${textList(unfinished)}) AND id IS DISTINCT FROM ${exceptId})`,
  );
  return `(${counts.join(' + ')})::int`;
}

/** Returns a function that counts an owner's unfinished jobs of the given kinds, except the given job. */
export function countUnfinished(
  kinds: readonly JobKind[],
): (sql: Sql, owner: string, exceptId: string | null) => Promise<number> {
  return async (sql, owner, exceptId) => {
    const [counted] = await sql.rows<{ unfinished: number }>(
      `SELECT ${unfinishedOf(kinds, '$1', '$2')} AS unfinished`,
      [owner, exceptId],
    );
    return counted!.unfinished;
  };
}

/** More running jobs than this are not counted. */
const maxCounted = 100_000;

/** The number of a provider's running jobs of a kind. */
export async function countRunning(
  sql: Sql,
  { table, running }: Pick<JobKind, 'table' | 'running'>,
  provider: string,
): Promise<number> {
  const [counted] = await sql.rows<{ running: number }>(
    `SELECT count(*)::int AS running FROM (
       SELECT FROM ${table} WHERE due_at IS NOT NULL AND status = '${running}' AND provider = $1 LIMIT ${maxCounted}) running`,
    [provider],
  );
  return counted!.running;
}

/** Whose deadline counts as overdue: the configured provider, and the time that a poll in flight may take. */
export interface OverdueLimits {
  provider: string;
  marginMs: number;
}

const maxOverdue = 100;

/** The present time if a job may become overdue. */
export function overdueDue({ table }: JobKind): DueQuery {
  return dueAt(`(SELECT now() FROM ${table} WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1)`);
}

/**
 * Locks jobs whose deadline has passed, at most 100 per condition, without those that another process has locked where the
 * engine can leave them out. They end at their progress at the time of the read, which is after the wait for the last of them.
 */
export function lockOverdue<Row extends JobRow>(
  sql: Sql,
  kind: JobKind<Row>,
  { provider, marginMs }: OverdueLimits,
): Promise<ReadJob<Row>[]> {
  const { entity, table } = kind;
  const conditions = overdueConditions(kind);
  const ids = conditions.map(
    (where) => `(SELECT id FROM ${table} WHERE due_at IS NOT NULL AND ${where} LIMIT ${maxOverdue})`,
  );
  return sql.entities<Row, { readAt: Date }>(
    entity,
    `SELECT *, max(clock_timestamp()) OVER () AS "readAt"
       FROM (SELECT * FROM ${table}
              WHERE id = ANY(ARRAY(${ids.join(' UNION ALL ')})) AND due_at IS NOT NULL AND (${conditions.join(' OR ')})
                FOR UPDATE ${sql.engine.skipLocked}) overdue
      WHERE ${limitsIdleTime(maxIdleMs)}`,
    [provider, marginMs],
  );
}

/**
 * SQL conditions for overdue rows; $1 is the configured provider, $2 the margin. Rows of other providers are
 * included once they are due, since no other worker handles them.
 */
function overdueConditions({ running, moves }: Pick<JobKind, 'running' | 'moves'>): string[] {
  const margin = `$2 * interval '1 ms'`;
  const isForeign = `provider <> $1 AND due_at <= now() - ${margin}`;
  return [
    `status = 'QUEUED' AND deadline_at <= now()`,
    `status = 'QUEUED' AND start_by <= now()`,
    // Not while it is claimed: its poll may wait for a connection, and its answer be that the job is done.
    `status = '${running}' AND deadline_at <= now() - ${margin} AND (lease IS NULL OR due_at <= now())`,
    `status IN (${textList(unsettledStates)}) AND ${isForeign}`,
    `${isWatchedIn(Object.keys(moves))} AND ${isForeign}`,
  ];
}
