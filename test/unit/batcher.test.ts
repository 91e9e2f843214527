import { Batcher } from '../../src/core/batcher';
import { pause } from '../../src/core/clock';

describe('a batcher', () => {
  it('processes items together that are added while the first one waits', async () => {
    const batches: string[][] = [];
    const batcher = new Batcher<string>((items) => Promise.resolve(void batches.push(items)), 20);
    const first = batcher.add('a');
    await pause(1);
    await Promise.all([first, batcher.add('b')]);
    expect(batches).toEqual([['a', 'b']]);
  });

  it('processes items in the next batch that are added while one is processed', async () => {
    const batches: string[][] = [];
    const added: Promise<void>[] = [];
    const batcher = new Batcher<string>((items) => {
      batches.push(items);
      if (items.includes('a')) added.push(batcher.add('b'), batcher.add('c'));
      return items.includes('a') ? Promise.reject(new Error('failed')) : Promise.resolve();
    });
    await expect(batcher.add('a')).rejects.toThrow('failed');
    await Promise.all(added);
    expect(batches).toEqual([['a'], ['b', 'c']]);
  });
});
