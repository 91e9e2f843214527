import { newId } from '../../src/core/ids';
import type { Sql } from '../../src/core/sql';

/** Inserts a QUEUED model that is due in an hour. */
export async function insertModel(sql: Sql, photoIds: readonly string[]): Promise<string> {
  const id = newId();
  await sql.rows(
    `INSERT INTO models (id, owner, provider, name, type, photo_count, attempt, provider_ref, due_at)
     VALUES ($1, 'local', 'sandbox', 'me', 'WOMAN', $2, 1, $1::uuid::text, now() + interval '1 h')`,
    [id, photoIds.length],
  );
  await sql.rows(
    `INSERT INTO model_photos (model_id, photo_id, position)
     SELECT $1, photo, place - 1 FROM unnest($2::uuid[]) WITH ORDINALITY AS given (photo, place)`,
    [id, photoIds],
  );
  return id;
}

/** Inserts a generation from one photo in the given state. */
export async function insertInstantGeneration(sql: Sql, status: string, photoId: string): Promise<string> {
  const id = newId();
  await sql.rows(
    `INSERT INTO generations (id, owner, provider, prompts, wanted, photo_id, status, attempt, provider_ref, due_at)
     VALUES ($1, 'local', 'sandbox', '[]', 1, $3, $2, 1, $1::uuid::text, now() + interval '1 h')`,
    [id, status, photoId],
  );
  return id;
}

/** Inserts the ledger entry of a call, as before the call. */
export async function insertSubmission(
  sql: Sql,
  job: { modelId?: string; generationId?: string },
  attempt = 1,
): Promise<void> {
  await sql.rows(
    `INSERT INTO submissions (id, model_id, generation_id, attempt, provider, account)
     VALUES ($1, $2, $3, $4, 'sandbox', 'test')`,
    [newId(), job.modelId ?? null, job.generationId ?? null, attempt],
  );
}

/** Sets the state of a job. */
export async function setStatus(
  sql: Sql,
  table: 'models' | 'generations',
  id: string,
  status: string,
): Promise<void> {
  const ends = status === 'READY' ? ', ready_at = now(), due_at = NULL' : '';
  await sql.rows(`UPDATE ${table} SET status = $2${ends} WHERE id = $1`, [id, status]);
}
