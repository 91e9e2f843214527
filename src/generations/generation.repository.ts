import type { Sql } from '../core/sql';
import type { GenerationEntity } from './generation.entity';

/** The durations of the last fifty generations of the same kind, in milliseconds. */
export async function generationDurations(
  sql: Sql,
  { provider, modelId }: Pick<GenerationEntity, 'provider' | 'modelId'>,
): Promise<number[]> {
  const rows = await sql.rows<{ ms: number }>(
    `SELECT (extract(epoch FROM completed_at - submitted_at) * 1000)::float8 AS ms FROM generations
      WHERE provider = $1 AND (model_id IS NULL) = $2 AND completed_at IS NOT NULL ORDER BY id DESC LIMIT 50`,
    [provider, modelId === null],
  );
  return rows.map(({ ms }) => ms);
}

/** The UUIDs of a model's generations. */
export async function idsOfModel(sql: Sql, modelId: string): Promise<string[]> {
  const rows = await sql.rows<{ id: string }>('SELECT id FROM generations WHERE model_id = $1', [modelId]);
  return rows.map(({ id }) => id);
}
