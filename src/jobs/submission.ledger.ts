import { newId } from '../core/ids';
import { inBatches, type Person } from '../core/person';
import { camelRow, type Sql } from '../core/sql';
import type { UpstreamError } from '../upstream/provider';
import type { JobKind, JobRow } from './job';
import { detachAnswered } from './submission-retention';
import type { SubmissionOutcome } from './submission.entity';

/** An attempt as recorded in the ledger. */
export interface Attempt {
  outcome: SubmissionOutcome;
  calledAt: Date;
  /** Milliseconds since the call started, by the database's clock. */
  ageMs: number;
  /** The base of the photo URLs that the upstream was given; null if it was given none. */
  photoUrl: string | null;
}

const jobColumn = (kind: JobKind): string => `${kind.noun}_id`;

/** Records that a paid call is about to be made, in the transaction that moves its row to SUBMITTING. */
export async function openAttempt(
  sql: Sql,
  kind: JobKind,
  row: JobRow,
  { account, photoUrl }: { account: string; photoUrl: string | null },
): Promise<void> {
  const units = kind.unitsOf(row);
  await sql.rows(
    `INSERT INTO submissions (id, ${jobColumn(kind)}, attempt, provider, account, photo_url, trainings, avatars)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [newId(), row.id, row.attempt, row.provider, account, photoUrl, units.trainings, units.avatars],
  );
}

/**
 * Records that the upstream accepted the call.
 * @returns false if that was recorded before
 * @throws the database's unique violation if another submission already has this id
 */
export async function acceptAttempt(
  sql: Sql,
  kind: JobKind,
  entry: { id: string; attempt: number; ref: string; correlationId?: string; creditsAvailable?: number },
): Promise<boolean> {
  const [before] = await sql.rows<{ outcome: SubmissionOutcome }>(
    `UPDATE submissions s SET outcome = 'ACCEPTED', provider_ref = $3, correlation_id = $4, credits_available = $5,
            answered_at = coalesce(s.answered_at, now())
       FROM (SELECT id, outcome FROM submissions WHERE ${jobColumn(kind)} = $1 AND attempt = $2 FOR UPDATE) before
      WHERE s.id = before.id
     RETURNING before.outcome`,
    [entry.id, entry.attempt, entry.ref, entry.correlationId ?? null, entry.creditsAvailable ?? null],
  );
  await detachAnswered(sql, kind, entry);
  return before?.outcome !== 'ACCEPTED';
}

/** Records that a call ended without an id. */
export async function closeAttempt(
  sql: Sql,
  kind: JobKind,
  row: Pick<JobRow, 'id' | 'attempt'>,
  outcome: Exclude<SubmissionOutcome, 'CALLING' | 'ACCEPTED'>,
  error?: UpstreamError,
): Promise<void> {
  await sql.rows(
    `UPDATE submissions SET outcome = $3, http_status = $4, correlation_id = $5, evidence = $6, credits_available = $7,
            answered_at = now()
      WHERE ${jobColumn(kind)} = $1 AND attempt = $2 AND outcome IN ('CALLING', 'UNKNOWN')`,
    [row.id, row.attempt, outcome, ...(error ? factsOf(error) : [null, null, null, null])],
  );
  await detachAnswered(sql, kind, row);
}

/**
 * Records that a call was not executed, because the upstream has fetched no photo by its URLs.
 * @returns false if a photo was fetched, or the answer was 2xx even without a valid id
 */
export async function closeUnfetched(
  sql: Sql,
  kind: JobKind,
  row: Pick<JobRow, 'id' | 'attempt'>,
): Promise<boolean> {
  const closed = await sql.rows(
    `UPDATE submissions SET outcome = 'NOT_EXECUTED', answered_at = now()
      WHERE ${jobColumn(kind)} = $1 AND attempt = $2 AND photos_fetched_at IS NULL AND outcome IN ('CALLING', 'UNKNOWN')
        AND (http_status IS NULL OR http_status NOT BETWEEN 200 AND 299)
     RETURNING id`,
    [row.id, row.attempt],
  );
  return closed.length > 0;
}

function factsOf({ status, notice, evidence, message }: UpstreamError): (string | number | null)[] {
  return [status ?? null, notice.correlationId ?? null, evidence ?? message, notice.creditsAvailable ?? null];
}

/** Reads the row's latest attempt. */
export async function readAttempt(sql: Sql, kind: JobKind, row: JobRow): Promise<Attempt | null> {
  const [attempt] = await sql.rows<Record<string, unknown>>(
    `SELECT outcome, called_at, photo_url, (extract(epoch FROM now() - called_at) * 1000)::float8 AS age_ms
       FROM submissions WHERE ${jobColumn(kind)} = $1 AND attempt = $2`,
    [row.id, row.attempt],
  );
  return attempt ? camelRow<Attempt>(attempt) : null;
}

/**
 * Deletes stored answers without a certain outcome, which may quote the request and the addresses of photos. The
 * outcome and the HTTP status stay.
 * @returns the number of changed rows, at most 1,000 per call
 */
export async function forgetEvidence(sql: Sql, olderThanMs: number): Promise<number> {
  const forgotten = await sql.rows(
    `UPDATE submissions SET evidence = NULL WHERE id IN
       (SELECT id FROM submissions
         WHERE evidence IS NOT NULL AND called_at < now() - $1 * interval '1 ms' ORDER BY called_at LIMIT 1000)
     RETURNING id`,
    [olderThanMs],
  );
  return forgotten.length;
}

/** The paid calls for a person, by job UUID, without the upstream's answers. */
export function attemptsOf(sql: Sql, { owner, until }: Person): AsyncGenerator<object> {
  return inBatches<{ job: string; attempt: number }>((last, limit) =>
    sql.rows(
      `SELECT * FROM (
         SELECT s.model_id AS job, 'model' AS kind, s.attempt, s.outcome, s.called_at AS "calledAt",
                s.answered_at AS "answeredAt", s.photos_fetched_at AS "photosFetchedAt"
           FROM models j JOIN submissions s ON s.model_id = j.id WHERE j.owner = $1
         UNION ALL
         SELECT s.generation_id, 'generation', s.attempt, s.outcome, s.called_at, s.answered_at, s.photos_fetched_at
           FROM generations j JOIN submissions s ON s.generation_id = j.id WHERE j.owner = $1) AS calls
        WHERE "calledAt" <= $2 AND ($3::uuid IS NULL OR (job, attempt) > ($3, $4::integer))
        ORDER BY job, attempt LIMIT $5`,
      [owner, until, last?.job ?? null, last?.attempt ?? null, limit],
    ),
  );
}
