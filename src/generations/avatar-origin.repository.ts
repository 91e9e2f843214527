import type { Sql } from '../core/sql';
import type { AvatarOrigin } from './avatar-provenance';

const selectProvider = (generationId: string): string =>
  `(SELECT provider FROM generations WHERE generations.id = ${generationId})`;
const selectModelRef = (modelId: string): string =>
  `(SELECT provider_ref FROM models WHERE models.id = ${modelId})`;

interface Columns {
  /** SQL: a column of the avatar, by its name. */
  readonly column: (name: string) => string;
}

/** SQL of the origin of an avatar, for planned reads. */
export const originFacts = {
  provider: ({ column }: Columns): string => selectProvider(column('generation_id')),
  modelRef: ({ column }: Columns): string => selectModelRef(column('model_id')),
};

/** The origins of the owner's avatars, in the order of the ids; null for those that do not exist. */
export async function findOrigins(
  sql: Sql,
  owner: string,
  ids: readonly string[],
): Promise<(AvatarOrigin | null)[]> {
  const rows = await sql.rows<AvatarOrigin & { id: string }>(
    `SELECT id, ${selectProvider('avatars.generation_id')} AS provider, ${selectModelRef('avatars.model_id')} AS "modelRef"
       FROM avatars WHERE id = ANY($1) AND owner = $2`,
    [ids, owner],
  );
  const origins = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => origins.get(id) ?? null);
}
