import { randomBytes } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createLogger, type Logger } from '../core/logger';
import { HttpExchange } from '../upstream/http-exchange';
import { apiKeyHeader } from '../upstream/picsart/wire-format';
import { FaultQueue, parseFault, type SandboxFault } from './faults';
import { tempoOf } from './jobs';
import { PhotoFetcher } from './photo-fetcher';
import { RequestWindow } from './request-window';
import { close, listen, portOf, type SandboxReading, SandboxServer, urlOf } from './server';
import { type ServiceOptions, SandboxService } from './service';
import { claimEndpoint, moveEndpoint, readEndpoint, type SandboxEndpoint, SandboxStore } from './store';

/*
 * A test double of Picsart AI Avatar that can also be used alone: an HTTP server with the same wire format, validation,
 * states and expiry, at a configurable speed. It makes pictures from the given photos with image filters instead of AI,
 * marks each of them, and simulates faults on request.
 */

/** Options of a sandbox. */
export interface SandboxOptions extends ServiceOptions {
  /** @defaultValue 127.0.0.1 */
  host?: string;
  /** @defaultValue the port saved in the folder, else any free port */
  port?: number;
  /** @defaultValue the key saved in the folder, else a new key */
  apiKey?: string;
  /** How many times faster than the real service: at 60, a training takes 20 seconds. @defaultValue 60 */
  speed?: number;
  /** How long results are available, in milliseconds. @defaultValue 48 hours divided by the speed */
  retentionMs?: number;
  /**
   * The folder that stores the state and the address, so that jobs continue after a crash. Several processes may share
   * a folder: one of them serves, and another takes over when it exits.
   * @defaultValue state is kept in memory only
   */
  dir?: string;
  /** Deletes the saved state at the start. */
  forgetOnStart?: boolean;
  /** @defaultValue 500 a minute, where a minute is divided by the speed */
  rateLimit?: { requests: number; windowMs: number };
  /** The balance of a new sandbox. @defaultValue 1,000,000 */
  credits?: number;
  /** @defaultValue warnings to standard output */
  logger?: Logger;
}

/** A running sandbox, in this process or, with a shared folder, in another. */
export interface Sandbox {
  readonly url: string;
  readonly apiKey: string;
  /** The calls executed so far. */
  counts(): Promise<SandboxReading>;
  /** Adds a fault for future calls. */
  fault(fault: SandboxFault): Promise<void>;
  /** Stops the sandbox and closes all connections. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts a sandbox.
 * @throws Error if the requested port is in use
 */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const host = new SandboxHost(options);
  await host.start();
  return host;
}

/** The interval at which a process that shares a folder checks whether the serving process has exited. */
const takeOverIntervalMs = 500;

/** Limits of calls by {@link SandboxHost} to its own server. */
const callLimits = { timeoutMs: 5_000, maxBytes: 100_000, signal: new AbortController().signal };

/** How often the program on a folder's port is asked whether it is the folder's sandbox, 5 s each time. */
const maxIdentityTries = 6;

class SandboxHost implements Sandbox {
  private endpoint: SandboxEndpoint = { port: 0, apiKey: '' };
  private server: Server | undefined;
  private photos: PhotoFetcher | undefined;
  private watch: NodeJS.Timeout | undefined;
  private stopping: Promise<void> | undefined;
  private readonly exchange = new HttpExchange(1);
  private readonly host: string;
  private readonly logger: Logger;
  /** Requests wait for it until the saved state is loaded. */
  private readonly ready: Promise<SandboxServer>;
  private setReady: (server: SandboxServer) => void = () => undefined;

  constructor(private readonly options: SandboxOptions) {
    this.host = options.host ?? '127.0.0.1';
    this.logger = options.logger ?? createLogger('warn');
    this.ready = new Promise((resolve) => (this.setReady = resolve));
  }

  get url(): string {
    return urlOf(this.host, this.endpoint.port);
  }

  get apiKey(): string {
    return this.endpoint.apiKey;
  }

  async start(): Promise<void> {
    const known = await readEndpoint(this.options.dir);
    const wanted = this.options.port ?? known?.port ?? 0;
    const server = await listen(this.host, wanted, this.onRequest);
    if (server) await this.own(server, known);
    else if (known?.port !== wanted)
      throw new Error(`The sandbox cannot listen on port ${wanted}: it is in use.`);
    else if (await this.isSandbox(known)) this.follow(known);
    else await this.own((await listen(this.host, 0, this.onRequest))!, known);
  }

  async counts(): Promise<SandboxReading> {
    const { body } = await this.exchange.get({
      url: new URL('/sandbox/counts', this.url),
      headers: {},
      ...callLimits,
    });
    return JSON.parse(body.toString('utf8')) as SandboxReading;
  }

  async fault(fault: SandboxFault): Promise<void> {
    const { status } = await this.exchange.postOnce({
      url: new URL('/sandbox/faults', this.url),
      headers: { 'content-type': 'application/json', [apiKeyHeader]: this.apiKey },
      body: JSON.stringify(parseFault(fault)),
      ...callLimits,
    });
    if (status !== 200) throw new Error(`The sandbox answered ${status}.`);
  }

  async stop(): Promise<void> {
    this.stopping ??= this.end();
    await this.stopping;
  }

  private readonly onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    void this.ready.then(async (server) => server.serve(request, response));
  };

  private async own(server: Server, known: SandboxEndpoint | null): Promise<void> {
    const { dir, apiKey = known?.apiKey ?? `sandbox-${randomBytes(24).toString('base64url')}` } =
      this.options;
    const endpoint = { port: portOf(server), apiKey };
    if (dir !== undefined && known !== null) {
      await moveEndpoint(dir, endpoint);
    } else if (dir !== undefined && !(await claimEndpoint(dir, endpoint))) {
      // Another process has claimed the new folder.
      await close(server);
      return this.start();
    }
    await this.serve(server, endpoint);
  }

  /** The port is the lock on the folder: called only by the process that listens on it. */
  private async serve(server: Server, endpoint: SandboxEndpoint): Promise<void> {
    const { dir = null, speed = 60, credits = 1_000_000, forgetOnStart = false } = this.options;
    const { rateLimit = { requests: 500, windowMs: 60_000 / speed } } = this.options;
    const tempo = tempoOf(speed);
    const { retentionMs: resultTtlMs = tempo.resultTtlMs } = this.options;
    this.endpoint = endpoint;
    this.server = server;
    const store = await SandboxStore.open(dir, credits, forgetOnStart).catch(async (error: unknown) => {
      await this.stop();
      throw error;
    });
    this.photos = new PhotoFetcher();
    this.setReady(
      new SandboxServer({
        service: new SandboxService(store, this.photos, { ...tempo, resultTtlMs }, this.options),
        store,
        faults: new FaultQueue(),
        window: new RequestWindow(rateLimit.requests, rateLimit.windowMs),
        apiKey: endpoint.apiKey,
        logger: this.logger,
      }),
    );
  }

  /** Waits while another process serves this folder. The operating system frees the port when that process exits. */
  private follow(endpoint: SandboxEndpoint): void {
    this.endpoint = endpoint;
    this.watch = setInterval(() => {
      this.takeOver(endpoint).catch((error: unknown) => {
        this.logger.error({ err: error }, 'taking over the sandbox failed');
      });
    }, takeOverIntervalMs);
    this.watch.unref();
  }

  private async takeOver(endpoint: SandboxEndpoint): Promise<void> {
    const server = await listen(this.host, endpoint.port, this.onRequest).catch(() => null);
    if (!server) return;
    clearInterval(this.watch);
    if (this.stopping) await close(server);
    else await this.serve(server, endpoint);
  }

  /**
   * Whether the program on the folder's port is this folder's sandbox: it accepts the folder's key. The route is exempt
   * from faults and limits, and a missing answer is asked for again, so that a busy sandbox does not get a second one
   * beside it.
   */
  private async isSandbox({ port, apiKey }: SandboxEndpoint): Promise<boolean> {
    const url = new URL('/sandbox/faults', urlOf(this.host, port));
    for (let tries = 1; tries <= maxIdentityTries; tries += 1) {
      const answer = await this.exchange
        .get({ url, headers: { [apiKeyHeader]: apiKey }, ...callLimits })
        .catch(() => null);
      if (answer) return answer.status === 200;
    }
    return false;
  }

  private async end(): Promise<void> {
    clearInterval(this.watch);
    if (this.server) await close(this.server);
    await this.photos?.stop();
    await this.exchange.stop();
  }
}
