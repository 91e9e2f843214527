import { Client } from 'pg';
import { createDataSource } from './data-source';

/** Any number that nothing else locks by: 'likeness' on a telephone's keys. */
const lockKey = 54_537_377;

/**
 * Brings the database to the newest schema. Several processes may start at once: one migrates under an advisory lock
 * while the others wait, at most a minute.
 */
export async function migrate(url: string): Promise<void> {
  const holder = new Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    application_name: 'likeness migration',
  });
  await holder.connect();
  try {
    await holder.query("SET lock_timeout = '60s'");
    await holder.query('SELECT pg_advisory_lock($1)', [lockKey]);
    const source = await createDataSource({ url, poolSize: 1, entities: [] }).initialize();
    try {
      await source.runMigrations();
    } finally {
      await source.destroy();
    }
  } finally {
    await holder.end();
  }
}
