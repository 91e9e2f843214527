import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { migrate } from '../../src/database/migrate';
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres';
import { templateDatabase, testServer, urlOfDatabase } from './test-server';

const prefix = 'likeness-test-';

/**
 * Starts one PostgreSQL for all suites that need one and makes the template database that test files clone. Jest
 * calls this once a run, however many projects name it, and only if a test of one of them runs.
 */
async function startTestServer(): Promise<void> {
  if (testServer.current !== undefined) return;
  await removeAbandoned();
  const folder = await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`));
  const postgres = await startEmbeddedPostgres({
    dir: join(folder, 'postgres'),
    durable: false,
    maxConnections: 300,
  });
  testServer.current = { folder, postgres };
  await makeTemplate(postgres.url);
  process.env.LIKENESS_TEST_DATABASE = postgres.url;
}

async function makeTemplate(url: string): Promise<void> {
  const admin = new Client({ connectionString: url });
  await admin.connect();
  try {
    await admin.query(`CREATE DATABASE ${templateDatabase}`);
    await migrate(urlOfDatabase(url, templateDatabase));
    // A session in the template would make every clone fail.
    await admin.query(`ALTER DATABASE ${templateDatabase} IS_TEMPLATE true ALLOW_CONNECTIONS false`);
  } finally {
    await admin.end();
  }
}

/** Killed runs leave temporary files; their servers ended with them. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) {
      await rm(join(tmpdir(), name), { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

// Jest requires the function itself as the module.
export = startTestServer;
