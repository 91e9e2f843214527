import { Client } from 'pg';
import type { Engine } from '../core/engine';
import type { Sql } from '../core/sql';

/**
 * Records the engine that processes use, if none is recorded.
 * @throws Error with advice if another one is recorded: the locks of different engines do not exclude each other
 */
export async function agreeOnEngine(sql: Sql): Promise<void> {
  const { name } = sql.engine;
  await sql.rows('UPDATE installation SET engine = $1 WHERE engine IS NULL', [name]);
  const [agreed] = await sql.rows<{ engine: string }>('SELECT engine FROM installation');
  if (agreed?.engine === name) return;
  throw new Error(
    `The processes of this database use DATABASE_ENGINE=${agreed?.engine ?? 'unknown'}, and this one ${name}. ` +
      `To change it, stop all of them, then run \`likeness migrate\` with DATABASE_ENGINE=${name}.`,
  );
}

/** Changes the engine that processes must use. */
export async function changeEngine(url: string, { name }: Engine): Promise<void> {
  const client = new Client({ connectionString: url, application_name: 'likeness migration' });
  await client.connect();
  try {
    await client.query('UPDATE installation SET engine = $1 WHERE engine IS DISTINCT FROM $1', [name]);
  } finally {
    await client.end();
  }
}
