import type { Sql } from '../core/sql';
import { AvatarEntity } from './avatar.entity';
import type { GenerationEntity } from './generation.entity';

const expiring = { entity: AvatarEntity, table: 'avatars', order: 'expires_at' } as const;

/** Finished pictures to be fetched, in the order of their expiry: those that have not failed, and those that have. */
export const dueAvatars = {
  fresh: { ...expiring, rows: 'due_at IS NOT NULL AND failing_since IS NULL' },
  failing: { ...expiring, rows: 'due_at IS NOT NULL AND failing_since IS NOT NULL' },
} as const;

/** A picture of the upstream's answer. */
export type NewAvatar = Pick<AvatarEntity, 'id' | 'position' | 'style' | 'prompt'> & {
  ref: string | undefined;
  url: string | null;
};

/** Records the pictures of a finished generation. Pictures that are already recorded stay as they are. */
export async function insertAvatars(
  sql: Sql,
  generation: Pick<GenerationEntity, 'id' | 'owner' | 'modelId'>,
  results: readonly NewAvatar[],
  expiresAt: Date,
): Promise<void> {
  await sql.rows(
    `INSERT INTO avatars (id, owner, generation_id, model_id, position, style, prompt, result_ref, source_url, expires_at, due_at)
     SELECT a.id, $2, $3, $4, a.position, a.style, a.prompt, a.ref, a.url, $5, now()
       FROM jsonb_to_recordset($1) AS a(id uuid, position int, style text, prompt text, ref text, url text)
     ON CONFLICT (generation_id, position) DO NOTHING`,
    [JSON.stringify(results), generation.owner, generation.id, generation.modelId, expiresAt],
  );
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
    `SELECT g.provider, g.provider_ref AS "providerRef", m.provider_ref AS "modelRef",
            a.source_url IS NOT NULL AND date_trunc('milliseconds', a.source_url_at) > $2 AS "isNewer"
       FROM avatars a JOIN generations g ON g.id = a.generation_id LEFT JOIN models m ON m.id = g.model_id
      WHERE a.id = $1`,
    [id, sourceUrlAt],
  );
  return source ?? null;
}

/** A recorded picture, and the number of entries in the answer that recorded it. */
export type RecordedAvatar = Pick<AvatarEntity, 'id' | 'position' | 'resultRef' | 'sourceUrl'> & {
  count: number;
};

/** The recorded pictures of a generation; none if it has been submitted again since and has another reference. */
export function listRecordedAvatars(
  sql: Sql,
  generationId: string,
  providerRef: string,
): Promise<RecordedAvatar[]> {
  return sql.rows(
    `SELECT a.id, a.position, a.result_ref AS "resultRef", a.source_url AS "sourceUrl",
            coalesce(g.result_count, max(a.position) OVER () + 1)::int AS count
       FROM avatars a JOIN generations g ON g.id = a.generation_id WHERE g.id = $1 AND g.provider_ref = $2`,
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
