import type { StartedBatch } from '../../src/core/leased-rows';
import { BudgetedRows } from '../../src/jobs/budgeted-rows';
import { modelKind } from '../../src/models/model.kind';

/** Rows of which `due` are due and `started` can be started, and a budget that grants and returns calls. */
function stuck({ due, granted, started }: { due: number; granted: number; started: number }): {
  rows: BudgetedRows;
  released: number[];
} {
  const released: number[] = [];
  const work = Array.from({ length: started }, () => Promise.resolve());
  const leased = { countDue: () => Promise.resolve(due), start: () => Promise.resolve({ work }) };
  const budget = {
    take: () => Promise.resolve({ granted, waitMs: 0 }),
    release: (_call: string, calls: number) => Promise.resolve(void released.push(calls)),
  };
  const deps = { jobs: { rowsFor: () => leased }, provider: { name: 'sandbox' }, budget, leaseMs: 1 };
  return { rows: new BudgetedRows(deps as never, modelKind, 'submit', 4), released };
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
});
