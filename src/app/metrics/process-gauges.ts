import { createRequire } from 'node:module';
import type { Registry } from 'prom-client';
import { gaugeOf, type GaugeValue } from './instruments';

/** Work that runs, and that waits for a slot. */
interface Load {
  readonly runningCount: number;
  readonly waitingCount: number;
}

/** Parts of the process whose state is read on each scrape. */
export interface ProcessSources {
  /** The connections to PostgreSQL: open ones by use, and statements that wait for one. */
  readonly pool: () => {
    readonly busy: number;
    readonly idle: number;
    readonly waiting: number;
    readonly max: number;
  };
  /** Whether costly reads are made on the replica; null without DATABASE_REPLICA_URL. */
  readonly replica: { readonly usesReplica: boolean } | null;
  /** Pictures that are decoded, and that wait for it. */
  readonly decoding: Load;
  /** Uploads of photos that have a slot, and that wait for one. */
  readonly uploads: Load;
  /** Open subscriptions and sent results, by transport. */
  readonly streams: {
    readonly openBy: Readonly<Record<string, number>>;
    readonly sentBy: Readonly<Record<string, number>>;
  };
  /** Connections of clients. */
  readonly connections: { readonly openCount: number };
  /** The connection to Redis; absent without REDIS_URL. */
  readonly redis: { readonly isUp: boolean; readonly lossCount: number };
  /** Requests that wait for a change of a job. */
  readonly waits: { readonly count: number };
  /** The journal of paid calls; absent in a process that makes none. */
  readonly journal: { readonly isWritable: boolean };
}

/** A field of package.json, which is outside of what TypeScript compiles. */
const { version } = createRequire(__filename)('../../../package.json') as { version: string };

/** Creates the gauges. Those without a source have no value. */
export function gaugesOfProcess(registry: Registry, sources: Partial<ProcessSources>): void {
  gaugeOf(
    registry,
    {
      name: 'likeness_build_info',
      help: '1, with the versions of this process.',
      read: () => [[{ version, node_version: process.version }, 1]],
    },
    ['version', 'node_version'],
  );
  gaugesOfPool(registry, sources);
  gaugesOfRedis(registry, sources);
  gaugesOfClients(registry, sources);
  const loadOf = (name: string, help: string, load: () => Load | undefined): void =>
    gaugeOf(registry, { name, help, read: () => valuesOfLoad(load()) }, ['state']);
  loadOf(
    'likeness_decodings',
    'Pictures that are being decoded (running), and that wait for it (waiting).',
    () => sources.decoding,
  );
  loadOf(
    'likeness_uploads',
    'Uploads of photos that have a slot (running), and that wait for one (waiting).',
    () => sources.uploads,
  );
}

function gaugesOfPool(registry: Registry, sources: Partial<ProcessSources>): void {
  gaugeOf(
    registry,
    {
      name: 'likeness_database_connections',
      help: 'Open connections of the pool by state: busy or idle.',
      read: () => {
        const pool = sources.pool?.();
        return pool
          ? [
              [{ state: 'busy' }, pool.busy],
              [{ state: 'idle' }, pool.idle],
            ]
          : [];
      },
    },
    ['state'],
  );
  const single = (name: string, help: string, value: () => number | undefined): void =>
    gaugeOf(registry, { name, help, read: () => oneOf(value()) });
  single('likeness_database_connections_max', 'DATABASE_POOL.', () => sources.pool?.().max);
  single(
    'likeness_database_waiting',
    'Statements that wait for a connection.',
    () => sources.pool?.().waiting,
  );
  single(
    'likeness_database_replica_used',
    '1 if costly reads are made on the replica; 0 if the primary answers, since the replica cannot be used or is late. No value without DATABASE_REPLICA_URL.',
    () => (sources.replica ? Number(sources.replica.usesReplica) : undefined),
  );
}

function gaugesOfRedis(registry: Registry, sources: Partial<ProcessSources>): void {
  gaugeOf(registry, {
    name: 'likeness_redis_up',
    help: '1 while this process uses Redis, 0 while it uses the database instead. No value without REDIS_URL.',
    read: () => oneOf(sources.redis && Number(sources.redis.isUp)),
  });
  gaugeOf(registry, {
    name: 'likeness_redis_losses_total',
    help: 'How often this process has lost Redis and has used the database instead.',
    type: 'counter',
    read: () => oneOf(sources.redis?.lossCount),
  });
}

function gaugesOfClients(registry: Registry, sources: Partial<ProcessSources>): void {
  gaugeOf(
    registry,
    {
      name: 'likeness_subscriptions',
      help: 'Open subscriptions by transport.',
      read: () => valuesOf(sources.streams?.openBy),
    },
    ['transport'],
  );
  gaugeOf(
    registry,
    {
      name: 'likeness_events_sent_total',
      help: 'Results sent to subscribers, by transport.',
      type: 'counter',
      read: () => valuesOf(sources.streams?.sentBy),
    },
    ['transport'],
  );
  gaugeOf(registry, {
    name: 'likeness_connections',
    help: 'Open connections of clients.',
    read: () => oneOf(sources.connections?.openCount),
  });
  gaugeOf(registry, {
    name: 'likeness_waits',
    help: 'Requests of this process that wait for a change of a model or generation.',
    read: () => oneOf(sources.waits?.count),
  });
  gaugeOf(registry, {
    name: 'likeness_journal_writable',
    help: '1 if the journal in DATA_DIR has space for ids of paid calls, 0 if no paid call is made since it has none. No value with ROLE=api.',
    read: () => oneOf(sources.journal && Number(sources.journal.isWritable)),
  });
}

function valuesOfLoad(load: Load | undefined): GaugeValue[] {
  if (!load) return [];
  return [
    [{ state: 'running' }, load.runningCount],
    [{ state: 'waiting' }, load.waitingCount],
  ];
}

function oneOf(value: number | undefined): GaugeValue[] {
  return value === undefined ? [] : [[{}, value]];
}

function valuesOf(byTransport: Readonly<Record<string, number>> = {}): GaugeValue[] {
  return Object.entries(byTransport).map(([transport, value]) => [{ transport }, value]);
}
