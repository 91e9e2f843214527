import type { Sql } from '../core/sql';
import { AvatarEntity, isFailing, isFresh, notDelivered } from './avatar.entity';
import type { GenerationEntity } from './generation.entity';

const expiring = { entity: AvatarEntity, table: 'avatars', order: ['expires_at'] } as const;

/** Finished pictures to be fetched, in the order of their expiry: those that have not failed, and those that have. */
export const dueAvatars = {
  fresh: { ...expiring, rows: isFresh },
  failing: { ...expiring, rows: isFailing },
} as const;

/** A picture of the upstream's answer. */
export type NewAvatar = Pick<AvatarEntity, 'id' | 'position' | 'style' | 'prompt'> & {
  /** The index in the answer; null if the answer lacks the picture. */
  index: number | null;
  ref: string | undefined;
  url: string | null;
};

/**
 * Records the pictures of a finished attempt. Pictures that are already recorded stay as they are, except that lost ones
 * are replaced.
 * @param answer - the number of entries of the upstream's answer, and when it deletes the pictures
 */
export async function insertAvatars(
  sql: Sql,
  generation: Pick<GenerationEntity, 'id' | 'owner' | 'modelId' | 'providerRef'>,
  avatars: readonly NewAvatar[],
  answer: { count: number; expiresAt: Date },
): Promise<void> {
  const { id, owner, modelId, providerRef } = generation;
  const delivered = avatars.filter(({ index }) => index !== null).map(({ position }) => position);
  await sql.rows(`DELETE FROM avatars WHERE generation_id = $1 AND status = 'LOST' AND position = ANY($2)`, [
    id,
    delivered,
  ]);
  await sql.rows(
    `INSERT INTO avatars (id, owner, generation_id, model_id, position, style, prompt, provider_ref, answer_index, answer_count,
                          result_ref, source_url, status, due_at, expires_at, failure_code)
     SELECT a.id, $2, $3, $4, a.position, a.style, a.prompt, $5, a.index, $6, a.ref, a.url,
            CASE WHEN a.index IS NULL THEN 'LOST' ELSE 'PENDING' END, CASE WHEN a.index IS NOT NULL THEN now() END,
            $7, CASE WHEN a.index IS NULL THEN '${notDelivered}' END
       FROM jsonb_to_recordset($1) AS a(id uuid, position int, style text, prompt text, index int, ref text, url text)
     ON CONFLICT (generation_id, position) DO NOTHING`,
    [JSON.stringify(avatars), owner, id, modelId, providerRef, answer.count, answer.expiresAt],
  );
}

/** The first position of a generation after its requested and its recorded pictures. */
export async function findFreePosition(
  sql: Sql,
  { id, wanted }: Pick<GenerationEntity, 'id' | 'wanted'>,
): Promise<number> {
  const [row] = await sql.rows<{ free: number }>(
    'SELECT greatest($2, coalesce(max(position) + 1, 0))::int AS free FROM avatars WHERE generation_id = $1',
    [id, wanted],
  );
  return row!.free;
}

/** The later of `ttlMs` after the given time (null: now) and `minMs` from now, by the database's clock. */
export async function expiryAfter(
  sql: Sql,
  since: Date | null,
  { ttlMs, minMs }: { ttlMs: number; minMs: number },
): Promise<Date> {
  const [row] = await sql.rows<{ expiresAt: Date }>(
    `SELECT greatest(coalesce($1::timestamptz, now()) + $2 * interval '1 ms', now() + $3 * interval '1 ms') AS "expiresAt"`,
    [since, ttlMs, minMs],
  );
  return row!.expiresAt;
}

/** What a request for the fresh URL of a picture needs. */
export interface AvatarSource {
  provider: string;
  providerRef: string | null;
  modelRef: string | null;
  /** Whether the picture has a URL that is newer than the given one. */
  isNewer: boolean;
}

/** Finds where a picture comes from; null if it has been deleted. */
export async function findSource(
  sql: Sql,
  { id, sourceUrlAt }: Pick<AvatarEntity, 'id' | 'sourceUrlAt'>,
): Promise<AvatarSource | null> {
  const [source] = await sql.rows<AvatarSource>(
    `SELECT g.provider, a.provider_ref AS "providerRef", m.provider_ref AS "modelRef",
            a.source_url IS NOT NULL AND date_trunc('milliseconds', a.source_url_at) > $2 AS "isNewer"
       FROM avatars a JOIN generations g ON g.id = a.generation_id LEFT JOIN models m ON m.id = g.model_id
      WHERE a.id = $1`,
    [id, sourceUrlAt],
  );
  return source ?? null;
}

/** A picture of an answer, its index there, and the number of entries of that answer. */
export type RecordedAvatar = Pick<AvatarEntity, 'id' | 'resultRef' | 'sourceUrl'> & {
  index: number;
  count: number;
};

/** The recorded pictures of the upstream's generation. */
export function listRecordedAvatars(
  sql: Sql,
  generationId: string,
  providerRef: string,
): Promise<RecordedAvatar[]> {
  return sql.rows(
    `SELECT id, answer_index AS index, answer_count AS count, result_ref AS "resultRef", source_url AS "sourceUrl"
       FROM avatars WHERE generation_id = $1 AND provider_ref = $2 AND answer_index IS NOT NULL`,
    [generationId, providerRef],
  );
}

/** Stores fresh URLs of unfinished pictures. */
export async function storeUrls(sql: Sql, fresh: readonly { id: string; url: string }[]): Promise<void> {
  await sql.rows(
    `UPDATE avatars a SET source_url = fresh.url, source_url_at = now()
       FROM jsonb_to_recordset($1) AS fresh(id uuid, url text) WHERE a.id = fresh.id AND a.due_at IS NOT NULL`,
    [JSON.stringify(fresh)],
  );
}
