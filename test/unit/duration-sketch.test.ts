import { DurationSketch } from '../../src/jobs/duration-sketch';
import { nextPollMs } from '../../src/jobs/poll-schedule';

const minuteMs = 60_000;
const documented = new DurationSketch();
documented.add({ minMs: 5 * minuteMs, maxMs: 20 * minuteMs }, 1);

describe('the time of the next poll', () => {
  const durations = documented.quantiles();
  const limits = { minMs: 5_000, maxMs: 10 * minuteMs };

  it('is at least the minimum and at most the maximum from the last one, in every case', () => {
    for (const spacing of [0, 1, 1e3, 1e9]) {
      for (const elapsedMs of [0, minuteMs, 10 * minuteMs, 1e4 * minuteMs]) {
        const waitMs = nextPollMs(durations, elapsedMs, spacing, limits);
        expect(waitMs).toBeGreaterThanOrEqual(limits.minMs);
        expect(waitMs).toBeLessThanOrEqual(limits.maxMs);
      }
    }
  });
});

describe('a sketch', () => {
  const minutesOf = (sketch: DurationSketch): number => sketch.quantiles()[10]! / minuteMs;
  const learned = (count: number, minutes: number, sketch = new DurationSketch()): DurationSketch => {
    for (let index = 0; index < count; index += 1) {
      sketch.learn({ minMs: minutes * minuteMs, maxMs: minutes * minuteMs });
    }
    return sketch;
  };

  it('has the durations within 5 %', () => {
    expect(minutesOf(learned(20, 10)) / 10).toBeCloseTo(1, 1);
  });

  it('forgets slowly', () => {
    const sketch = learned(1_000, 20);
    expect(minutesOf(learned(50, 5, sketch))).toBeGreaterThan(15);
    expect(minutesOf(learned(400, 5, sketch))).toBeLessThan(6);
  });

  it('has a bounded size, for any durations', () => {
    const sketch = new DurationSketch();
    for (const ms of [0, 1, 1e3, 1e6, 1e9, 1e15, Number.MAX_SAFE_INTEGER])
      sketch.learn({ minMs: 0, maxMs: ms });
    expect(Object.keys(sketch.bins).length).toBeLessThanOrEqual(513);
    for (const ms of sketch.quantiles()) expect(Number.isSafeInteger(ms)).toBe(true);
    expect(sketch.total).toBeCloseTo(7, 0);
  });

  it('ignores stored bins that it does not have', () => {
    expect(new DurationSketch({ '-1': 1, '9999': 1, x: 1, '3': -1 }).total).toBe(0);
  });

  it('narrows observations whose end is known only roughly by the others', () => {
    const sketch = learned(100, 10);
    for (let index = 0; index < 50; index += 1) sketch.learn({ minMs: 5 * minuteMs, maxMs: 20 * minuteMs });
    const durations = sketch.quantiles();
    expect(durations[16]! / minuteMs).toBeLessThan(12);
  });
});
