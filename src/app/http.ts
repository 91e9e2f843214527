import { admitRequest } from '../accounts/erasure.repository';
import type { Config } from '../config';
import type { Logger } from '../core/logger';
import type { Database } from '../database/database';
import type { Wakeups } from '../events/wakeups';
import { buildAppSchema } from '../graphql/build-schema';
import { Connections, descriptorReserve, readDescriptorLimit } from '../http/connections';
import { graphiqlPath, loadGraphiql } from '../http/graphiql/graphiql';
import { GraphQLHttpHandler } from '../http/graphql/http-handler';
import { Operations } from '../http/graphql/operations';
import { loadListedQueries, PersistedQueries } from '../http/graphql/persisted-queries';
import { SseHandler } from '../http/graphql/sse-handler';
import { WebSocketHandler } from '../http/graphql/websocket-handler';
import { healthRoutes } from '../http/health';
import { Origins } from '../http/origins';
import { HttpServer } from '../http/server';
import { Sessions } from '../http/sessions';
import type { MediaStore } from '../storage/media-store';
import type { Auth } from './auth';
import type { Features } from './features';
import { mediaRoutes } from './media';
import type { Metrics } from './metrics';

export interface HttpDeps {
  config: Config;
  logger: Logger;
  database: Database;
  media: MediaStore;
  wakeups: Wakeups;
  metrics: Metrics;
  features: Features;
  access: Auth;
}

/** The HTTP server with all transports. */
export interface HttpServers {
  start(): Promise<{ url: string }>;
  /** Waits for running requests, at most `graceMs`, then closes all connections. */
  stop(graceMs: number): Promise<void>;
}

/** Creates the HTTP server with its routes and transports. */
export async function createHttpServers(deps: HttpDeps): Promise<HttpServers> {
  const { config, logger, features, access } = deps;
  const origins = new Origins({
    publicUrl: config.PUBLIC_URL,
    isLocalOnly: config.AUTH.includes('none'),
    allowed: config.CORS_ORIGINS,
  });
  const sessions = new Sessions();
  const isApi = config.ROLE !== 'worker';
  const showsGraphiql = config.GRAPHIQL && isApi;
  access.revocations.onRevoked((keyId) => sessions.endRevoked(keyId));
  const { authenticate, rates } = access;
  const shared = { operations: makeOperations(deps), authenticate, rates, origins, sessions, logger };
  const sockets = new WebSocketHandler({ ...shared, path: '/graphql' });
  const events = new SseHandler({ ...shared, path: '/graphql/stream' });
  const graphql = new GraphQLHttpHandler({
    ...shared,
    path: '/graphql',
    batching: config.BATCHING,
    explorerPath: showsGraphiql ? graphiqlPath : undefined,
  });
  const server = new HttpServer({
    host: config.HOST,
    port: config.PORT,
    routes: [
      ...healthRoutes({ checks: checksOf(deps), metrics: deps.metrics.registry, logger }),
      ...mediaRoutes(features),
      ...(isApi ? [graphql.route, events.route] : []),
      ...(showsGraphiql ? await loadGraphiql('/graphql') : []),
    ],
    sockets: isApi ? sockets : null,
    origins,
    connections: makeConnections(deps),
    onRefused: (path, reason) => features.jobPhotos.recordRefusedFetch(path, reason),
    isHttps: config.PUBLIC_URL?.startsWith('https:') ?? false,
    logger,
  });
  return {
    start: async () => {
      await graphql.start();
      return server.start();
    },
    stop: async (graceMs) => {
      events.stop();
      await Promise.all([sockets.stop(graceMs), server.stop(graceMs)]);
      await graphql.stop();
    },
  };
}

function makeOperations({ config, database, logger, features }: HttpDeps): Operations {
  const path = config.PERSISTED_QUERIES;
  return new Operations({
    schema: buildAppSchema(features.resolvers, ({ viewer }) => admitRequest(database, viewer)),
    introspection: config.INTROSPECTION,
    logger,
    persisted: new PersistedQueries({
      listed: path === undefined ? undefined : loadListedQueries(path),
      isOnly: config.PERSISTED_QUERIES_ONLY,
      maxBytes: config.PERSISTED_QUERIES_CACHE,
    }),
  });
}

/** The default limit of connections per address. Like the default rate limit, it does not count loopback connections. */
const defaultMaxPerAddress = 200;

function makeConnections({ config, logger, access, features }: HttpDeps): Connections {
  const { MAX_CONNECTIONS: max, MAX_CONNECTIONS_PER_ADDRESS: perAddress } = config;
  const limit = readDescriptorLimit();
  const maxDescriptor = limit === null ? null : limit - descriptorReserve(limit, config.DATABASE_POOL);
  if (maxDescriptor !== null && maxDescriptor < max) {
    logger.warn(
      { openFiles: limit, connections: maxDescriptor },
      'the limit of open files (ulimit -n) allows fewer connections than MAX_CONNECTIONS',
    );
  }
  return new Connections({
    onRefused: () => features.photoHeartbeat.interrupt(),
    limits: {
      max,
      maxPerAddress: perAddress ?? defaultMaxPerAddress,
      countsLoopback: perAddress !== undefined,
      maxDescriptor,
    },
    addresses: access.addresses,
    logger,
  });
}

function checksOf({ database, media }: HttpDeps): { name: string; check(): Promise<unknown> }[] {
  return [
    { name: 'database', check: () => database.rows('SELECT 1') },
    { name: 'media', check: () => media.check() },
  ];
}
