import { setTimeout as pause } from 'node:timers/promises';

/**
 * Kills a PostgreSQL with SIGKILL to its first process (the others exit too) and returns
 * when it has exited. Starting it again in the same directory recovers it, at the same port.
 * @param pid - {@link EmbeddedPostgres.pid}
 */
export async function crashPostgres(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  const lateness = AbortSignal.timeout(10_000);
  while (isThere(pid)) await pause(5, undefined, { signal: lateness });
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
