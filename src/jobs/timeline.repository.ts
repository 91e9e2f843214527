import type { DataSubject } from '../core/data-subject';
import { inBatches } from '../core/iterators';
import type { ListTable } from '../core/list-statements';
import { snakeName, type Sql } from '../core/sql';
import type { JobMove } from './job-move';
import type { JobKind } from './job.kind';
import { TimelineEntryEntity, type TimelineKind } from './timeline-entry.entity';
import type { CallNote } from './timeline-note';
import type { TimelineEntryRow } from './timeline-text';

/** The maximum number of entries of a job. */
const maxEntries = 1_000;

/** A job with fewer attempts, and fewer polls of its latest one, has fewer than {@link maxEntries}. */
const fewAttempts = 10;
const fewPolls = 50;
/** So has a job of which no picture was downloaded more often. */
const fewDownloads = 5;

/** The columns of an entry that its job does not have. */
interface EntryRecord {
  readonly kind: TimelineKind;
  readonly [column: string]: unknown;
}

/** The entries of a move, in order; null for none. The call comes after the change of the status that precedes it. */
export function entriesOf({ from, set, notes = [] }: JobMove): EntryRecord[] | null {
  const { status } = set;
  const records = notes.map((note): EntryRecord => {
    const columns = Object.entries(note).map(([name, value]) => [snakeName(name), value as unknown]);
    return { ...(Object.fromEntries(columns) as EntryRecord), ...(note.kind === 'ACTED_ON' && { status }) };
  });
  const isChange = status !== undefined && !from.includes(status);
  const change: EntryRecord[] = isChange ? [{ kind: 'STATUS_CHANGED', status }] : [];
  const isCall = ({ kind }: EntryRecord): boolean => kind === 'SUBMITTED';
  const entries = [
    ...records.filter((record) => !isCall(record)),
    ...change,
    ...records.filter((record) => isCall(record)),
  ];
  return entries.length > 0 ? entries : null;
}

/** SQL: the id of an entry at a time in microseconds since 1970; a UUID version 7 whose first random bits are microseconds. */
function idAt(microseconds: string, random: string): string {
  return `(lpad(to_hex(${microseconds} / 1000), 12, '0') || '7' || lpad(to_hex(${microseconds} % 1000), 3, '0')
           || ${random})::uuid`;
}

/** SQL: whether the latest of these entries is of the same kind and has the same answer. */
const isLatest = (entries: string): string => `EXISTS (
  SELECT FROM (SELECT * FROM timeline_entries e WHERE ${entries} ORDER BY e.id DESC LIMIT 1) AS latest
   WHERE latest.kind = r.kind AND latest.outcome = r.outcome AND latest.http_status IS NOT DISTINCT FROM r.http_status)`;

/** A poll that was answered as the one before has no entry of its own. */
const isRepeated = (job: string): string =>
  `r.kind = 'POLLED' AND r.polls > 0 AND ${isLatest(`e.${job} = j.id`)}`;

/**
 * A download that failed as the one before in its attempt has no entry of its own: several pictures may fail for days. Each lost
 * one has.
 */
const isRepeatedCall = (job: string): string =>
  `CASE r.kind WHEN 'POLLED' THEN ${isLatest(`e.${job} = j.id`)}
     WHEN 'DOWNLOAD_FAILED' THEN r.outcome <> 'LOST'
       AND ${isLatest(`e.${job} = j.id AND e.attempt = j.attempt AND e.kind = 'DOWNLOAD_FAILED'`)}
     ELSE false END`;

/**
 * SQL that inserts entries. The database's clock orders them: all entries of a job are written while its row is locked.
 * @param jobs - SQL of the rows of jobs, with their entries in the column `entries`
 * @param isOmitted - SQL: which entries are not written
 */
export function insertEntries({ noun }: Pick<JobKind, 'noun'>, jobs: string, isOmitted = isRepeated): string {
  return `
INSERT INTO timeline_entries (id, owner, ${noun}_id, attempt, kind, occurred_at, status, failure_code, polls, outcome,
                              http_status, duration_ms, correlation_id)
SELECT ${idAt('t.us', `right(replace(gen_random_uuid()::text, '-', ''), 16)`)}, j.owner, j.id, j.attempt, r.kind, t.at,
       r.status, CASE WHEN r.kind = 'STATUS_CHANGED' THEN j.failure_code END,
       CASE WHEN r.kind = 'STATUS_CHANGED' THEN j.polls ELSE r.polls END, r.outcome,
       r.http_status, r.duration_ms, r.correlation_id
  FROM (${jobs}) AS j CROSS JOIN LATERAL jsonb_array_elements(j.entries) WITH ORDINALITY AS e(entry, place)
       CROSS JOIN LATERAL jsonb_populate_record(NULL::timeline_entries, e.entry) AS r
       CROSS JOIN LATERAL (SELECT clock_timestamp() + e.place * interval '1 microsecond' AS at OFFSET 0) AS c
       CROSS JOIN LATERAL (SELECT c.at, (extract(epoch FROM c.at) * 1000000)::bigint AS us) AS t
 WHERE NOT (${isOmitted(`${noun}_id`)})`;
}

/** Adds an entry to the timeline of a job, whose row this transaction has written or locked. */
export async function addEntry(
  sql: Sql,
  kind: Pick<JobKind, 'noun' | 'table'>,
  id: string,
  entry: Extract<TimelineKind, 'REQUESTED'>,
): Promise<void> {
  await sql.rows(insertEntries(kind, `SELECT *, $2::jsonb AS entries FROM ${kind.table} WHERE id = $1`), [
    id,
    JSON.stringify([{ kind: entry }]),
  ]);
}

/** Adds a call that is not part of a move to the timeline of a job, whose row it locks. */
export async function addCall(
  sql: Sql,
  kind: Pick<JobKind, 'noun' | 'table'>,
  id: string,
  call: CallNote,
): Promise<void> {
  const { httpStatus, durationMs, correlationId } = call;
  const columns = { http_status: httpStatus, duration_ms: durationMs, correlation_id: correlationId };
  const job = `SELECT id, owner, attempt, failure_code, polls,
      jsonb_build_array($2::jsonb || jsonb_build_object('polls', CASE WHEN $2::jsonb ->> 'kind' = 'POLLED' THEN polls END)) AS entries
    FROM ${kind.table} WHERE id = $1 FOR UPDATE`;
  const entry = { kind: call.kind, outcome: 'outcome' in call ? call.outcome : null, ...columns };
  await sql.rows(insertEntries(kind, job, isRepeatedCall), [id, JSON.stringify(entry)]);
}

/** What is known of a job whose timeline may have more than {@link maxEntries}. */
interface GrownJob {
  readonly id: string;
  readonly attempt?: number;
  readonly polls?: number;
  /** How often the download of one of its pictures has failed. */
  readonly downloads?: number;
}

/** Deletes entries of jobs beyond {@link maxEntries}: the oldest polls and failed downloads, then the oldest others. */
export async function trimTimelines(
  sql: Sql,
  { noun }: Pick<JobKind, 'noun'>,
  jobs: readonly GrownJob[],
): Promise<void> {
  const long = jobs.filter(
    ({ attempt = 0, polls = 0, downloads = 0 }) =>
      attempt > fewAttempts || polls > fewPolls || downloads > fewDownloads,
  );
  if (long.length === 0) return;
  await sql.rows(
    `DELETE FROM timeline_entries WHERE id IN (
       SELECT surplus.id FROM unnest($1::uuid[]) AS job(id) CROSS JOIN LATERAL (
         SELECT e.id FROM timeline_entries e WHERE e.${noun}_id = job.id
          ORDER BY (e.kind IN ('POLLED', 'DOWNLOAD_FAILED')), e.id DESC OFFSET ${maxEntries}) AS surplus)`,
    [long.map(({ id }) => id)],
  );
}

/**
 * Deletes entries older than the given age.
 * @returns the number of deleted rows, at most 1,000 per call
 */
export async function pruneTimelines(sql: Sql, olderThanMs: number): Promise<number> {
  const bound = idAt('t.us', `'8000000000000000'`);
  const old = sql.engine.claims({
    table: 'timeline_entries',
    where: `id < (SELECT ${bound} FROM (SELECT (extract(epoch FROM now() - $1 * interval '1 ms') * 1000000)::bigint AS us) AS t)`,
    orderBy: 'id',
    limit: 1_000,
  });
  const gone = await sql.rows(`DELETE FROM timeline_entries WHERE ${old} RETURNING 1`, [olderThanMs]);
  return gone.length;
}

/** The latest entries of a job, oldest first, as operators see them. */
export async function timelineOf(
  sql: Sql,
  { noun, table }: Pick<JobKind, 'noun' | 'table'>,
  id: string,
): Promise<TimelineEntryRow[]> {
  const job = `${noun}_id`;
  const entries = await sql.entities<TimelineEntryEntity, Pick<TimelineEntryRow, 'submission' | 'until'>>(
    TimelineEntryEntity,
    `SELECT *, CASE WHEN kind = 'SUBMITTED' THEN ${submissionOf(job)} END AS submission,
            CASE WHEN kind = 'POLLED' THEN coalesce(${pollsUntil(job, { table })}) END AS until
       FROM timeline_entries WHERE ${job} = $1 ORDER BY id DESC LIMIT ${maxEntries}`,
    [id],
  );
  return entries.reverse();
}

/** The timelines of jobs: lists that belong to a job. */
export function timelineTable(kinds: readonly JobKind[]): ListTable<TimelineEntryRow, null> {
  const of = (text: (job: string, kind: JobKind) => string): string =>
    kinds.map((kind) => text(`${kind.noun}_id`, kind)).join(', ');
  return {
    entity: TimelineEntryEntity,
    table: 'timeline_entries',
    computed: {
      submission: `CASE WHEN kind = 'SUBMITTED' THEN coalesce(${of(submissionOf)}) END`,
      until: `CASE WHEN kind = 'POLLED' THEN coalesce(${of(pollsUntil)}) END`,
    },
    indexed: {},
    conditionsOf: () => [],
  };
}

/** SQL: the paid call of an entry's attempt. */
function submissionOf(job: string): string {
  return `(SELECT json_build_object('outcome', s.outcome, 'httpStatus', s.http_status, 'correlationId', s.correlation_id,
             'durationMs', coalesce(s.duration_ms, (extract(epoch FROM s.answered_at - s.called_at) * 1000)::bigint))
             FROM submissions s WHERE s.${job} = timeline_entries.${job} AND s.attempt = timeline_entries.attempt)`;
}

/** SQL: the polls before the next entry that counts them, or those so far. A retry resets the number: then it is 0. */
function pollsUntil(job: string, { table }: Pick<JobKind, 'table'>): string {
  return `(SELECT next.polls FROM timeline_entries next
            WHERE next.${job} = timeline_entries.${job} AND next.id > timeline_entries.id AND next.polls IS NOT NULL ORDER BY next.id LIMIT 1),
          (SELECT j.polls FROM ${table} j WHERE j.id = timeline_entries.${job})`;
}

/**
 * The timelines of a person's jobs: models, then generations, by the job's UUID and in order, without the upstream's ids. Each
 * batch continues both indexes at the end of the previous one.
 */
export async function* timelinesOf(
  sql: Sql,
  kinds: readonly JobKind[],
  { owner, until }: DataSubject,
): AsyncGenerator<object> {
  for (const { table, noun } of kinds) {
    yield* inBatches<{ job: string; id: string }>((last, limit) =>
      sql.rows(
        `SELECT e.${noun}_id AS job, '${noun}' AS "jobKind", e.id, e.kind, e.occurred_at AS "occurredAt", e.attempt, e.status,
                e.failure_code AS "failureCode", e.outcome, e.http_status AS "httpStatus", e.duration_ms AS "durationMs"
           FROM ${table} j JOIN timeline_entries e ON e.${noun}_id = j.id
          WHERE j.owner = $1 AND e.occurred_at <= $2
            AND ($3::uuid IS NULL OR (j.id >= $3 AND (e.${noun}_id, e.id) > ($3, $4::uuid)))
          ORDER BY e.${noun}_id, e.id LIMIT $5`,
        [owner, until, last?.job ?? null, last?.id ?? null, limit],
      ),
    );
  }
}
