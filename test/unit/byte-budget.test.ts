import { setImmediate as soon } from 'node:timers/promises';
import { ByteBudget } from '../../src/photos/byte-budget';

const full = (): Error => new Error('full');

/** Work that goes on until it is ended. */
function openWork(): { run: () => Promise<void>; end: () => void; isRunning: () => boolean } {
  let end: () => void = () => undefined;
  let isRunning = false;
  const run = (): Promise<void> => {
    isRunning = true;
    return new Promise((resolve) => {
      end = () => {
        isRunning = false;
        resolve();
      };
    });
  };
  return { run, end: () => end(), isRunning: () => isRunning };
}

describe('ByteBudget', () => {
  it('lets small work run together and large work alone, in the order of asking', async () => {
    const budget = new ByteBudget(1000, 10, full);
    const works = [400, 400, 900, 100].map((bytes) => {
      const work = openWork();
      return { ...work, done: budget.run(bytes, work.run) };
    });
    const running = (): boolean[] => works.map((work) => work.isRunning());
    expect(running()).toEqual([true, true, false, false]);

    works[0]!.end();
    await soon();
    expect(running()).toEqual([false, true, false, false]);

    works[1]!.end();
    await soon();
    expect(running()).toEqual([false, false, true, true]);

    for (const work of works) work.end();
    await Promise.all(works.map((work) => work.done));
  });

  it('runs what is larger than the whole budget alone', async () => {
    await expect(new ByteBudget(10, 0, full).run(1_000_000, () => Promise.resolve('done'))).resolves.toBe(
      'done',
    );
  });

  it('refuses what would wait behind a full queue, and gives back what failed', async () => {
    const budget = new ByteBudget(10, 0, full);
    const work = openWork();
    const running = budget.run(10, work.run);
    await expect(budget.run(1, () => Promise.resolve())).rejects.toThrow('full');
    work.end();
    await running;

    await expect(budget.run(10, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
    await expect(budget.run(10, () => Promise.resolve('done'))).resolves.toBe('done');
  });
});
