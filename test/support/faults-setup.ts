import { execFile } from 'node:child_process';
import { readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { isTaken } from '../../src/embedded-postgres/process';
import { folderPrefix } from './environment';
import startTestServer from './global-setup';
import { crashPostgres } from './processes';

const project = resolve(__dirname, '../..');

/** Builds the gateway, which `npm ci` has done in a CI, and starts the PostgreSQL of the run. The build is incremental. */
async function setUpFaults(): Promise<void> {
  await removeAbandoned();
  if (process.env.CI !== 'true')
    await promisify(execFile)('npm', ['run', '--silent', 'build'], { cwd: project });
  await startTestServer();
}

/** Killed runs leave their PostgreSQL servers running. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = new RegExp(`^${folderPrefix}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || isTaken(Number(pid))) continue;
    const folder = join(tmpdir(), name);
    const note = await readFile(join(folder, 'postgres/data/postmaster.pid'), 'utf8').catch(() => null);
    const server = note === null ? null : parseInt(note, 10);
    if (server !== null && isTaken(server)) await crashPostgres(server);
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

// Jest requires the function itself as the module.
export = setUpFaults;
