import { packWake } from '../../src/events/wake';
import type { Environment } from './environment';
import { until } from './until';

/** Advances the time of an erasure, up to its final check. */
export async function finalCheck(gateway: Pick<Environment, 'rows'>, receipt: string): Promise<void> {
  await gateway.rows(
    `UPDATE erasures SET completed_at = completed_at - interval '1 minute', due_at = now() WHERE id = $1`,
    [receipt],
  );
  await gateway.rows(`SELECT pg_notify('likeness', $1)`, packWake('test', { work: true }));
  const owned = 'SELECT 1 FROM erasures WHERE id = $1 AND owner IS NOT NULL';
  await until(async () => (await gateway.rows(owned, [receipt])).length === 0);
}
