import type { CallKind, Grant, UpstreamBudget } from '../../src/upstream/budget.repository';
import { BudgetProcesses } from '../support/budget-processes';
import { TestDatabase } from '../support/database';

const perMinute = 500;
const minuteMs = 60_000;

describe('the budget of requests', () => {
  let testDatabase: TestDatabase;
  let budgets: BudgetProcesses;

  beforeAll(async () => {
    testDatabase = await TestDatabase.create();
    budgets = new BudgetProcesses(await testDatabase.pool(8));
  });

  afterAll(() => testDatabase.drop());

  /** All processes take concurrently until none is granted a request. */
  const drain = async (all: readonly UpstreamBudget[], kind: CallKind, each: number): Promise<number> => {
    let granted = 0;
    for (let round: Grant[]; ;) {
      round = await Promise.all(all.map((budget) => budget.take(kind, each)));
      const more = round.reduce((sum, grant) => sum + grant.granted, 0);
      granted += more;
      if (more === 0) return granted;
    }
  };

  describe('is never exceeded', () => {
    it.each([
      [4, 500],
      [3, 60],
      [2, 10],
    ])('by %d processes that race for %d a minute, in any minute', async (count, limit) => {
      const all = budgets.processes(count, { requestsPerMinute: limit });
      const began = performance.now();
      let passedMs = 0;
      const now = (): number => performance.now() - began + passedMs;
      const spent: { from: number; to: number; calls: number }[] = [];
      while (now() < 3 * minuteMs) {
        const from = now();
        const calls =
          (await drain(all, 'poll', 7)) + (await drain(all, 'submit', 2)) + (await drain(all, 'watch', 2));
        spent.push({ from, to: now(), calls });
        await budgets.advance(4_900);
        passedMs += 4_900;
      }
      const inMinuteFrom = (start: number): number =>
        sum(
          spent.filter(({ from, to }) => from >= start && to <= start + minuteMs).map(({ calls }) => calls),
        );
      expect(Math.max(...spent.map(({ from }) => inMinuteFrom(from)))).toBeLessThanOrEqual(limit);
      expect(sum(spent.map(({ calls }) => calls))).toBeGreaterThan(3 * limit * 0.7);
    });

    it('after a long idle time', async () => {
      const all = budgets.processes(3);
      await drain(all, 'poll', 50);
      await budgets.advance(24 * 60 * minuteMs);
      expect(await drain(all, 'poll', 50)).toBeLessThanOrEqual(perMinute / 10);
    });

    it('by calls that are returned when it is full', async () => {
      const all = budgets.processes(2);
      await drain(all, 'poll', 50);
      await budgets.advance(minuteMs);
      await all[0]!.release('poll', 40, false);
      expect(await drain(all, 'poll', 50)).toBeLessThanOrEqual(perMinute / 10);
    });

    it('when many processes create its row', async () => {
      const all = budgets.processes(8);
      const grants = await Promise.all(all.map((budget) => budget.take('submit', 5)));
      expect(sum(grants.map((grant) => grant.granted))).toBeLessThanOrEqual(perMinute / 10);
    });
  });

  it('grants the available requests, and returns when there are more', async () => {
    const [budget] = budgets.processes(1, { requestsPerMinute: 60 }) as [UpstreamBudget];
    const first = await budget.take('poll', 1_000);
    expect(first.granted).toBeGreaterThan(0);
    expect(first.granted).toBeLessThan(1_000);
    const { waitMs } = await budget.take('poll', 1);
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThan(1_500);
    await budgets.advance(waitMs);
    expect((await budget.take('poll', 1)).granted).toBe(1);
  });

  it('is unchanged by a request for none', async () => {
    const [budget] = budgets.processes(1) as [UpstreamBudget];
    expect(await budget.take('poll', 0)).toEqual({ granted: 0, waitMs: 0, isTrial: false });
  });

  it('reserves a share for submissions, and one for polls', async () => {
    const all = budgets.processes(2);
    await drain(all, 'poll', 20);
    expect((await all[0]!.take('submit', 1)).granted).toBe(1);
    await drain(all, 'submit', 20);
    await budgets.advance(1_000);
    expect((await all[1]!.take('poll', 1)).granted).toBe(1);
  });

  it('is divided between polls and submissions by their share', async () => {
    const all = budgets.processes(2, { requestsPerMinute: 1_000, pollShare: 0.4 });
    // A tenth of a minute's requests may be made at once.
    expect(await drain(all, 'poll', 20)).toBe(40);
    expect(await drain(all, 'submit', 20)).toBe(55);
    expect(await drain(all, 'watch', 20)).toBe(5);
  });

  it('is separate for each key', async () => {
    const others = budgets.processes(1);
    await drain(others, 'poll', 50);
    expect((await budgets.processes(1)[0]!.take('poll', 1)).granted).toBe(1);
  });

  describe('during a pause requested by the upstream', () => {
    it('grants nothing before its end', async () => {
      const [one, other] = budgets.processes(2) as [UpstreamBudget, UpstreamBudget];
      await one.pause(90_000);
      for (const budget of [one, other]) {
        for (const kind of ['poll', 'submit'] as const) {
          const grant = await budget.take(kind, 1);
          expect(grant.granted).toBe(0);
          expect(grant.waitMs).toBeGreaterThan(85_000);
        }
      }
      await budgets.advance(89_000);
      expect((await other.take('submit', 1)).granted).toBe(0);
      await budgets.advance(1_001);
      expect((await other.take('submit', 1)).granted).toBe(1);
    });

    it('is not shortened by a shorter one', async () => {
      const [one, other] = budgets.processes(2) as [UpstreamBudget, UpstreamBudget];
      await one.pause(90_000);
      await other.pause(1_000);
      expect((await budgets.state()).pauseMs).toBeGreaterThan(85_000);
    });

    it('is not ended by the response to a call in flight', async () => {
      const [one, other] = budgets.processes(2) as [UpstreamBudget, UpstreamBudget];
      await budgets.fail(one, 4);
      await one.pause(90_000);
      await other.answered('poll', {});
      expect((await other.take('poll', 1)).granted).toBe(0);
    });

    it('is not ended by such a response while the circuit is open', async () => {
      const [one, other] = budgets.processes(2) as [UpstreamBudget, UpstreamBudget];
      await budgets.fail(one, 6);
      await one.pause(90_000);
      await other.answered('poll', {});
      expect((await other.take('poll', 1)).granted).toBe(0);
      expect((await budgets.state()).pauseMs).toBeGreaterThan(85_000);
    });
  });

  it('is created again after its row was deleted, such as by a restore, and waits for the operator if it is paused', async () => {
    const [budget] = budgets.processes(1) as [UpstreamBudget];
    const { database, account } = budgets;
    const remove = (): Promise<unknown> =>
      database.rows('DELETE FROM upstream_accounts WHERE account = $1', [account]);
    expect((await budget.take('submit', 1)).granted).toBe(1);
    await remove();
    expect((await budget.take('submit', 1)).granted).toBe(0);
    expect((await budget.take('submit', 1)).granted).toBe(1);
    await remove();
    await database.rows(`INSERT INTO submission_pauses (provider, paused_at) VALUES ('', now())`);
    try {
      const later = [await budget.take('submit', 1), await budget.take('submit', 1)];
      expect(later.map(({ granted }) => granted)).toEqual([0, 0]);
      expect(await budget.pauseReason()).toBe('OPERATOR');
    } finally {
      await database.rows('DELETE FROM submission_pauses');
    }
  });

  it('records the remaining credits', async () => {
    const [budget] = budgets.processes(1) as [UpstreamBudget];
    await budget.take('poll', 1);
    await budget.answered('poll', { creditsAvailable: 41 });
    expect((await budgets.state()).creditsAvailable).toBe(41);
    await budget.answered('poll', {});
    expect((await budgets.state()).creditsAvailable).toBe(41);
    await budget.answered('poll', { creditsAvailable: 0 });
    expect((await budgets.state()).creditsAvailable).toBe(0);
  });
});

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
