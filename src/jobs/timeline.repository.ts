import type { DataSubject } from '../core/data-subject';
import { inBatches } from '../core/iterators';
import type { ListTable } from '../core/list-statements';
import { snakeName, type Sql } from '../core/sql';
import type { JobMove } from './job-move';
import type { JobKind } from './job.kind';
import { TimelineEntryEntity, type TimelineKind } from './timeline-entry.entity';
import type { TimelineEntryRow } from './timeline-text';

/** The maximum number of entries of a job. */
const maxEntries = 1_000;

/** A job with fewer attempts, and fewer polls of its latest one, has fewer than {@link maxEntries}. */
const fewAttempts = 10;
const fewPolls = 50;

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

/** A poll that was answered as the one before has no entry of its own. */
const isRepeated = (job: string): string => `r.kind = 'POLLED' AND r.polls > 0 AND EXISTS (
  SELECT FROM (SELECT * FROM timeline_entries e WHERE e.${job} = j.id ORDER BY e.id DESC LIMIT 1) AS latest
   WHERE latest.kind = 'POLLED' AND latest.outcome = r.outcome AND latest.http_status IS NOT DISTINCT FROM r.http_status)`;

/**
 * SQL that inserts entries. The database's clock orders them: all entries of a job are written while its row is locked.
 * @param jobs - SQL of the rows of jobs, with their entries in the column `entries`
 */
export function insertEntries({ noun }: Pick<JobKind, 'noun'>, jobs: string): string {
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
 WHERE NOT (${isRepeated(`${noun}_id`)})`;
}

/** Adds an entry to the timeline of a job, whose row this transaction has written or locked. */
export async function addEntry(
  sql: Sql,
  kind: Pick<JobKind, 'noun' | 'table'>,
  id: string,
  entry: Extract<TimelineKind, 'REQUESTED' | 'AVATAR_STORED'>,
): Promise<void> {
  await sql.rows(insertEntries(kind, `SELECT *, $2::jsonb AS entries FROM ${kind.table} WHERE id = $1`), [
    id,
    JSON.stringify([{ kind: entry }]),
  ]);
}

/** What is known of a job whose timeline may have more than {@link maxEntries}. */
interface GrownJob {
  readonly id: string;
  readonly attempt?: number;
  readonly polls?: number;
}

/** Deletes entries of jobs beyond {@link maxEntries}: the oldest polls, then the oldest others. */
export async function trimTimelines(
  sql: Sql,
  { noun }: Pick<JobKind, 'noun'>,
  jobs: readonly GrownJob[],
): Promise<void> {
  const long = jobs.filter(({ attempt = 0, polls = 0 }) => attempt > fewAttempts || polls > fewPolls);
  if (long.length === 0) return;
  await sql.rows(
    `DELETE FROM timeline_entries WHERE id IN (
       SELECT surplus.id FROM unnest($1::uuid[]) AS job(id) CROSS JOIN LATERAL (
         SELECT e.id FROM timeline_entries e WHERE e.${noun}_id = job.id
          ORDER BY (e.kind = 'POLLED'), e.id DESC OFFSET ${maxEntries}) AS surplus)`,
    [long.map(({ id }) => id)],
  );
}

/**
 * Deletes entries older than the given age.
 * @returns the number of deleted rows, at most 1,000 per call
 */
export async function pruneTimelines(sql: Sql, olderThanMs: number): Promise<number> {
  const bound = idAt('t.us', `'8000000000000000'`);
  const gone = await sql.rows(
    `DELETE FROM timeline_entries WHERE id IN (
       SELECT id FROM timeline_entries
        WHERE id < (SELECT ${bound} FROM (SELECT (extract(epoch FROM now() - $1 * interval '1 ms') * 1000000)::bigint AS us) AS t)
        ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED)
     RETURNING 1`,
    [olderThanMs],
  );
  return gone.length;
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
function pollsUntil(job: string, { table }: JobKind): string {
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
