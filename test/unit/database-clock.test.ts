import type { Sql } from '../../src/core/sql';
import { DatabaseClock } from '../../src/database/database-clock';

/** The database's time is that of this machine plus an hour. */
const aheadMs = 3_600_000;

/** A database that answers after the given times, in milliseconds; later reads take one. Each reads the time at its end. */
function databaseWith(...durationsMs: number[]): Sql {
  const rows = (): Promise<{ ms: number }[]> => {
    jest.advanceTimersByTime(durationsMs.shift() ?? 1);
    return Promise.resolve([{ ms: Date.now() + aheadMs }]);
  };
  return { rows } as unknown as Sql;
}

/** By how many milliseconds a clock differs from the database's. */
function errorOf(clock: DatabaseClock): number {
  const nowMs = Date.now() + aheadMs;
  return Math.abs(clock.nowMs() - nowMs);
}

describe('the time of the database', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('is read again if the first read was slow', async () => {
    const clock = await DatabaseClock.start(databaseWith(6_000, 10));
    expect(errorOf(clock)).toBeLessThanOrEqual(5);
  });

  it('is taken from the quickest read of a slow database', async () => {
    const clock = await DatabaseClock.start(databaseWith(6_000, 400, 8_000));
    expect(errorOf(clock)).toBeLessThanOrEqual(200);
  });

  it('is not changed by slow reads once it was read quickly', async () => {
    const clock = await DatabaseClock.start(databaseWith(10, 6_000, 7_000, 8_000));
    await clock.read();
    expect(errorOf(clock)).toBeLessThanOrEqual(5);
  });
});
