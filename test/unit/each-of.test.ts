import { setImmediate as soon } from 'node:timers/promises';
import { eachOf } from '../../src/core/iterators';

describe('eachOf', () => {
  it('does everything, with at most so many items at once', async () => {
    const done: number[] = [];
    let running = 0;
    let most = 0;
    await eachOf([1, 2, 3, 4, 5], 2, async (item) => {
      most = Math.max(most, (running += 1));
      await soon();
      running -= 1;
      done.push(item);
    });
    expect([done.sort(), most]).toEqual([[1, 2, 3, 4, 5], 2]);
  });

  it('ends with the first error when nothing runs any longer, and begins nothing after it', async () => {
    const begun: number[] = [];
    const ended: number[] = [];
    const work = async (item: number): Promise<void> => {
      begun.push(item);
      if (item === 1) throw new Error('the first');
      await soon();
      ended.push(item);
    };
    await expect(eachOf([1, 2, 3, 4], 2, work)).rejects.toThrow('the first');
    expect([begun, ended]).toEqual([[1, 2], [2]]);
  });
});
