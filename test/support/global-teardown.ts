import { rm } from 'node:fs/promises';
import { testServer } from './test-server';

/** Stops the PostgreSQL of this run and removes its data. */
async function stopTestServer(): Promise<void> {
  const { current } = testServer;
  if (current === undefined) return;
  testServer.current = undefined;
  await current.pooler?.stop();
  await current.postgres.stop();
  await rm(current.folder, { recursive: true, force: true, maxRetries: 3 });
}

// Jest requires the function itself as the module.
export = stopTestServer;
