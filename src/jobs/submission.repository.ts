import { newId } from '../core/ids';
import type { Sql } from '../core/sql';
import type { UpstreamError } from '../upstream/provider';
import { storedCredits } from '../upstream/stored-credits';
import type { JobKind, JobRow } from './job.kind';
import { settleReservations } from './quota-settlement.repository';
import type { SubmissionOutcome } from './submission.entity';

/** A paid call that ended without an id. */
export interface FailedCall {
  readonly error: UpstreamError;
  /** How long it took, in milliseconds; null if it is not known. */
  readonly durationMs: number | null;
}

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

/** The answer to an accepted call; `durationMs` is how long it took. */
interface AcceptedCall {
  id: string;
  attempt: number;
  ref: string;
  correlationId?: string;
  creditsAvailable?: number;
  httpStatus?: number;
  durationMs?: number;
}

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

/** What {@link acceptAttempt} has found: `REPEATED`: it was recorded before; `OTHER_ID`: with another id, which is kept. */
export type Acceptance = 'FIRST' | 'REPEATED' | 'OTHER_ID';

/**
 * Records that the upstream accepted the call, unless it has accepted the same attempt with another id.
 * @throws the database's unique violation if another submission already has this id
 */
export async function acceptAttempt(sql: Sql, kind: JobKind, entry: AcceptedCall): Promise<Acceptance> {
  const [before] = await sql.rows<{ outcome: SubmissionOutcome; hasId: boolean }>(
    `WITH before AS (
       SELECT id, outcome, provider_ref IS NOT DISTINCT FROM $3 AS has_id
         FROM submissions WHERE ${jobColumn(kind)} = $1 AND attempt = $2 FOR UPDATE
     ), accepted AS (
       UPDATE submissions s SET outcome = 'ACCEPTED', provider_ref = $3, correlation_id = $4, credits_available = $5,
              http_status = $6, duration_ms = $7, answered_at = coalesce(s.answered_at, now())
         FROM before WHERE s.id = before.id AND (before.outcome <> 'ACCEPTED' OR before.has_id)
     )
     SELECT outcome, has_id AS "hasId" FROM before`,
    [
      ...[entry.id, entry.attempt, entry.ref, entry.correlationId ?? null],
      ...[storedCredits(entry.creditsAvailable), entry.httpStatus ?? null, entry.durationMs ?? null],
    ],
  );
  await detachAnswered(sql, kind, entry);
  if (before?.outcome !== 'ACCEPTED') return 'FIRST';
  return before.hasId ? 'REPEATED' : 'OTHER_ID';
}

/** Records that a call ended without an id. */
export async function closeAttempt(
  sql: Sql,
  kind: JobKind,
  row: Pick<JobRow, 'id' | 'attempt'>,
  outcome: Exclude<SubmissionOutcome, 'CALLING' | 'ACCEPTED'>,
  call?: FailedCall,
): Promise<void> {
  await sql.rows(
    `UPDATE submissions SET outcome = $3, http_status = $4, correlation_id = $5, evidence = $6, credits_available = $7,
            duration_ms = $8, answered_at = now()
      WHERE ${jobColumn(kind)} = $1 AND attempt = $2 AND outcome IN ('CALLING', 'UNKNOWN')`,
    [row.id, row.attempt, outcome, ...(call ? factsOf(call) : [null, null, null, null, null])],
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

function factsOf({ error, durationMs }: FailedCall): (string | number | null)[] {
  const { status, notice, evidence, message } = error;
  return [
    ...[status ?? null, notice.correlationId ?? null, evidence ?? message],
    ...[storedCredits(notice.creditsAvailable), durationMs],
  ];
}

/** Reads the row's latest attempt. */
export async function readAttempt(sql: Sql, kind: JobKind, row: JobRow): Promise<Attempt | null> {
  const [attempt] = await sql.rows<Attempt>(
    `SELECT outcome, called_at AS "calledAt", photo_url AS "photoUrl",
            (extract(epoch FROM now() - called_at) * 1000)::float8 AS "ageMs"
       FROM submissions WHERE ${jobColumn(kind)} = $1 AND attempt = $2`,
    [row.id, row.attempt],
  );
  return attempt ?? null;
}

/** SQL: removes from a paid call what identifies the job or its owner; amounts, times and outcome remain. */
export const anonymous = `model_id = NULL, generation_id = NULL, provider_ref = NULL, correlation_id = NULL, evidence = NULL,
                   job_deleted_at = NULL`;

/** Settles the quota reservation of a call that has been answered, and detaches the call if its job was deleted. */
async function detachAnswered(
  sql: Sql,
  kind: JobKind,
  { id, attempt }: { id: string; attempt: number },
): Promise<void> {
  await settleReservations(sql, kind, [id], { attempt });
  await sql.rows(
    `UPDATE submissions SET ${anonymous} WHERE ${kind.noun}_id = $1 AND attempt = $2 AND job_deleted_at IS NOT NULL`,
    [id, attempt],
  );
}
