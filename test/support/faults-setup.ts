import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import startTestServer from './global-setup';

const project = resolve(__dirname, '../..');

/** Builds what the suite kills, and starts the PostgreSQL of the run. Nothing is built that has not changed. */
async function setUpFaults(): Promise<void> {
  await promisify(execFile)('npm', ['run', '--silent', 'build'], { cwd: project });
  await startTestServer();
}

// Jest wants the function itself as the module.
export = setUpFaults;
