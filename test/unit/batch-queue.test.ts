import { setImmediate as turn } from 'node:timers/promises';
import { BatchQueue } from '../../src/core/batch-queue';
import { until } from '../support/until';

describe('a batch queue', () => {
  it('reads keys of one turn together, and those requested during a read in the next batch', async () => {
    const batches: (readonly number[])[] = [];
    let answer: () => void = () => undefined;
    const queue = new BatchQueue<number, number>(async (keys) => {
      batches.push(keys);
      await new Promise<void>((resolve) => (answer = resolve));
      return keys.map((key) => key * 10);
    });
    const early = [1, 2].map((key) => queue.load(key));
    await turn();
    const late = [3, 4, 3].map((key) => queue.load(key));
    await turn();
    late.push(queue.load(5));
    await turn();
    expect(batches).toEqual([[1, 2]]);
    answer();
    expect(await Promise.all(early)).toEqual([10, 20]);
    await until(() => batches.length === 2);
    answer();
    expect(await Promise.all(late)).toEqual([30, 40, 30, 50]);
    expect(batches).toEqual([
      [1, 2],
      [3, 4, 3, 5],
    ]);
  });

  it('starts a batch at least 4 ms after the last one if requests arrived meanwhile', async () => {
    const startsMs: number[] = [];
    const queue = new BatchQueue<number, number>(async (keys) => {
      startsMs.push(performance.now());
      await turn();
      return keys;
    });
    const loads: Promise<number>[] = [];
    while (startsMs.length < 10) {
      loads.push(queue.load(loads.length));
      await turn();
    }
    expect(await Promise.all(loads)).toEqual(loads.map((_load, index) => index));
    // A timer is early by the time for which the event loop was busy when it was set, so that one interval may be shorter.
    expect(startsMs.at(-1)! - startsMs[0]!).toBeGreaterThan(9 * 2);
  });

  it('limits the keys per batch', async () => {
    const sizes: number[] = [];
    const queue = new BatchQueue<number, number>((keys) => {
      sizes.push(keys.length);
      return Promise.resolve(keys);
    }, 2);
    await Promise.all([1, 2, 3, 4, 5].map((key) => queue.load(key)));
    expect(sizes).toEqual([2, 2, 1]);
  });

  it('rejects the requests of a failed batch only', async () => {
    const queue = new BatchQueue<number, number>(
      (keys) => (keys.includes(1) ? Promise.reject(new Error('broken')) : Promise.resolve(keys)),
      1,
    );
    const results = await Promise.allSettled([queue.load(1), queue.load(2)]);
    expect(results).toMatchObject([{ reason: { message: 'broken' } }, { value: 2 }]);
  });
});
