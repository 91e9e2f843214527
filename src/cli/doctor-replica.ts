import type { Config } from '../config';
import type { Sql } from '../core/sql';
import { createDataSource } from '../database/data-source';
import { Database } from '../database/database';
import { readServer, type ServerFacts } from './doctor-facts.repository';
import { finding, type Finding } from './doctor-finding';

/** A replica that has this much less of the log is late. Bytes. */
const maxBehindBytes = 16_000_000;

/** Checks the replica of DATABASE_REPLICA_URL, and whether a failover to a standby could lose commits. */
export async function checkReplicas(config: Config, database: Sql): Promise<Finding[]> {
  // Engines that are compatible with PostgreSQL may lack these functions.
  const primary = await readServer(database).catch(() => null);
  if (primary === null) return [];
  return [...standbys(primary), ...(await replica(config, primary))];
}

function standbys({ standbys: count, synchronousStandbys }: ServerFacts): Finding[] {
  if (count === 0) return [];
  if (synchronousStandbys !== '')
    return [finding('standbys', 'ok', `${count}, of which are synchronous: ${synchronousStandbys}`)];
  const cure =
    'Set synchronous_standby_names: otherwise a failover to a standby can lose ids of paid calls. Standbys that only serve reads may stay asynchronous.';
  return [finding('standbys', 'warn', `${count}, all asynchronous`, cure)];
}

async function replica({ DATABASE_REPLICA_URL: url }: Config, primary: ServerFacts): Promise<Finding[]> {
  if (url === undefined) return [];
  const source = createDataSource({ url, poolSize: 1, entities: [] });
  try {
    await source.initialize();
    return [compare(await readServer(new Database(source), primary.position), primary)];
  } catch (error) {
    const detail = error instanceof Error ? error.message : 'no response';
    return [finding('replica', 'warn', `cannot be reached: ${detail}`, `${primaryAnswers} Start it.`)];
  } finally {
    if (source.isInitialized) await source.destroy();
  }
}

const primaryAnswers = 'Costly reads use the primary meanwhile.';

function compare({ isReplica, system, behindBytes }: ServerFacts, primary: ServerFacts): Finding {
  const cure =
    'Set DATABASE_REPLICA_URL to a streaming replica of the server at DATABASE_URL, or leave it out.';
  if (!isReplica) return finding('replica', 'fail', 'the server is not a replica', cure);
  if (system !== primary.system) return finding('replica', 'fail', 'it is a replica of another server', cure);
  const detail = `${Math.max(0, behindBytes ?? 0)} bytes behind`;
  return (behindBytes ?? Infinity) > maxBehindBytes
    ? finding('replica', 'warn', detail, `${primaryAnswers} Look at the network and the load of the replica.`)
    : finding('replica', 'ok', detail);
}
