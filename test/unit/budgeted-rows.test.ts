import type { StartedBatch } from '../../src/core/leased-rows';
import { BudgetedRows } from '../../src/jobs/budgeted-rows';
import { modelKind } from '../../src/models/model.kind';

interface Situation {
  due: number;
  granted: number;
  started: number;
}

/** Dependencies of rows of which `due` are due and `started` can be started, and a budget that grants and returns calls. */
function depsOf({ due, granted, started }: Situation, released: number[] = []): never {
  const work = Array.from({ length: started }, () => Promise.resolve());
  const leased = { countDue: () => Promise.resolve(due), start: () => Promise.resolve({ work }) };
  const budget = {
    take: () => Promise.resolve({ granted, waitMs: 0 }),
    release: (_call: string, calls: number) => Promise.resolve(void released.push(calls)),
  };
  const settings = { leaseMs: 1, pollPauseMs: 1_000 };
  return { jobs: { rowsFor: () => leased }, provider: { name: 'sandbox' }, budget, ...settings } as never;
}

function stuck(situation: Situation): { rows: BudgetedRows; released: number[] } {
  const released: number[] = [];
  return { rows: new BudgetedRows(depsOf(situation, released), modelKind, 'submit', 4), released };
}

const start = ({ rows }: ReturnType<typeof stuck>): Promise<StartedBatch> =>
  rows.start(() => Promise.resolve());

describe('rows with a budget', () => {
  it('rest before the next read of the budget if no row can use a granted trial call, and return the call', async () => {
    const environment = stuck({ due: 5, granted: 1, started: 0 });
    expect((await start(environment)).restMs).toBeGreaterThanOrEqual(100);
    expect(environment.released).toEqual([1]);
  });

  it('do not rest longer than the budget requires if a row was started', async () => {
    const environment = stuck({ due: 5, granted: 1, started: 1 });
    expect((await start(environment)).restMs).toBe(0);
    expect(environment.released).toEqual([]);
  });

  it('rest a second if they are polls, so that one pass makes several', async () => {
    const poll = new BudgetedRows(depsOf({ due: 5, granted: 1, started: 1 }), modelKind, 'poll', 4);
    expect((await poll.start(() => Promise.resolve())).restMs).toBe(1_000);
    const free = new BudgetedRows(depsOf({ due: 5, granted: 5, started: 5 }), modelKind, 'poll', 4);
    expect((await free.start(() => Promise.resolve())).restMs).toBeUndefined();
  });

  it.each([
    ['a moment for more slots if few are free', 4, 'waits'],
    ['for nothing if many are free', 2, 'claims'],
  ])('wait %s', async (_, taken, expected) => {
    const rows = new BudgetedRows(depsOf({ due: 9, granted: 9, started: 0 }), modelKind, 'poll', 5);
    rows.slots.acquire('ann', taken);
    const isReady = rows.whenFree(new AbortController().signal).then(() => 'claims');
    const turn = new Promise((resolve) => setImmediate(resolve)).then(() => 'waits');
    expect(await Promise.race([isReady, turn])).toBe(expected);
    expect(await isReady).toBe('claims');
  });
});
