import { get, type ServerResponse } from 'node:http';
import { hashSecret, verifySecret } from '../auth/secrets';
import { withinMs } from '../core/clock';
import { DomainError } from '../core/errors';
import { loggableError, type Logger } from '../core/logger';
import { isLoopback } from '../core/networks';
import { sendJson, sendText } from './responses';
import type { Exchange, Route } from './router';
import type { Serving } from './serving';

/** A dependency that must work for the process to be ready. */
export interface HealthCheck {
  /** The name in the public response, such as `database` or `media`. */
  readonly name: string;
  /** Rejects, or does not resolve in time, if the dependency does not work. */
  check(): Promise<unknown>;
}

/** The metrics registry of prom-client. */
export interface Metrics {
  readonly contentType: string;
  metrics(): Promise<string>;
}

export interface HealthOptions {
  readonly checks: readonly HealthCheck[];
  /** Null: `/metrics` is not served. */
  readonly metrics: Metrics | null;
  readonly serving: Serving;
  /** What a request for the metrics must carry as a bearer token, from any address; without it only this machine may. */
  readonly metricsToken?: string | undefined;
  readonly logger: Logger;
  /**
   * Time limit of a check.
   * @defaultValue 2_000 milliseconds
   */
  readonly timeoutMs?: number;
}

/**
 * Routes for monitoring:
 * - `/healthz`: 200 while the process is running
 * - `/readyz`: 200 if every check passes, otherwise 503, with the result of each check; 503 when the process is to stop
 * - `/metrics`: metrics, for requests with the token; without one only for direct loopback requests, 404 for all others
 */
export function healthRoutes(options: HealthOptions): Route[] {
  const failing = new Set<string>();
  const checkReadiness = shared(() => runChecks(options, failing));
  const methods = ['GET', 'HEAD'] as const;
  return [
    { methods, path: '/healthz', isQuiet: true, handle: answerAlive },
    {
      methods,
      path: '/readyz',
      isQuiet: true,
      handle: async ({ response }) => {
        const checks = await checkReadiness();
        answerReadiness(response, checks, options.serving.phase === 'serving');
      },
    },
    ...(options.metrics
      ? [metricsRoute(options.metrics, { isLocalOnly: true, token: options.metricsToken })]
      : []),
  ];
}

/**
 * The route of the metrics.
 * @param isLocalOnly - whether it answers only direct loopback requests, and 404 to all others, unless there is a token
 * @param token - the bearer token that every request must carry; 401 without it
 */
export function metricsRoute(
  metrics: Metrics,
  { isLocalOnly, token }: { isLocalOnly: boolean; token: string | undefined },
): Route {
  const secretSha256 = token === undefined ? null : hashSecret(token);
  return {
    methods: ['GET', 'HEAD'],
    path: '/metrics',
    isQuiet: true,
    handle: async (exchange) => {
      if (secretSha256 !== null) checkToken(exchange, secretSha256);
      else if (isLocalOnly) checkDirect(exchange);
      const text = await metrics.metrics();
      sendText(exchange.response, 200, text, { 'content-type': metrics.contentType });
    },
  };
}

type Verdict = 'ok' | 'failed';

/** Concurrent calls share one run, so that frequent probes do not add load to the dependencies. */
function shared<Result>(run: () => Promise<Result>): () => Promise<Result> {
  let running: Promise<Result> | null = null;
  return () => (running ??= run().finally(() => (running = null)));
}

async function runChecks(
  { checks, logger, timeoutMs = 2_000 }: HealthOptions,
  failing: Set<string>,
): Promise<Record<string, Verdict>> {
  const late = (): Error => new Error('The check took too long.');
  const verdicts = checks.map(async (one): Promise<[string, Verdict]> => {
    try {
      await withinMs(timeoutMs, one.check(), late);
      if (failing.delete(one.name)) logger.info({ check: one.name }, 'ready again');
      return [one.name, 'ok'];
    } catch (error) {
      // Once for each outage: probes come every few seconds.
      logger[failing.has(one.name) ? 'debug' : 'warn'](
        { check: one.name, error: loggableError(error) },
        'not ready',
      );
      failing.add(one.name);
      return [one.name, 'failed'];
    }
  });
  return Object.fromEntries(await Promise.all(verdicts));
}

function answerReadiness(
  response: ServerResponse,
  checks: Record<string, Verdict>,
  isServing: boolean,
): void {
  const isReady = isServing && Object.values(checks).every((verdict) => verdict === 'ok');
  const status = isReady ? 'ready' : isServing ? 'unready' : 'stopping';
  sendJson(response, isReady ? 200 : 503, { status, checks });
}

/** Headers by which requests of a local proxy are distinguished from direct loopback requests. */
const proxyHeaders = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

function answerAlive({ response }: Exchange): void {
  sendJson(response, 200, { status: 'alive' });
}

/** @throws DomainError UNAUTHENTICATED unless the request has the token */
function checkToken({ request }: Exchange, secretSha256: string): void {
  const [, given = ''] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (verifySecret(given, { secretSha256 })) return;
  throw new DomainError(
    'UNAUTHENTICATED',
    'Metrics need the token of METRICS_TOKEN: Authorization: Bearer <token>.',
  );
}

/** @throws DomainError NOT_FOUND unless the request is direct and from this machine */
function checkDirect({ request }: Exchange): void {
  const isProxied = proxyHeaders.some((name) => request.headers[name] !== undefined);
  if (isProxied || !isLoopback(request.socket.remoteAddress ?? '')) {
    throw new DomainError('NOT_FOUND', 'Not found.');
  }
}

/** Longer than the delay of a busy event loop, and longer than clients wait for a photo. */
const timeoutMs = 10_000;

/**
 * Whether a server accepts and answers a new connection. Never rejects.
 * @param url - the URL that it listens on, without a trailing slash
 */
export function acceptsConnections(url: string): Promise<boolean> {
  // Wildcard addresses cannot be connected to on every system, so loopback is used instead.
  const address = url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
  return new Promise((resolve) => {
    const request = get(`${address}/healthz`, { agent: false, timeout: timeoutMs }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
    request.on('close', () => resolve(false));
  });
}
