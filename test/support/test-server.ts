import { Client } from 'pg';
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

/** Runs one statement in a session of its own. */
export async function rowsAt<Row>(
  url: string,
  text: string,
  parameters: readonly unknown[] = [],
): Promise<Row[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 30_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(text, [...parameters])).rows as Row[];
  } finally {
    await client.end();
  }
}
