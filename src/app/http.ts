import { RequestAdmission } from '../accounts/write-admission.repository';
import type { Config } from '../config';
import { pause } from '../core/clock';
import { OwnerTurns } from '../core/owner-turns';
import type { PreparedStatements, Transactions } from '../core/sql';
import { maxShortAtOnce } from '../database/prepared-statements';
import { buildAppSchema } from '../graphql/build-schema';
import type { Admit } from '../graphql/root-fields';
import { isQueried } from '../graphql/selection';
import { Connections, descriptorReserve, readDescriptorLimit } from '../http/connection-limits';
import { graphiqlPath } from '../http/graphiql/graphiql';
import { maxBatchSize } from '../http/graphql/graphql-request';
import { GraphQLHttpHandler, type GraphQLHttpHandlerOptions } from '../http/graphql/http-handler';
import { OpenStreams } from '../http/graphql/open-streams';
import { Operations } from '../http/graphql/operations';
import { OperationsInFlight } from '../http/graphql/operations-in-flight';
import { loadListedQueries, PersistedQueries } from '../http/graphql/persisted-queries';
import { RequestWaits } from '../http/graphql/request-waits';
import { SseHandler, type SseLimits } from '../http/graphql/sse-handler';
import { WebSocketHandler, type WebSocketLimits } from '../http/graphql/websocket-handler';
import { healthRoutes, type HealthCheck } from '../http/health';
import { Origins } from '../http/origins';
import { RefusedOrigins } from '../http/refused-origins';
import type { Route } from '../http/router';
import { HttpServer, type HttpServerOptions } from '../http/server';
import { Serving } from '../http/serving';
import { Sessions } from '../http/sessions';
import { builtStudioFolder, type BucketOrigins } from '../http/studio/studio';
import type { Auth } from './auth';
import { fileRoutes } from './file-routes';
import type { Metrics } from './metrics/metrics';
import { pageRoutes, type PageOptions } from './pages';
import { createPlannedReads } from './reads';
import type { Infrastructure, Services } from './services';

export interface HttpDeps extends Infrastructure {
  database: Transactions & PreparedStatements;
  metrics: Metrics;
  services: Services;
  access: Auth;
  checkStore: () => Promise<unknown>;
  journalChecks: readonly HealthCheck[];
}

/** The HTTP server with all transports. */
export interface HttpServers {
  start(): Promise<{ port: number; url: string }>;
  /**
   * Reports that the process is not ready, and continues to serve for `ms`, until load balancers have noticed it. Returns at
   * once unless it is started.
   */
  drain(ms: number): Promise<void>;
  /** Waits for running requests, at most `graceMs`, then closes all connections. */
  stop(graceMs: number): Promise<void>;
}

/** Creates the HTTP server with its routes and transports. */
export async function createHttpServers(deps: HttpDeps): Promise<HttpServers> {
  const { config, logger, services, access, metrics } = deps;
  const refusedOrigins = new RefusedOrigins(logger, metrics.refusedOrigin);
  const origins = new Origins({
    publicUrl: config.PUBLIC_URL,
    isLocalOnly: config.AUTH.includes('none'),
    allowed: config.CORS_ORIGINS,
    onRefused: (origin) => refusedOrigins.add(origin),
  });
  const sessions = new Sessions({
    isRevoked: (id) => access.revocations.has(id),
    maxPerOwner: maxPerOwner(config, config.MAX_SOCKETS_PER_OWNER),
  });
  access.revocations.add(sessions);
  const { authenticate, rates } = access;
  const isApi = config.ROLE !== 'worker';
  const showsGraphiql = config.GRAPHIQL && isApi;
  const studioFolder = config.STUDIO && isApi ? builtStudioFolder : null;
  const serving = new Serving();
  return assembleServers({
    answerSample: config.LOG_ANSWER_SAMPLE,
    ...{ origins, sessions, authenticate, rates, logger, isApi, showsGraphiql, studioFolder, serving },
    publicUrl: config.PUBLIC_URL,
    bucketOrigins: await bucketOriginsOf(deps),
    host: config.HOST,
    port: config.PORT,
    operations: makeOperations(deps),
    batching: config.BATCHING,
    routes: [
      ...healthRoutes({
        ...{ checks: checksOf(deps), serving, logger },
        // On the other port if there is one.
        metrics: config.METRICS_PORT === undefined ? metrics : null,
        metricsToken: config.METRICS_TOKEN,
      }),
      ...fileRoutes(services),
    ],
    connections: makeConnections(deps),
    onRefused: (path, reason) => services.jobPhotos.recordRefusedFetch(path, reason),
    asksForKey: !config.AUTH.includes('none'),
    onAnswered: metrics.answered,
    isHttps: config.PUBLIC_URL?.startsWith('https:') ?? false,
  });
}

async function bucketOriginsOf({ config, media }: HttpDeps): Promise<BucketOrigins> {
  const { S3_UPLOADS, S3_READS, S3_PUBLIC_URL } = config;
  const bucket = (await media.links?.origin()) ?? null;
  const cdn = S3_PUBLIC_URL === undefined ? null : new URL(S3_PUBLIC_URL).origin;
  return {
    uploads: S3_UPLOADS === 'direct' ? bucket : null,
    pictures: S3_READS === 'presigned' ? bucket : cdn,
  };
}

/** The limit of sockets, waits or operations. Without authentication all clients are one owner, so the default does not apply. */
function maxPerOwner({ AUTH }: Config, setting: number | undefined): number | null {
  return setting ?? (AUTH.includes('none') ? null : defaultMaxPerOwner);
}

const defaultMaxPerOwner = 100;

/** What {@link assembleServers} connects. */
export interface HttpParts
  extends
    Omit<HttpServerOptions, 'sockets'>,
    Omit<GraphQLHttpHandlerOptions, 'path' | 'explorerPath'>,
    PageOptions {
  /** Whether the GraphQL transports are served, and not only the other routes. */
  readonly isApi: boolean;
  readonly socketLimits?: Partial<WebSocketLimits>;
  readonly streamLimits?: Partial<SseLimits>;
}

/** Adds the GraphQL transports to the routes, and starts and stops all of them in order. */
export async function assembleServers(parts: HttpParts): Promise<HttpServers> {
  const sockets = new WebSocketHandler({ ...parts, path: '/graphql', limits: parts.socketLimits });
  const events = new SseHandler({ ...parts, path: '/graphql/stream', limits: parts.streamLimits });
  const explorerPath = parts.showsGraphiql ? graphiqlPath : undefined;
  const graphql = new GraphQLHttpHandler({ ...parts, path: '/graphql', explorerPath });
  const server = new HttpServer({
    ...parts,
    routes: [
      ...parts.routes,
      ...(parts.isApi
        ? [graphql.route, events.route].map((route) => refusedWhenStopping(parts.serving, route))
        : []),
      ...(await pageRoutes(parts)),
    ],
    sockets: parts.isApi ? sockets : null,
  });
  let isStarted = false;
  return {
    start: async () => {
      await graphql.start();
      isStarted = true;
      return server.start();
    },
    drain: async (ms) => {
      parts.serving.phase = 'draining';
      if (isStarted) await pause(ms);
    },
    stop: async (graceMs) => {
      parts.operations.stopWaiting();
      events.stop(graceMs);
      await Promise.all([sockets.stop(graceMs), server.stop(graceMs)]);
      await graphql.stop();
    },
  };
}

/** The route, refusing requests while the process stops. */
function refusedWhenStopping(serving: Serving, route: Route): Route {
  return {
    ...route,
    handle: async (exchange) => {
      serving.check();
      await route.handle(exchange);
    },
  };
}

/** With `AUTH=none` all callers are one owner, so that nothing is shared. */
function makeInFlight(config: Config): OperationsInFlight {
  const maximum = maxPerOwner(config, config.MAX_OPERATIONS_PER_OWNER);
  const maxWaits = maxPerOwner(config, config.MAX_WAITS_PER_OWNER) ?? config.MAX_WAITS;
  // All operations of a batch wait for the change that one of them asks for.
  const maxQueued = maxWaits * (config.BATCHING ? maxBatchSize : 1);
  if (config.AUTH.includes('none')) return new OperationsInFlight(maximum, maxQueued);
  const { DATABASE_POOL, OWNER_WEIGHTS } = config;
  const turns = {
    long: new OwnerTurns(DATABASE_POOL, OWNER_WEIGHTS),
    short: new OwnerTurns(DATABASE_POOL * maxShortAtOnce, OWNER_WEIGHTS),
  };
  return new OperationsInFlight(maximum, maxQueued, turns);
}

function makeOperations(deps: HttpDeps): Operations {
  const { config, database, logger, services, metrics } = deps;
  const path = config.PERSISTED_QUERIES;
  const admission = new RequestAdmission(database);
  const admit: Admit = async (context, info) => {
    const viewer = await admission.admit(context.viewer);
    if (isQueried(info, 'viewer', 'activityCursor'))
      context.activityCursor = await services.activity.cursor(viewer);
    return viewer;
  };
  const schema = buildAppSchema(services.resolvers, admit, deps.access.clientTokens);
  const streams = new OpenStreams();
  metrics.readProcess({ streams, uploads: services.uploads.transfers });
  return new Operations({
    schema,
    streams,
    onOperation: metrics.operation,
    waits: makeWaits(deps, admission),
    countUse: (viewer) => deps.access.clientTokens.countUse(viewer),
    inFlight: makeInFlight(config),
    reads: config.PLANNED_READS ? createPlannedReads(schema, database, services, deps) : undefined,
    introspection: config.INTROSPECTION,
    logger,
    answerSample: config.LOG_ANSWER_SAMPLE,
    onDeprecatedUse: (element) => metrics.deprecatedUse(element),
    persisted: new PersistedQueries({
      listed: path === undefined ? undefined : loadListedQueries(path),
      isOnly: config.PERSISTED_QUERIES_ONLY,
      maxBytes: config.PERSISTED_QUERIES_CACHE,
    }),
  });
}

function makeWaits(
  { config, services, access, metrics }: HttpDeps,
  admission: RequestAdmission,
): RequestWaits {
  const open = { count: 0 };
  metrics.readProcess({ waits: open });
  const waits = new RequestWaits({
    maxWaits: config.MAX_WAITS,
    maxPerOwner: maxPerOwner(config, config.MAX_WAITS_PER_OWNER),
    isRevoked: (id) => access.revocations.has(id),
    // The admission of the operation itself is that of the time after the wait.
    open: async (viewer, awaited) => {
      if (!(await access.clientTokens.includes(viewer, awaited))) return null;
      return services.waits.open(await admission.admit(viewer), awaited);
    },
    onCount: (count) => (open.count = count),
  });
  access.revocations.add(waits);
  return waits;
}

/** The default limit of connections per address. Like the default rate limit, it does not count loopback connections. */
const defaultMaxPerAddress = 200;

function makeConnections({ config, logger, access, services, metrics }: HttpDeps): Connections {
  const { MAX_CONNECTIONS: max, MAX_CONNECTIONS_PER_ADDRESS: perAddress } = config;
  const limit = readDescriptorLimit();
  const maxDescriptor = limit === null ? null : limit - descriptorReserve(limit, config.DATABASE_POOL);
  if (maxDescriptor !== null && maxDescriptor < max) {
    logger.warn(
      { openFiles: limit, connections: maxDescriptor },
      'the limit of open files (ulimit -n) allows fewer connections than MAX_CONNECTIONS',
    );
  }
  const connections = new Connections({
    onRefused: () => services.photoHeartbeat.interrupt(),
    limits: {
      max,
      maxPerAddress: perAddress ?? defaultMaxPerAddress,
      countsLoopback: perAddress !== undefined,
      maxDescriptor,
    },
    addresses: access.addresses,
    logger,
  });
  metrics.readProcess({ connections });
  return connections;
}

const checksOf = ({ database, checkStore, journalChecks }: HttpDeps): HealthCheck[] => [
  { name: 'database', check: () => database.rows('SELECT 1') },
  { name: 'media', check: checkStore },
  ...journalChecks,
];
