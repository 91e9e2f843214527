import { Client } from 'pg';
import type { DataSource } from 'typeorm';
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

/**
 * Looks whether the database has the newest schema, and changes nothing: for a gateway whose role may not.
 * @throws Error that says what to do, if a migration is missing
 */
export async function checkMigrated(url: string): Promise<void> {
  const source = await createDataSource({ url, poolSize: 1, entities: [] }).initialize();
  try {
    const done = await appliedIn(source);
    const missing = source.migrations.filter(({ name = '' }) => !done.has(name));
    if (missing.length === 0) return;
    throw new Error(
      `The database lacks ${missing.length} of ${source.migrations.length} migrations, and MIGRATE=false forbids to run them. ` +
        'Run `npm run likeness -- migrate` with the DATABASE_URL of the role that owns the tables.',
    );
  } finally {
    await source.destroy();
  }
}

/** `42P01`: there is no such table. */
const undefinedTable = '42P01';

async function appliedIn(source: DataSource): Promise<Set<string>> {
  try {
    const rows = await source.query<{ name: string }[]>('SELECT name FROM migrations');
    return new Set(rows.map(({ name }) => name));
  } catch (error) {
    if ((error as { code?: unknown }).code === undefinedTable) return new Set();
    throw error;
  }
}
