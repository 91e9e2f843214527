import type { DataSource } from 'typeorm';
import { createDataSource } from '../../src/database/data-source';
import { Database } from '../../src/database/database';
import { UpstreamBudget, type CallKind, type Grant } from '../../src/upstream/budget';
import { createTestDatabase, type TestDatabase } from '../support/database';

const perMinute = 500;
const minuteMs = 60_000;

describe('the budget of requests', () => {
  let testDatabase: TestDatabase;
  let source: DataSource;
  let database: Database;
  let accounts = 0;

  beforeAll(async () => {
    testDatabase = await createTestDatabase();
    source = await createDataSource({ url: testDatabase.url, poolSize: 8, entities: [] }).initialize();
    database = new Database(source);
  });

  afterAll(async () => {
    await source.destroy();
    await testDatabase.drop();
  });

  /** Processes that share a key. */
  const processes = (count: number, requestsPerMinute = perMinute): UpstreamBudget[] => {
    const provider = {
      name: 'scripted',
      account: `account-${(accounts += 1)}`,
      facts: { requestsPerMinute },
    };
    return Array.from({ length: count }, () => new UpstreamBudget(database, provider));
  };

  /** What they know together. */
  const account = async (): Promise<{
    failures: number;
    pauseMs: number;
    creditsAvailable: number | null;
  }> => {
    const [row] = await database.rows<{
      failures: number;
      pause_ms: number;
      credits_available: number | null;
    }>(
      `SELECT failures, credits_available,
              coalesce(extract(epoch FROM greatest(paused_until, broken_until) - clock_timestamp()) * 1000, 0)::float8 AS pause_ms
         FROM upstream_accounts WHERE account = $1`,
      [`account-${accounts}`],
    );
    return { failures: row!.failures, pauseMs: row!.pause_ms, creditsAvailable: row!.credits_available };
  };

  /** Lets the clock go on, as far as the budget can see. */
  const pass = (ms: number): Promise<unknown> =>
    database.rows(
      `UPDATE upstream_accounts
          SET poll_refilled_at = poll_refilled_at - $2 * interval '1 ms',
              submit_refilled_at = submit_refilled_at - $2 * interval '1 ms',
              paused_until = paused_until - $2 * interval '1 ms',
              broken_until = broken_until - $2 * interval '1 ms'
        WHERE account = $1`,
      [`account-${accounts}`, ms],
    );

  /** Everybody takes at once, until nobody is granted anything. */
  const drain = async (all: readonly UpstreamBudget[], kind: CallKind, each: number): Promise<number> => {
    let granted = 0;
    for (let round: Grant[]; ;) {
      round = await Promise.all(all.map((budget) => budget.take(kind, each)));
      const more = round.reduce((sum, grant) => sum + grant.granted, 0);
      granted += more;
      if (more === 0) return granted;
    }
  };

  const failures = async (budget: UpstreamBudget, count: number): Promise<void> => {
    for (let time = 0; time < count; time += 1) await budget.failed();
  };

  describe('is never passed', () => {
    it.each([
      [4, 500],
      [3, 60],
      [2, 10],
    ])('by %d processes that race for %d a minute, in any minute', async (count, limit) => {
      const all = processes(count, limit);
      const began = performance.now();
      let passedMs = 0;
      const now = (): number => performance.now() - began + passedMs;
      const spent: { from: number; to: number; calls: number }[] = [];
      while (now() < 3 * minuteMs) {
        const from = now();
        const calls = (await drain(all, 'poll', 7)) + (await drain(all, 'submit', 2));
        spent.push({ from, to: now(), calls });
        await pass(4_900);
        passedMs += 4_900;
      }
      const inMinuteFrom = (start: number): number =>
        sum(
          spent.filter(({ from, to }) => from >= start && to <= start + minuteMs).map(({ calls }) => calls),
        );
      expect(Math.max(...spent.map(({ from }) => inMinuteFrom(from)))).toBeLessThanOrEqual(limit);
      expect(sum(spent.map(({ calls }) => calls))).toBeGreaterThan(3 * limit * 0.7);
    });

    it('by those who come after a long rest', async () => {
      const all = processes(3);
      await drain(all, 'poll', 50);
      await pass(24 * 60 * minuteMs);
      expect(await drain(all, 'poll', 50)).toBeLessThanOrEqual(perMinute / 10);
    });

    it('when its row is made by many at once', async () => {
      const all = processes(8);
      const grants = await Promise.all(all.map((budget) => budget.take('submit', 5)));
      expect(sum(grants.map((grant) => grant.granted))).toBeLessThanOrEqual(perMinute / 10);
    });
  });

  it('grants what there is, and says when there is more', async () => {
    const [budget] = processes(1) as [UpstreamBudget];
    const first = await budget.take('poll', 1_000);
    expect(first.granted).toBeGreaterThan(0);
    expect(first.granted).toBeLessThan(1_000);
    const { waitMs } = await budget.take('poll', 1);
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThan(1_000);
    await pass(waitMs);
    expect((await budget.take('poll', 1)).granted).toBe(1);
  });

  it('costs nothing when nothing is wanted', async () => {
    const [budget] = processes(1) as [UpstreamBudget];
    expect(await budget.take('poll', 0)).toEqual({ granted: 0, waitMs: 0 });
  });

  it('keeps a share for submissions that polls cannot take, and the other way round', async () => {
    const all = processes(2);
    await drain(all, 'poll', 20);
    expect((await all[0]!.take('submit', 1)).granted).toBe(1);
    await drain(all, 'submit', 20);
    await pass(1_000);
    expect((await all[1]!.take('poll', 1)).granted).toBe(1);
  });

  it('is one for each key', async () => {
    const others = processes(1);
    await drain(others, 'poll', 50);
    expect((await processes(1)[0]!.take('poll', 1)).granted).toBe(1);
  });

  describe('while the upstream has asked for a pause', () => {
    it('grants nothing to anybody, for anything, before it is over', async () => {
      const [one, other] = processes(2) as [UpstreamBudget, UpstreamBudget];
      await one.pause(90_000);
      for (const budget of [one, other]) {
        for (const kind of ['poll', 'submit'] as const) {
          const grant = await budget.take(kind, 1);
          expect(grant.granted).toBe(0);
          expect(grant.waitMs).toBeGreaterThan(85_000);
        }
      }
      await pass(89_000);
      expect((await other.take('submit', 1)).granted).toBe(0);
      await pass(1_001);
      expect((await other.take('submit', 1)).granted).toBe(1);
    });

    it('is not shortened by a shorter one', async () => {
      const [one, other] = processes(2) as [UpstreamBudget, UpstreamBudget];
      await one.pause(90_000);
      await other.pause(1_000);
      expect((await account()).pauseMs).toBeGreaterThan(85_000);
    });

    it('is not ended by the answer to a call that was under way', async () => {
      const [one, other] = processes(2) as [UpstreamBudget, UpstreamBudget];
      await failures(one, 4);
      await one.pause(90_000);
      await other.answered({});
      expect((await other.take('poll', 1)).granted).toBe(0);
    });

    it('is not ended by such an answer when the breaker is open besides', async () => {
      const [one, other] = processes(2) as [UpstreamBudget, UpstreamBudget];
      await failures(one, 6);
      await one.pause(90_000);
      await other.answered({});
      expect((await other.take('poll', 1)).granted).toBe(0);
      expect((await account()).pauseMs).toBeGreaterThan(85_000);
    });
  });

  describe('when calls fail', () => {
    it('goes on after a few failures', async () => {
      const [one, other] = processes(2) as [UpstreamBudget, UpstreamBudget];
      await failures(one, 4);
      expect((await other.take('poll', 10)).granted).toBe(10);
    });

    it('counts only failures in a row', async () => {
      const [one, other] = processes(2) as [UpstreamBudget, UpstreamBudget];
      await failures(one, 4);
      await other.answered({});
      await failures(one, 4);
      expect((await account()).failures).toBe(4);
      expect((await other.take('poll', 10)).granted).toBe(10);
    });

    it('stops everybody after five in a row, longer with each that follows, and never for more than 5 minutes', async () => {
      const [one, other] = processes(2) as [UpstreamBudget, UpstreamBudget];
      await failures(one, 5);
      expect((await other.take('poll', 10)).granted).toBe(0);
      expect((await other.take('submit', 1)).granted).toBe(0);
      const first = (await account()).pauseMs;
      await failures(other, 2);
      expect((await account()).pauseMs).toBeGreaterThan(2 * first);
      await failures(other, 40);
      expect((await account()).pauseMs).toBeLessThanOrEqual(300_000);
    });

    it('lets exactly one probe through when the pause is over, however many want to call', async () => {
      const all = processes(6);
      await failures(all[0]!, 5);
      await pass(6_000);
      const grants = await Promise.all([
        ...all.map((budget) => budget.take('poll', 20)),
        ...all.map((budget) => budget.take('submit', 1)),
      ]);
      expect(sum(grants.map((grant) => grant.granted))).toBe(1);
      expect(grants.filter((grant) => grant.granted === 0).every((grant) => grant.waitMs > 0)).toBe(true);
    });

    it('opens for all once the probe is answered', async () => {
      const [one, other] = processes(2) as [UpstreamBudget, UpstreamBudget];
      await failures(one, 5);
      await pass(6_000);
      expect((await other.take('poll', 20)).granted).toBe(1);
      await other.answered({});
      expect(await account()).toMatchObject({ failures: 0 });
      expect((await one.take('poll', 20)).granted).toBe(20);
    });

    it('closes again when the probe fails', async () => {
      const [one, other] = processes(2) as [UpstreamBudget, UpstreamBudget];
      await failures(one, 5);
      await pass(6_000);
      expect((await other.take('poll', 20)).granted).toBe(1);
      await other.failed();
      expect((await one.take('poll', 20)).granted).toBe(0);
    });

    it('sends another probe if the process with the first one died', async () => {
      const [one, other] = processes(2) as [UpstreamBudget, UpstreamBudget];
      await failures(one, 5);
      await pass(6_000);
      await one.take('poll', 1);
      await pass(30_000);
      expect((await other.take('poll', 1)).granted).toBe(0);
      await pass(30_000);
      expect((await other.take('poll', 1)).granted).toBe(1);
    });
  });

  it('notes the credits that the upstream says are left', async () => {
    const [budget] = processes(1) as [UpstreamBudget];
    await budget.take('poll', 1);
    await budget.answered({ creditsAvailable: 41 });
    expect((await account()).creditsAvailable).toBe(41);
    await budget.answered({});
    expect((await account()).creditsAvailable).toBe(41);
    await budget.answered({ creditsAvailable: 0 });
    expect((await account()).creditsAvailable).toBe(0);
  });
});

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
