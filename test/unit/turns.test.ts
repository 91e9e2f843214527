import { setImmediate as turn } from 'node:timers/promises';
import { Turns, type Steps } from '../../src/core/turns';

/** Takes processor time. */
const busy = (ms: number): void => {
  for (const endMs = performance.now() + ms; performance.now() < endMs;);
};

describe('turns', () => {
  it('run steps in the order in which work was added, after the current turn', async () => {
    const turns = new Turns();
    const steps: string[] = [];
    function* work(name: string, count: number): Steps {
      for (let step = 1; step <= count; step += 1) {
        steps.push(`${name}${step}`);
        yield;
      }
    }
    const first = turns.run(work('a', 2));
    const second = turns.run(work('b', 1)).then(() => steps.push('end of b'));
    expect(steps).toEqual([]);
    await first;
    const third = turns.run(work('c', 1));
    await Promise.all([second, third]);
    expect(steps.filter((step) => step !== 'end of b')).toEqual(['a1', 'a2', 'b1', 'c1']);
  });

  it('leave the event loop to other work every 5 ms', async () => {
    const turns = new Turns();
    let steps = 0;
    function* work(): Steps {
      for (; steps < 50; steps += 1) {
        busy(1);
        yield;
      }
    }
    const done = turns.run(work());
    const perTurn: number[] = [];
    for (let before = 0; steps < 50; before = steps) {
      await turn();
      perTurn.push(steps - before);
    }
    await done;
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(7);
  });

  it('run several short steps in one turn', async () => {
    const turns = new Turns();
    let steps = 0;
    function* work(): Steps {
      for (; steps < 1_000; steps += 1) yield;
    }
    void turns.run(work());
    let count = 0;
    for (; steps < 1_000; count += 1) await turn();
    expect(count).toBeLessThan(100);
  });
});
