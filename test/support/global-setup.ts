import { mkdtemp, readdir, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../../src/database/migrate';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres';
import { isTaken } from '../../src/embedded-postgres/process';
import { Pooler } from './pooler';
import { rowsAt, templateDatabase, testServer, urlOfDatabase } from './test-server';

const prefix = 'likeness-test-';

/** A file system in memory, on Linux. */
const memoryFolder = '/dev/shm';
const minMemoryBytes = 4e9;

/**
 * Starts one PostgreSQL for all suites that need one and makes the template database that test files clone. Jest
 * calls this once a run, however many projects name it, and only if a test of one of them runs. With
 * `TEST_DATABASE=pgbouncer` gateways use it through pgbouncer in transaction mode; with `TEST_DATABASE=server` it is the
 * server of DATABASE_URL, which `.ci/with-postgres` starts.
 */
async function startTestServer(): Promise<void> {
  if (testServer.current !== undefined) return;
  await removeAbandoned();
  const folder = await mkdtemp(join(await parentFolder(), `${prefix}${process.pid}-`));
  const options = { dir: join(folder, 'postgres'), durable: false, maxConnections: 300 };
  const postgres =
    process.env.TEST_DATABASE === 'server' ? serverOf(process.env) : await startEmbeddedPostgres(options);
  testServer.current = { folder, postgres };
  await makeTemplate(postgres.url);
  process.env.LIKENESS_TEST_DATABASE = postgres.url;
  if (process.env.TEST_DATABASE !== 'pgbouncer') return;
  const pooler = await Pooler.start(postgres.url, 8);
  testServer.current.pooler = pooler;
  process.env.LIKENESS_TEST_POOLER = pooler.urlOf(postgres.url);
}

/** In memory if there is enough: a database has some 900 files, which cost most of the time of cloning it on a disk. */
async function parentFolder(): Promise<string> {
  const { bavail, bsize } = await statfs(memoryFolder).catch(() => ({ bavail: 0, bsize: 0 }));
  return Math.min(bavail * bsize, process.availableMemory()) > minMemoryBytes ? memoryFolder : tmpdir();
}

/** A server that others start and stop. */
function serverOf({ DATABASE_URL: url = '' }: NodeJS.ProcessEnv): EmbeddedPostgres {
  return { url, pid: 0, started: false, stop: () => Promise.resolve() };
}

async function makeTemplate(url: string): Promise<void> {
  await rowsAt(url, `CREATE DATABASE ${templateDatabase}`);
  await migrate(urlOfDatabase(url, templateDatabase));
  // A session in the template would make every clone fail.
  await rowsAt(url, `ALTER DATABASE ${templateDatabase} IS_TEMPLATE true ALLOW_CONNECTIONS false`);
}

/** Killed runs leave temporary files; their servers ended with them. */
async function removeAbandoned(): Promise<void> {
  for (const parent of [tmpdir(), memoryFolder])
    for (const name of await readdir(parent).catch(() => [])) {
      const pid = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
      if (pid !== undefined && !isTaken(Number(pid)))
        await rm(join(parent, name), { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
    }
}

// Jest requires the function itself as the module.
export = startTestServer;
