import type { Sql } from '../../src/core/sql';
import { LearnedDurations } from '../../src/jobs/learned-durations';

/** A database with so many jobs and this median. */
class Past implements Pick<Sql, 'rows'> {
  asked = 0;
  isAway = false;

  constructor(
    private readonly seen: number,
    private readonly median: number | null,
  ) {}

  rows<Row>(): Promise<Row[]> {
    this.asked += 1;
    if (this.isAway) return Promise.reject(new Error('The database is away.'));
    return Promise.resolve([{ median: this.median, seen: this.seen }] as Row[]);
  }
}

const usual = (durations: LearnedDurations, kind = 'training/MAN'): Promise<number> =>
  durations.typicalMs(kind, 'SELECT 1 AS ms', [], 5_000);

describe('learned durations', () => {
  it('are the median of observed durations', async () => {
    await expect(usual(new LearnedDurations(new Past(3, 1_234)))).resolves.toBe(1_234);
  });

  it.each([
    [0, null],
    [2, 1_234],
  ])('are the default of the provider after %d jobs', async (seen, median) => {
    await expect(usual(new LearnedDurations(new Past(seen, median)))).resolves.toBe(5_000);
  });

  it('are read once for concurrent callers, separately for each kind', async () => {
    const past = new Past(3, 1_234);
    const durations = new LearnedDurations(past);
    await Promise.all(Array.from({ length: 50 }, () => usual(durations)));
    expect(past.asked).toBe(1);
    await usual(durations, 'training/CAT');
    expect(past.asked).toBe(2);
  });

  it('do not cache a database outage', async () => {
    const past = new Past(3, 1_234);
    const durations = new LearnedDurations(past);
    past.isAway = true;
    await expect(usual(durations)).rejects.toThrow('away');
    past.isAway = false;
    await expect(usual(durations)).resolves.toBe(1_234);
  });
});
