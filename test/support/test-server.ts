import { Pool } from 'pg';
import type { EmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres';
import type { Pooler } from './pooler';

/** The migrated, empty database that test files clone. */
export const templateDatabase = 'likeness_template';

/** The PostgreSQL of this run, shared by Jest's setup and teardown, which run in one process. */
export const testServer: { current?: { folder: string; postgres: EmbeddedPostgres; pooler?: Pooler } } = {};

/** The URL of another database on the same server. */
export function urlOfDatabase(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${database}`;
  return other.href;
}

/** Sessions by URL. A session for each statement would cost the server more than most statements. */
const pools = new Map<string, Pool>();

/** Runs one statement in a session that other statements use too, and that ends when it was not used for 10 seconds. */
export async function rowsAt<Row>(
  url: string,
  text: string,
  parameters: readonly unknown[] = [],
): Promise<Row[]> {
  const pool = pools.get(url) ?? newPool(url);
  return (await pool.query(text, [...parameters])).rows as Row[];
}

function newPool(url: string): Pool {
  const pool = new Pool({
    connectionString: url,
    max: 20,
    connectionTimeoutMillis: 30_000,
    idleTimeoutMillis: 10_000,
    allowExitOnIdle: true,
  });
  // Tests stop servers and drop databases under idle sessions.
  pool.on('error', () => undefined);
  pools.set(url, pool);
  return pool;
}
