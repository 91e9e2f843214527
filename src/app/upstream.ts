import { join } from 'node:path';
import type { Config } from '../config';
import { pause } from '../core/clock';
import type { Logger } from '../core/logger';
import type { Shutdown } from '../core/shutdown';
import { makeExample } from '../sandbox/example';
import { startSandbox, type Sandbox } from '../sandbox/sandbox';
import type { UpstreamBudget } from '../upstream/budget.repository';
import { PicsartProvider } from '../upstream/picsart/picsart-provider';
import type { AvatarProvider, UpstreamCall } from '../upstream/provider';
import { SandboxProvider } from '../upstream/sandbox/sandbox-provider';
import type { UpstreamMetrics } from './metrics/upstream-metrics';

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

/** The time between checks of a refused key, in multiples of `ACCOUNT_PROBE_INTERVAL`: each process makes its own. */
const keyCheckFactor = 10;

/** What {@link watchKey} needs. */
export interface KeyWatch {
  provider: Pick<AvatarProvider, 'name' | 'checkAccount'>;
  budget: Pick<UpstreamBudget, 'pauseReason'>;
  metrics: Pick<UpstreamMetrics, 'isKeyRefused' | 'keyAccepted'>;
}

/**
 * Checks at the start, free of charge, whether the avatar service accepts the key: otherwise a wrong one is only noticed at
 * the first paid call. Checks again while this process has last seen it refused, since it may make no other call.
 * Ends with the process and never rejects.
 */
export async function watchKey(
  { provider, budget, metrics }: KeyWatch,
  { config, logger, shutdown: { signal } }: Pick<Startup, 'config' | 'logger' | 'shutdown'>,
): Promise<void> {
  const check = async (): Promise<boolean | null> => (await provider.checkAccount(signal)).acceptsKey;
  let accepted = await check();
  if (accepted === false)
    logger.error({ provider: provider.name }, 'the upstream refuses the key; check PICSART_API_KEY');
  let isBalanceKnown = accepted !== null;
  const isCheckDue = async (): Promise<boolean> => {
    await pause(config.ACCOUNT_PROBE_INTERVAL * keyCheckFactor, signal);
    return !signal.aborted;
  };
  while (await isCheckDue()) {
    if (!metrics.isKeyRefused()) continue;
    accepted = await check();
    isBalanceKnown ||= accepted !== null;
    // Without a balance, the processes that make calls know whether the key is refused.
    if (accepted ?? (!isBalanceKnown && (await isPauseOver(budget)))) metrics.keyAccepted();
  }
}

async function isPauseOver(budget: Pick<UpstreamBudget, 'pauseReason'>): Promise<boolean> {
  return budget.pauseReason().then(
    (reason) => reason !== 'UPSTREAM_AUTH',
    () => false,
  );
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
