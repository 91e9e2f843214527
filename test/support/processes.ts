import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { isTaken } from '../../src/embedded-postgres/process';
import { until } from './until';

/** Kills a child with SIGKILL and waits for its end. */
export async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

/**
 * Kills a PostgreSQL with SIGKILL to its first process (the others exit too) and returns
 * when it has exited. Starting it again in the same directory recovers it, at the same port.
 * @param pid - {@link EmbeddedPostgres.pid}
 */
export async function crashPostgres(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  await until(() => !isTaken(pid));
}
