import type { Sql } from '../core/sql';
import type { ModelEntity } from './model.entity';

/** The durations of the last fifty trainings of the same type, in milliseconds. */
export async function trainingDurations(
  sql: Sql,
  { provider, type }: Pick<ModelEntity, 'provider' | 'type'>,
): Promise<number[]> {
  const rows = await sql.rows<{ ms: number }>(
    `SELECT (extract(epoch FROM ready_at - submitted_at) * 1000)::float8 AS ms FROM models
      WHERE provider = $1 AND type = $2 AND ready_at IS NOT NULL ORDER BY ready_at DESC LIMIT 50`,
    [provider, type],
  );
  return rows.map(({ ms }) => ms);
}
