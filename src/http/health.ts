import { withinMs } from '../core/clock';
import { DomainError } from '../core/errors';
import { loggableError } from '../core/loggable-error';
import type { Logger } from '../core/logger';
import { answerJson, answerText } from './answers';
import type { Exchange, Route } from './exchange';
import { isLoopbackAddress } from './origins';

/** Something that must work for requests to be served. */
export interface HealthCheck {
  /** `database`, `media`, `migrations`: shown to whoever asks. */
  readonly name: string;
  /** Throws, or does not return in time, if it does not work. */
  check(): Promise<unknown>;
}

/** Where figures come from: prom-client's registry. */
export interface Metrics {
  readonly contentType: string;
  metrics(): Promise<string>;
}

/** What {@link healthRoutes} needs. */
export interface HealthOptions {
  readonly checks: readonly HealthCheck[];
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** How long a check may take. \@defaultValue 2_000 milliseconds */
  readonly timeoutMs?: number;
}

/**
 * What machines ask:
 * - `/healthz`: 200 while the process lives
 * - `/readyz`: 200 if every check passes, 503 otherwise, each check by name
 * - `/metrics`: figures, only for programs on this machine that come directly; to all others there is nothing
 */
export function healthRoutes(options: HealthOptions): Route[] {
  const readiness = new Readiness(options);
  const methods = ['GET', 'HEAD'] as const;
  return [
    { methods, path: '/healthz', isQuiet: true, handle: answerAlive },
    { methods, path: '/readyz', isQuiet: true, handle: (exchange) => readiness.answer(exchange) },
    {
      methods,
      path: '/metrics',
      isQuiet: true,
      handle: (exchange) => answerMetrics(exchange, options.metrics),
    },
  ];
}

type Verdict = 'ok' | 'failed';

class Readiness {
  private running: Promise<Record<string, Verdict>> | null = null;

  constructor(private readonly options: HealthOptions) {}

  async answer({ response }: Exchange): Promise<void> {
    // Whoever asks while an answer is being found shares it: asking often does not load what is checked.
    this.running ??= this.run().finally(() => (this.running = null));
    const checks = await this.running;
    const isReady = Object.values(checks).every((verdict) => verdict === 'ok');
    answerJson(response, isReady ? 200 : 503, { status: isReady ? 'ready' : 'unready', checks });
  }

  private async run(): Promise<Record<string, Verdict>> {
    const verdicts = this.options.checks.map(async (one) => [one.name, await this.judge(one)] as const);
    return Object.fromEntries(await Promise.all(verdicts));
  }

  private async judge(one: HealthCheck): Promise<Verdict> {
    const late = (): Error => new Error('The check took too long.');
    try {
      await withinMs(this.options.timeoutMs ?? 2_000, one.check(), late);
      return 'ok';
    } catch (error) {
      this.options.logger.warn({ check: one.name, error: loggableError(error) }, 'not ready');
      return 'failed';
    }
  }
}

/** A proxy on this machine comes from loopback too, but says for whom. */
const proxyHeaders = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

function answerAlive({ response }: Exchange): void {
  answerJson(response, 200, { status: 'alive' });
}

async function answerMetrics({ request, response }: Exchange, metrics: Metrics): Promise<void> {
  const isProxied = proxyHeaders.some((name) => request.headers[name] !== undefined);
  if (isProxied || !isLoopbackAddress(request.socket.remoteAddress)) {
    throw new DomainError('NOT_FOUND', 'Not found.');
  }
  answerText(response, 200, await metrics.metrics(), { 'content-type': metrics.contentType });
}
