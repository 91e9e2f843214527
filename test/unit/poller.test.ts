import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createLogger } from '../../src/core/logger';
import { Poller, type PeriodicTask } from '../../src/poller/poller';
import { until } from '../support/until';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const task = (pass: PeriodicTask['run'], more: Partial<PeriodicTask> = {}): PeriodicTask => ({
  name: 'test',
  run: pass,
  idleMs: 60_000,
  wakeable: true,
  ...more,
});

const started = (...tasks: PeriodicTask[]): Poller => {
  const poller = new Poller(tasks, createLogger('silent'));
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
    const before = await heapAfter(10_000);
    const after = await heapAfter(60_000);
    await poller.stop(1_000);
    expect(after - before).toBeLessThan(50_000 * 20);
  });

  it('ends the wait of wakeable tasks alone at a wake-up', async () => {
    const passes = { wakeable: 0, other: 0 };
    const poller = started(
      task(async () => ((passes.wakeable += 1), 0)),
      task(async () => ((passes.other += 1), 0), { wakeable: false }),
    );
    await until(() => passes.wakeable === 1 && passes.other === 1);
    poller.wake();
    await until(() => passes.wakeable === 2);
    expect(passes.other).toBe(1);
    await poller.stop(1_000);
  });

  it('stops without waiting for the next pass of any task', async () => {
    let passes = 0;
    const pass = async (): Promise<number> => ((passes += 1), 0);
    const poller = started(task(pass), task(pass, { wakeable: false }));
    await until(() => passes === 2);
    await new Promise(setImmediate);
    let isStopped = false;
    void poller.stop(50_000).then(() => (isStopped = true));
    await until(() => isStopped);
  });

  it('does not wait for what a pass has started before the next pass, but before it has stopped', async () => {
    let passes = 0;
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const poller = started(task(async () => ((passes += 1), { started: passes < 3 ? 1 : 0, ended })));
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
    const pass = { started: 1, ended: Promise.resolve(), restMs: 60_000 };
    let others = 0;
    const poller = started(
      task(async () => ((passes += 1), pass)),
      task(async () => ((others += 1), 0)),
    );
    await until(() => passes === 1 && others === 1);
    await new Promise(setImmediate);
    poller.wake();
    await until(() => others === 2);
    expect(passes).toBe(1);
    await poller.stop(1_000);
  });
});
