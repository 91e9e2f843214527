import { join } from 'node:path';
import type { Config } from '../config';
import type { Logger } from '../core/logger';
import type { Shutdown } from '../core/shutdown';
import { makeExample } from '../sandbox/example';
import { startSandbox, type Sandbox } from '../sandbox/sandbox';
import { PicsartProvider } from '../upstream/picsart/picsart-provider';
import type { AvatarProvider, UpstreamCall } from '../upstream/provider';
import { SandboxProvider } from '../upstream/sandbox/sandbox-provider';

/** Polls are short, so that several take turns on a connection. */
const connectionsPerPoll = 0.25;

/** What every part of a gateway needs at its start. */
export interface Startup {
  config: Config;
  /** The directory of all files; it exists. */
  dataDir: string;
  logger: Logger;
  /** Stops what has been started. */
  shutdown: Shutdown;
  /** Called at the end of each call of the avatar service. */
  onCall: (call: UpstreamCall) => void;
}

/**
 * Asks once at the start, free of charge, whether the avatar service accepts the key: otherwise a wrong one is only noticed at
 * the first paid call. Never rejects.
 */
export async function checkKey(provider: AvatarProvider, { logger, shutdown }: Startup): Promise<void> {
  const { acceptsKey } = await provider.checkAccount(shutdown.signal);
  if (acceptsKey === false)
    logger.error({ provider: provider.name }, 'the upstream refuses the key; check PICSART_API_KEY');
}

/** Constructs the provider that `UPSTREAM` names, and starts the sandbox if that is the upstream. */
export async function openUpstream({
  config,
  dataDir,
  logger,
  shutdown,
  onCall,
}: Startup): Promise<{ provider: AvatarProvider; sandbox: Sandbox | null }> {
  const limits = {
    submitTimeoutMs: config.SUBMIT_TIMEOUT,
    pollTimeoutMs: config.POLL_TIMEOUT,
    pollConnections: config.MAX_POLL_CONNECTIONS ?? Math.ceil(config.MAX_POLLS * connectionsPerPoll),
    logger,
    onCall,
  };
  if (config.UPSTREAM === 'picsart') {
    const provider = new PicsartProvider({
      ...limits,
      name: 'picsart',
      baseUrl: config.PICSART_BASE_URL,
      balanceUrl: config.PICSART_BALANCE_URL,
      apiKey: config.PICSART_API_KEY ?? '',
      speed: 1,
    });
    shutdown.onStop(() => provider.stop());
    return { provider, sandbox: null };
  }
  const speed = config.SANDBOX_SPEED;
  const sandbox = await startSandbox({ dir: join(dataDir, 'sandbox'), speed, logger });
  shutdown.onStop(() => sandbox.stop());
  const provider = new SandboxProvider({
    ...limits,
    baseUrl: sandbox.url,
    apiKey: sandbox.apiKey,
    speed,
    drawExample: makeExample,
  });
  shutdown.onStop(() => provider.stop());
  return { provider, sandbox };
}
