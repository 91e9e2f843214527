import { Client } from 'pg';
import type { Engine } from '../core/engine';
import type { Sql } from '../core/sql';

/**
 * Records the engine that processes use, if none is recorded.
 * @throws Error with advice if another one is recorded: the locks of different engines do not exclude each other
 */
export async function agreeOnEngine(sql: Sql): Promise<void> {
  await sql.rows('UPDATE installation SET engine = $1 WHERE engine IS NULL', [sql.engine.name]);
  const other = await findOtherEngine(sql);
  if (other !== null) throw new Error(`${other.problem} ${other.cure}`);
}

/** Whether another engine is recorded than that of this process. Changes nothing. */
export async function findOtherEngine(
  sql: Sql,
): Promise<{ agreed: string; problem: string; cure: string } | null> {
  const { name } = sql.engine;
  const [agreed] = await sql.rows<{ engine: string | null }>(
    'SELECT coalesce(engine, $1) AS engine FROM installation',
    [name],
  );
  if (agreed?.engine === name) return null;
  const other = agreed?.engine ?? 'unknown';
  return {
    agreed: other,
    problem: `The processes of this database use DATABASE_ENGINE=${other}, and this one ${name}.`,
    cure: `To change it, stop all of them, then run \`likeness migrate\` with DATABASE_ENGINE=${name}.`,
  };
}

/** Changes the engine that processes must use. */
export async function changeEngine(url: string, { name }: Engine): Promise<void> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    query_timeout: 20_000,
    application_name: 'likeness migration',
  });
  await client.connect();
  try {
    await client.query('UPDATE installation SET engine = $1 WHERE engine IS DISTINCT FROM $1', [name]);
  } finally {
    await client.end();
  }
}
