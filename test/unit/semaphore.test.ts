import { readOwnerWeights } from '../../src/core/owner-weights';
import { Semaphore, type SemaphoreOptions } from '../../src/core/semaphore';

/** Work that ends on request of the test. */
interface Job {
  started: boolean;
  finish: () => void;
  fail: (error: Error) => void;
  result: Promise<string>;
}

function enter(gate: Semaphore, name: string, options?: SemaphoreOptions): Job {
  const job: Job = {
    started: false,
    finish: () => undefined,
    fail: () => undefined,
    result: Promise.resolve(''),
  };
  const work = new Promise<string>((resolve, reject) => {
    job.finish = () => {
      resolve(name);
    };
    job.fail = reject;
  });
  job.result = gate.run(() => {
    job.started = true;
    return work;
  }, options);
  return job;
}

const full = new Error('full');
const startedAmong = (jobs: readonly Job[]): number => jobs.filter((job) => job.started).length;

describe('a semaphore', () => {
  it('admits up to its capacity, and queued work in order', async () => {
    const gate = new Semaphore(2, 10, () => full);
    const jobs = ['a', 'b', 'c', 'd'].map((name) => enter(gate, name));
    expect(jobs.map((job) => job.started)).toEqual([true, true, false, false]);
    jobs[1]!.finish();
    await expect(jobs[1]!.result).resolves.toBe('b');
    expect(jobs.map((job) => job.started)).toEqual([true, true, true, false]);
    jobs[0]!.finish();
    await jobs[0]!.result;
    expect(jobs.map((job) => job.started)).toEqual([true, true, true, true]);
    jobs.forEach((job) => job.finish());
    await expect(Promise.all(jobs.map((job) => job.result))).resolves.toEqual(['a', 'b', 'c', 'd']);
  });

  it('serves owners in turn, and the work of one owner in order', async () => {
    const gate = new Semaphore(1, 10, () => full);
    const names = ['anna 1', 'anna 2', 'anna 3', 'bob 1', 'carl 1', 'bob 2'];
    const jobs = names.map((name) => enter(gate, name, { key: name.split(' ')[0] }));
    const order: string[] = [];
    for (const job of jobs) void job.result.then((name) => order.push(name));
    while (order.length < names.length) {
      jobs.filter(({ started }) => started).forEach(({ finish }) => finish());
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(order).toEqual(['anna 1', 'anna 2', 'bob 1', 'carl 1', 'anna 3', 'bob 2']);
  });

  /** The order in which work ends, one at a time. */
  async function orderOf(jobs: readonly Job[]): Promise<string[]> {
    const order: string[] = [];
    for (const job of jobs) void job.result.then((name) => order.push(name));
    while (order.length < jobs.length) {
      jobs.filter(({ started }) => started).forEach(({ finish }) => finish());
      await new Promise((resolve) => setImmediate(resolve));
    }
    return order;
  }

  it('serves owners by the cost of their work', async () => {
    const gate = new Semaphore(1, 20, () => full);
    const costs: Record<string, number> = { anna: 3, bob: 1 };
    const names = ['anna 1', 'anna 2', 'anna 3', 'bob 1', 'bob 2', 'bob 3', 'bob 4', 'carl 1'];
    const jobs = names.map((name) => {
      const [key] = name.split(' ');
      return enter(gate, name, { key: key!, cost: costs[key!] ?? 1 });
    });
    expect(await orderOf(jobs)).toEqual([
      ...['anna 1', 'anna 2', 'bob 1', 'carl 1', 'bob 2', 'bob 3', 'anna 3', 'bob 4'],
    ]);
  });

  it('serves an owner of weight 3 three times as often', async () => {
    const gate = new Semaphore(1, 20, () => full, readOwnerWeights('anna=3'));
    const names = ['bob 1', 'anna 1', 'anna 2', 'anna 3', 'anna 4', 'anna 5', 'anna 6', 'bob 2', 'bob 3'];
    const order = await orderOf(names.map((name) => enter(gate, name, { key: name.split(' ')[0] })));
    expect(order.slice(0, 5).filter((name) => name.startsWith('anna'))).toHaveLength(3);
    expect(order.slice(0, 9).filter((name) => name.startsWith('anna'))).toHaveLength(6);
  });

  it('gives owners no credit for the time before they came', async () => {
    const gate = new Semaphore(1, 20, () => full);
    const names = ['bob 1', 'bob 2', 'bob 3', 'bob 4', 'bob 5'];
    const jobs = names.map((name) => enter(gate, name, { key: 'bob' }));
    for (const job of jobs.slice(0, 3)) {
      job.finish();
      await job.result;
    }
    jobs.push(...['anna 1', 'anna 2'].map((name) => enter(gate, name, { key: 'anna' })));
    expect((await orderOf(jobs)).slice(3)).toEqual(['bob 4', 'anna 1', 'bob 5', 'anna 2']);
  });

  it('remembers the cost of an owner whose work is requested one at a time', async () => {
    const gate = new Semaphore(1, 20, () => full);
    const jobs = [1, 2, 3, 4, 5].map((number) => enter(gate, `bob ${number}`, { key: 'bob' }));
    const order: string[] = [];
    const next = (number: number): void => {
      const job = enter(gate, `anna ${number}`, { key: 'anna', cost: 3 });
      jobs.push(job);
      void job.result.then(() => number < 2 && next(number + 1));
    };
    next(1);
    while (order.length < 7) {
      for (const job of jobs.filter(({ started }) => started).splice(-1)) {
        job.finish();
        order.push(await job.result);
        jobs.splice(jobs.indexOf(job), 1);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(order).toEqual(['bob 1', 'bob 2', 'anna 1', 'bob 3', 'bob 4', 'anna 2', 'bob 5']);
  });

  it('rejects at once if the queue is full', async () => {
    const gate = new Semaphore(1, 2, () => full);
    const jobs = ['in', 'first', 'second'].map((name) => enter(gate, name));
    await expect(enter(gate, 'third').result).rejects.toBe(full);
    jobs[0]!.finish();
    await jobs[0]!.result;
    const fourth = enter(gate, 'fourth');
    [...jobs, fourth].forEach((job) => job.finish());
    await expect(fourth.result).resolves.toBe('fourth');
  });

  it('rejects work over its capacity if it has no queue', async () => {
    const gate = new Semaphore(1, 0, () => full);
    const inside = enter(gate, 'in');
    await expect(enter(gate, 'out').result).rejects.toBe(full);
    inside.finish();
    await inside.result;
    const next = enter(gate, 'next');
    next.finish();
    await expect(next.result).resolves.toBe('next');
  });

  it('releases the permit of failed work, and rethrows its error', async () => {
    const gate = new Semaphore(1, 1, () => full);
    const [broken, next] = [enter(gate, 'broken'), enter(gate, 'next')];
    broken.fail(new Error('broken'));
    await expect(broken.result).rejects.toThrow('broken');
    next.finish();
    await expect(next.result).resolves.toBe('next');
  });

  it('releases the permit of work that throws synchronously', async () => {
    const gate = new Semaphore(1, 0, () => full);
    const throwing = gate.run(() => {
      throw new Error('at once');
    });
    await expect(throwing).rejects.toThrow('at once');
    const next = enter(gate, 'next');
    next.finish();
    await expect(next.result).resolves.toBe('next');
  });

  it('removes aborted work from its queue, and starts the rest in order', async () => {
    const gate = new Semaphore(1, 3, () => full);
    const [first, last] = [new AbortController(), new AbortController()];
    const running = enter(gate, 'running', { signal: first.signal });
    const waiting = [
      enter(gate, 'anna', { key: 'anna', signal: first.signal }),
      enter(gate, 'bob 1', { key: 'bob' }),
      enter(gate, 'bob 2', { key: 'bob', signal: last.signal }),
    ];
    first.abort(new Error('aborted'));
    await expect(waiting[0]!.result).rejects.toThrow('aborted');
    await expect(enter(gate, 'late', { signal: first.signal }).result).rejects.toThrow('aborted');
    const next = enter(gate, 'next', { key: 'carl' });
    await expect(enter(gate, 'one too many').result).rejects.toBe(full);
    last.abort(new Error('aborted'));
    await expect(waiting[2]!.result).rejects.toThrow('aborted');
    for (const job of [running, waiting[1]!, next]) {
      expect(job.started).toBe(true);
      job.finish();
      await job.result;
    }
    expect([waiting[0]!.started, waiting[2]!.started]).toEqual([false, false]);
    const free = enter(gate, 'free');
    expect(free.started).toBe(true);
    free.finish();
  });

  it('finishes work that runs when it is aborted', async () => {
    const gate = new Semaphore(1, 1, () => full);
    const controller = new AbortController();
    const running = enter(gate, 'running');
    const next = enter(gate, 'next', { signal: controller.signal });
    running.finish();
    await running.result;
    controller.abort();
    next.finish();
    await expect(next.result).resolves.toBe('next');
    const free = enter(gate, 'free');
    expect(free.started).toBe(true);
    free.finish();
  });

  it('never exceeds its capacity, and uses all of it while work waits', async () => {
    const gate = new Semaphore(3, 500, () => full);
    const jobs = Array.from({ length: 200 }, (_, index) => enter(gate, String(index)));
    for (let ended = 0; ended < jobs.length; ended += 1) {
      expect(startedAmong(jobs) - ended).toBe(Math.min(3, jobs.length - ended));
      const job = jobs[ended]!;
      if (ended % 3 === 0) job.fail(new Error('broken'));
      else job.finish();
      await job.result.catch(() => undefined);
    }
    expect(startedAmong(jobs)).toBe(200);
  });
});
