import type { EmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres';

/** The migrated, empty database that test files clone. */
export const templateDatabase = 'likeness_template';

/** The PostgreSQL of this run, known to Jest's setup and teardown, which share one process. */
export const testServer: { current?: { folder: string; postgres: EmbeddedPostgres } } = {};

/** The same server's URL, leading to another database. */
export function urlOfDatabase(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${database}`;
  return other.href;
}
