import { LearnedDurations } from '../../src/jobs/forecast';

const defaultMs = 5_000;

/** Reads these durations, and counts the reads. */
const past = (...durations: number[]): jest.Mock<Promise<number[]>, []> =>
  jest.fn(() => Promise.resolve(durations));

describe('learned durations', () => {
  it.each([
    [[3_000, 1_000, 1_234], 1_234],
    [[4_000, 1_000, 2_000, 3_000], 2_500],
  ])('are the median of observed durations: %j', async (durations, median) => {
    const learned = new LearnedDurations();
    await expect(learned.typicalMs('training/MAN', past(...durations), defaultMs)).resolves.toBe(median);
  });

  it.each([[[]], [[1_234, 1_234]]])('are the default of the provider after %j', async (durations) => {
    const learned = new LearnedDurations();
    await expect(learned.typicalMs('training/MAN', past(...durations), defaultMs)).resolves.toBe(defaultMs);
  });

  it('are read once for concurrent callers, separately for each kind', async () => {
    const learned = new LearnedDurations();
    const read = past(1, 2, 3);
    await Promise.all(Array.from({ length: 50 }, () => learned.typicalMs('training/MAN', read, defaultMs)));
    expect(read).toHaveBeenCalledTimes(1);
    await learned.typicalMs('training/CAT', read, defaultMs);
    expect(read).toHaveBeenCalledTimes(2);
  });

  it('are read again after a minute', async () => {
    const startedMs = performance.now();
    const clock = jest.spyOn(performance, 'now').mockReturnValue(startedMs);
    jest.useFakeTimers({ doNotFake: ['performance'] });
    const afterSeconds = (seconds: number): void => {
      clock.mockReturnValue(startedMs + seconds * 1_000);
      jest.runAllTimers();
    };
    try {
      const learned = new LearnedDurations();
      await learned.typicalMs('training/MAN', past(1, 1, 1), defaultMs);
      afterSeconds(59);
      await expect(learned.typicalMs('training/MAN', past(2, 2, 2), defaultMs)).resolves.toBe(1);
      afterSeconds(61);
      await expect(learned.typicalMs('training/MAN', past(3, 3, 3), defaultMs)).resolves.toBe(3);
    } finally {
      jest.useRealTimers();
      clock.mockRestore();
    }
  });

  it('do not cache a database outage', async () => {
    const learned = new LearnedDurations();
    const away = (): Promise<number[]> => Promise.reject(new Error('The database is away.'));
    await expect(learned.typicalMs('training/MAN', away, defaultMs)).rejects.toThrow('away');
    await expect(learned.typicalMs('training/MAN', past(1, 2, 3), defaultMs)).resolves.toBe(2);
  });
});
