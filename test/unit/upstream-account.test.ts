import { Registry } from 'prom-client';
import { createUpstreamMetrics } from '../../src/app/metrics/upstream-metrics';
import { watchKey } from '../../src/app/upstream';
import type { Config } from '../../src/config';
import { createLogger } from '../../src/core/logger';
import { Shutdown } from '../../src/core/shutdown';
import type { Transactions } from '../../src/core/sql';
import { UpstreamAccountWork } from '../../src/jobs/upstream-account.work';
import { eventually } from '../support/until';

describe('the check of a paused account', () => {
  it('is leased for longer than its call may take', async () => {
    const leases: unknown[] = [];
    const database = {
      rows: (_: string, parameters: readonly unknown[]) => {
        leases.push(parameters[1]);
        return Promise.resolve([]);
      },
    } as unknown as Transactions;
    const deps = {
      ...{ database, logger: createLogger('silent'), probeIntervalMs: 30_000, onResume: () => undefined },
      provider: { account: 'account' },
      budget: { open: () => Promise.resolve() },
    } as unknown as ConstructorParameters<typeof UpstreamAccountWork>[0];
    const { signal } = new AbortController();
    await new UpstreamAccountWork({ ...deps, pollTimeoutMs: 10_000 }).probe(signal);
    await new UpstreamAccountWork({ ...deps, pollTimeoutMs: 120_000 }).probe(signal);
    expect(leases).toEqual([60_000, 170_000]);
  });
});

describe('a key that was refused for a paid call of a service without a balance', () => {
  it('counts as refused until no process waits for it', async () => {
    const metrics = createUpstreamMetrics(new Registry());
    metrics.upstreamCall({ call: 'train', outcome: 'UPSTREAM_AUTH', seconds: 1 });
    const logger = createLogger('silent');
    const shutdown = new Shutdown(logger);
    let reason: 'UPSTREAM_AUTH' | null = 'UPSTREAM_AUTH';
    let reads = 0;
    const pauseReason = (): Promise<typeof reason> => Promise.resolve(((reads += 1), reason));
    const checkAccount = (): Promise<{ acceptsKey: null; credits: null }> =>
      Promise.resolve({ acceptsKey: null, credits: null });
    const config = { ACCOUNT_PROBE_INTERVAL: 1 } as Config;
    const provider = { name: 'picsart', checkAccount } as const;
    const watching = watchKey({ provider, budget: { pauseReason }, metrics }, { config, logger, shutdown });
    await eventually(
      'two reads',
      () => Promise.resolve(reads),
      (count) => count > 1,
    );
    expect(metrics.isKeyRefused()).toBe(true);
    reason = null;
    await eventually(
      'the end',
      () => Promise.resolve(metrics.isKeyRefused()),
      (isRefused) => !isRefused,
    );
    await shutdown.stop();
    await watching;
  });
});
