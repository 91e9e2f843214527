import { createLogger } from '../../src/core/logger';
import type { Transactions } from '../../src/core/sql';
import { UpstreamAccountWork } from '../../src/jobs/upstream-account.work';

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
