import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { dueAt } from '../../src/core/due';
import { createLogger } from '../../src/core/logger';
import type { Sql } from '../../src/core/sql';
import { Agenda } from '../../src/poller/agenda';
import { Poller, type PeriodicTask } from '../../src/poller/poller';
import { until } from '../support/until';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** The due times of all tasks with {@link due}, in milliseconds from each read. */
let dueInMs: number | null;
let reads: number;
const database = {
  rows: (_: string) => (
    (reads += 1),
    Promise.resolve([{ dueInMs: Array<number | null>(100).fill(dueInMs) }])
  ),
} as unknown as Sql;
const due = dueAt('now()');

beforeEach(() => {
  dueInMs = null;
  reads = 0;
});

const task = (pass: PeriodicTask['run'], more: Partial<PeriodicTask> = {}): PeriodicTask => ({
  name: 'test',
  run: pass,
  idleMs: 60_000,
  ...more,
});

const started = (...tasks: PeriodicTask[]): Poller => {
  const poller = new Poller(tasks, new Agenda(database, { maxAgeMs: 60_000 }), createLogger('silent'));
  poller.start();
  return poller;
};

describe('poller', () => {
  it('does not retain memory for waits between its passes', async () => {
    let passes = 0;
    const poller = started(
      ...Array.from({ length: 100 }, () => task(async () => ((passes += 1), 0), { idleMs: 1 })),
    );
    const heapAfter = async (count: number): Promise<number> => {
      await until(() => passes >= count);
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    const before = await heapAfter(5_000);
    const after = await heapAfter(20_000);
    await poller.stop(1_000);
    expect(after - before).toBeLessThan(15_000 * 20);
  });

  it('runs a task when its work becomes due, after one read', async () => {
    let passes = 0;
    dueInMs = 20;
    const poller = started(task(async () => ((passes += 1), passes === 1 ? 1 : 0), { due }));
    await until(() => passes === 3);
    expect(reads).toBe(1);
    await poller.stop(1_000);
  });

  it('reads once for all tasks that start to wait together, and at a wake-up', async () => {
    let passes = 0;
    const poller = started(
      ...Array.from({ length: 50 }, () => task(async () => ((passes += 1), 0), { due })),
      task(async () => ((passes += 1), 0)),
    );
    await until(() => passes === 51 && reads === 1);
    poller.wake();
    await until(() => reads === 2);
    expect(passes).toBe(51);
    dueInMs = 0;
    poller.wake();
    poller.wake();
    await until(() => passes === 101);
    await poller.stop(1_000);
  });

  it('rests when work seems due that a pass does not find, until a wake-up', async () => {
    let passes = 0;
    dueInMs = -1;
    const poller = started(task(async () => ((passes += 1), 0), { due }));
    await until(() => passes === 2);
    for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate);
    expect(passes).toBe(2);
    poller.wake();
    await until(() => passes === 3);
    await poller.stop(1_000);
  });

  it('does not shorten the pause of a paced task at a wake-up', async () => {
    const passes = { paced: 0, other: 0 };
    dueInMs = -1;
    const poller = started(
      task(async () => ((passes.paced += 1), 0), { due, isPaced: true }),
      task(async () => ((passes.other += 1), 0), { due }),
    );
    await until(() => passes.paced === 2 && passes.other === 2);
    poller.wake();
    await until(() => passes.other === 3);
    expect(passes.paced).toBe(2);
    await poller.stop(1_000);
  });

  it('reads again when work that a pass has started ends, because it may have a new due time', async () => {
    let end: () => void = () => undefined;
    const work = [new Promise<void>((resolve) => (end = resolve))];
    let passes = 0;
    const poller = started(task(async () => ((passes += 1), passes === 1 ? { work } : 0), { due }));
    await until(() => reads === 1);
    dueInMs = 0;
    end();
    await until(() => passes === 3);
    await poller.stop(1_000);
  });

  it('runs tasks that wait when due times cannot be read, so that their failure is reported', async () => {
    let passes = 0;
    const broken = { rows: () => Promise.reject(new Error('down')) } as unknown as Sql;
    const poller = new Poller(
      [task(async () => ((passes += 1), 0), { due, idleMs: 1 })],
      new Agenda(broken),
      createLogger('silent'),
    );
    poller.start();
    await until(() => passes > 5);
    await poller.stop(1_000);
  });

  it('reads due times on the connection for wake-ups if nothing has happened, unless it is missing or fails', async () => {
    let passes = 0;
    let onWakeups = 0;
    let state: 'works' | 'missing' | 'fails' = 'works';
    const readByWakeups = (): Promise<{ dueInMs: null[] }[]> | null => {
      if (state === 'missing') return null;
      onWakeups += 1;
      return state === 'works' ? Promise.resolve([{ dueInMs: [null] }]) : Promise.reject(new Error('lost'));
    };
    const agenda = new Agenda(database, { maxAgeMs: 1, readByWakeups });
    const poller = new Poller(
      [task(async () => ((passes += 1), 0), { due })],
      agenda,
      createLogger('silent'),
    );
    poller.start();
    try {
      await until(() => onWakeups > 2);
      for (const then of ['missing', 'fails'] as const) {
        state = then;
        const before = reads;
        await until(() => reads > before + 1);
      }
      const before = onWakeups;
      await until(() => onWakeups > before);
      expect(passes).toBe(1);
    } finally {
      await poller.stop(1_000);
    }
  });

  it('stops without waiting for the next pass of any task', async () => {
    let passes = 0;
    const pass = async (): Promise<number> => ((passes += 1), 0);
    const poller = started(task(pass), task(pass, { due }));
    await until(() => passes === 2);
    await new Promise(setImmediate);
    let isStopped = false;
    void poller.stop(50_000).then(() => (isStopped = true));
    await until(() => isStopped);
  });

  it('does not wait for what a pass has started before the next pass, but before it has stopped', async () => {
    let passes = 0;
    let end: () => void = () => undefined;
    const work = [new Promise<void>((resolve) => (end = resolve))];
    const poller = started(task(async () => ((passes += 1), { work: passes < 3 ? work : [] })));
    await until(() => passes === 3);
    let isStopped = false;
    void poller.stop(50_000).then(() => (isStopped = true));
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
    expect(isStopped).toBe(false);
    end();
    await until(() => isStopped);
  });

  it('rests as long as a pass requests, regardless of wake-ups', async () => {
    let passes = 0;
    const pass = { work: [Promise.resolve()], restMs: 60_000 };
    let others = 0;
    dueInMs = -1;
    const poller = started(
      task(async () => ((passes += 1), pass), { due }),
      task(async () => ((others += 1), 0), { due }),
    );
    await until(() => passes === 1 && others === 2);
    await new Promise(setImmediate);
    poller.wake();
    await until(() => others === 3);
    expect(passes).toBe(1);
    await poller.stop(1_000);
  });
});
