import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { templateDatabase, urlOfDatabase } from './test-server';

/** A database for one test file. */
export interface TestDatabase {
  /** The connection URL, with password. */
  url: string;
  /** Drops it and ends its sessions. May be called twice. */
  drop(): Promise<void>;
}

/**
 * Clones the migrated template, in some 100 ms: for the `beforeAll` of a test file in a suite with a database.
 * @throws Error if the suite has none
 */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await administer(`CREATE DATABASE ${name} TEMPLATE ${templateDatabase}`);
  return {
    url: urlOfDatabase(serverUrl(), name),
    drop: () => administer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

async function administer(statement: string): Promise<void> {
  const admin = new Client({ connectionString: serverUrl() });
  await admin.connect();
  try {
    await admin.query(statement);
  } finally {
    await admin.end();
  }
}

function serverUrl(): string {
  const url = process.env.LIKENESS_TEST_DATABASE;
  if (url === undefined) {
    throw new Error(
      'This suite has no database: give it the globalSetup of test/support in .config/jest.config.cjs.',
    );
  }
  return url;
}
