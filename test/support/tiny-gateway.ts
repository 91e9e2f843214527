import { pino } from 'pino';
import { Registry } from 'prom-client';
import { assembleServers, type HttpParts } from '../../src/app/http';
import { DomainError } from '../../src/core/errors';
import { localViewer } from '../../src/core/viewer';
import { ClientAddresses } from '../../src/http/client-address';
import { Connections, type ConnectionLimits } from '../../src/http/connection-limits';
import { Operations } from '../../src/http/graphql/operations';
import type { SseLimits } from '../../src/http/graphql/sse-handler';
import type { Authenticate } from '../../src/http/graphql/transport';
import type { WebSocketLimits } from '../../src/http/graphql/websocket-handler';
import { healthRoutes, type HealthCheck } from '../../src/http/health';
import { Origins } from '../../src/http/origins';
import type { Route } from '../../src/http/router';
import { Serving } from '../../src/http/serving';
import { Sessions } from '../../src/http/sessions';
import { postOperation, type HttpResult } from './graphql-client';
import { tinySchema, type Witness } from './tiny-schema';

/** The HTTP server with a small test schema and no features. */
export interface TinyGateway {
  readonly url: string;
  readonly port: number;
  readonly sessions: Sessions;
  /** The ids of revoked credentials. */
  readonly revoked: Set<string>;
  readonly witness: Witness;
  /** Every line that was logged. */
  readonly log: Record<string, unknown>[];
  /** Sends a query over HTTP, as JSON by default. */
  post(query: string, variables?: unknown, headers?: Record<string, string>): Promise<HttpResult>;
  drain(ms: number): Promise<void>;
  stop(graceMs?: number): Promise<void>;
}

/** Options of the server. */
export interface TinyOptions {
  authenticate?: Authenticate;
  routes?: readonly Route[];
  checks?: readonly HealthCheck[];
  introspection?: boolean;
  graphiql?: boolean;
  /** The folder of a built studio. @defaultValue not served */
  studioFolder?: string | null;
  isLocalOnly?: boolean;
  publicUrl?: string;
  bucketOrigins?: HttpParts['bucketOrigins'];
  allowedOrigins?: readonly string[];
  operationMs?: number;
  sockets?: Partial<WebSocketLimits>;
  streams?: Partial<SseLimits>;
  connections?: Partial<ConnectionLimits>;
  /** @defaultValue no limit */
  maxSocketsPerOwner?: number;
}

/** Starts it on a free port of this machine. */
export async function startTinyGateway(options: TinyOptions = {}): Promise<TinyGateway> {
  const { schema, witness } = tinySchema();
  const log: Record<string, unknown>[] = [];
  const logger = pino(
    { level: 'trace' },
    { write: (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const { introspection = true, publicUrl, isLocalOnly = true, allowedOrigins: allowed } = options;
  const { authenticate = () => Promise.resolve(localViewer), checks = [], routes = [] } = options;
  const revoked = new Set<string>();
  const sessions = sessionsOf(options, revoked);
  const limits = { max: 10_000, maxPerAddress: 200, countsLoopback: false, maxDescriptor: null };
  const addresses = new ClientAddresses([]);
  const serving = new Serving();
  const servers = await assembleServers({
    ...{ host: '127.0.0.1', port: 0, isApi: true, ...pagesOf(options) },
    ...{ authenticate, sessions, logger, publicUrl, asksForKey: !isLocalOnly },
    bucketOrigins: options.bucketOrigins,
    operations: new Operations({ schema, introspection, logger, deadlineMs: options.operationMs }),
    origins: new Origins({ publicUrl, isLocalOnly, allowed }),
    serving,
    routes: [
      ...healthRoutes({ checks, metrics: new Registry(), serving, logger, timeoutMs: 100 }),
      ...routes,
    ],
    connections: new Connections({
      ...{ onRefused: () => undefined, addresses, logger },
      limits: { ...limits, ...options.connections },
    }),
    socketLimits: options.sockets,
    streamLimits: options.streams,
    isHttps: publicUrl?.startsWith('https:') === true,
  });
  const { port, url } = await servers.start();
  return {
    ...{ url, port, sessions, revoked, witness, log },
    post: (query, variables, headers) => postOperation(url, { query, variables }, headers),
    drain: (ms) => servers.drain(ms),
    stop: (graceMs = 2_000) => servers.stop(graceMs),
  };
}

function pagesOf({
  graphiql = false,
  studioFolder = null,
}: TinyOptions): Pick<HttpParts, 'showsGraphiql' | 'studioFolder'> {
  return { showsGraphiql: graphiql, studioFolder };
}

function sessionsOf({ maxSocketsPerOwner }: TinyOptions, revoked: ReadonlySet<string>): Sessions {
  return new Sessions({ maxPerOwner: maxSocketsPerOwner ?? null, isRevoked: (id) => revoked.has(id) });
}

/** Test authentication: `Bearer good-1` is accepted, others are not; over WebSocket `{ token }`. */
export const byWord: Authenticate = async ({ authorization, connectionParams }) => {
  const { token } = (connectionParams ?? {}) as { token?: string };
  const word = (authorization?.[0] ?? token ?? '').replace('Bearer ', '');
  if (word === 'outage') throw new Error('The key store at 10.1.2.3 is down.');
  if (!word.startsWith('good')) {
    throw new DomainError('UNAUTHENTICATED', 'Show a token.');
  }
  const expiresAtMs = word === 'good-short' ? Date.now() + 150 : undefined;
  return { ...localViewer, owner: word, keyId: word, expiresAtMs };
};
