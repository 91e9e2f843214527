import { DurationSketch } from '../../src/jobs/duration-sketch';
import { remainingQuantile, type Durations } from '../../src/jobs/durations';
import { nextPollMs, pollEffort } from '../../src/jobs/poll-schedule';
import { numbersFrom } from '../support/random';

/** A training: its duration in seconds, and its class, which is known when it is submitted. */
interface Training {
  seconds: number;
  jobClass: number;
}

const random = numbersFrom(12_345);
const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

const lognormal = (): Training => {
  const seconds = 540 * Math.exp(0.33 * normal());
  return seconds >= 300 && seconds <= 1_200 ? { seconds, jobClass: 0 } : lognormal();
};

const fourClasses = (): Training => {
  const jobClass = Math.floor(random() * 4);
  return { jobClass, seconds: [360, 540, 780, 1_080][jobClass]! * Math.max(0.8, 1 + 0.08 * normal()) };
};

const families: Record<string, () => Training> = {
  'evenly distributed, 5 to 20 minutes': () => ({ seconds: 300 + 900 * random(), jobClass: 0 }),
  'lognormal, with a median of 9 minutes': lognormal,
  'of four classes, each within 8 %': fourClasses,
};

const minuteMs = 60_000;
const documented = new DurationSketch();
documented.add({ minMs: 5 * minuteMs, maxMs: 20 * minuteMs }, 1);

/** Some 12 to 40 polls per training, which find its end after 5 seconds on average. */
const spacing = 15;

/** What has been learned of the classes. As in the gateway, expectations are some observations old. */
class Learner {
  private readonly sketches = new Map<number, DurationSketch>();
  private readonly expected = new Map<number, Durations>();
  private observations = 0;

  expect(jobClass: number): Durations {
    const known = this.expected.get(jobClass);
    if (known) return known;
    const sketch = new DurationSketch(this.of(jobClass).bins);
    sketch.blend(documented, 30 / (10 + sketch.total));
    const durations = sketch.quantiles();
    this.expected.set(jobClass, durations);
    return durations;
  }

  learn(jobClass: number, minMs: number, maxMs: number): void {
    this.observations += 1;
    if (this.observations % 10 === 0) this.expected.clear();
    this.of(jobClass).learn({ minMs, maxMs });
  }

  private of(jobClass: number): DurationSketch {
    const sketch = this.sketches.get(jobClass) ?? new DurationSketch();
    this.sketches.set(jobClass, sketch);
    return sketch;
  }
}

interface Polled {
  calls: number;
  foundMs: number;
  delayMs: number;
  /** Whether the training ended within the interval that was expected at its start. */
  isInside: boolean;
}

/** Polls trainings until they end, one after the other, and learns from what the polls find. */
function pollAll(trainings: readonly Training[]): Polled[] {
  const learner = new Learner();
  return trainings.map(({ seconds, jobClass }) => {
    const ms = seconds * 1_000;
    const durations = learner.expect(jobClass);
    let [calls, runningMs, foundMs] = [0, 0, 0];
    while (foundMs < ms) {
      runningMs = foundMs;
      foundMs += nextPollMs(durations, foundMs, spacing, { minMs: 1, maxMs: 10 * minuteMs });
      calls += 1;
    }
    learner.learn(jobClass, runningMs, foundMs);
    const [earliestMs, latestMs] = [0.1, 0.9].map((share) => remainingQuantile(durations, 0, share));
    const isInside = foundMs >= earliestMs! && foundMs <= latestMs!;
    return { calls, foundMs, delayMs: foundMs - ms, isInside };
  });
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * The least mean delay that any times of polls have for a mean number of polls, in seconds, if all durations are known in
 * advance: by dynamic programming, for a cost of a poll with which they use that number.
 */
function leastDelay(trainings: readonly Training[], calls: number): number {
  const classes = [0, 1, 2, 3].map((jobClass) => trainings.filter((each) => each.jobClass === jobClass));
  const grids = classes.map((all) =>
    gridOf(
      all.map(({ seconds }) => seconds),
      trainings.length,
    ),
  );
  let [low, high] = [0.01, 1_000];
  let best = { calls: 0, delay: Infinity };
  for (let step = 0; step < 12; step += 1) {
    const cost = Math.sqrt(low * high);
    const plans = grids.map((grid) => bestPlan(grid, cost));
    const sum = (key: 'calls' | 'delay'): number => plans.reduce((total, plan) => total + plan[key], 0);
    best = { calls: sum('calls'), delay: sum('delay') };
    if (best.calls > calls) low = cost;
    else high = cost;
  }
  return best.delay;
}

const gridSeconds = 4;

/** The times at which polls are possible, with the share of trainings that have ended and the sum of their durations. */
function gridOf(seconds: readonly number[], all: number): { at: number; ended: number; sum: number }[] {
  const sorted = [...seconds].sort((a, b) => a - b);
  const grid = [{ at: 0, ended: 0, sum: 0 }];
  let [next, sum] = [0, 0];
  for (let at = Math.floor(sorted[0] ?? 0); next < sorted.length; at += gridSeconds) {
    for (; next < sorted.length && sorted[next]! <= at; next += 1) sum += sorted[next]!;
    grid.push({ at, ended: next / all, sum: sum / all });
  }
  return grid;
}

function bestPlan(grid: ReturnType<typeof gridOf>, cost: number): { calls: number; delay: number } {
  const last = grid.at(-1)!;
  const plans = grid.map(() => ({ calls: 0, delay: 0, cost: 0 }));
  for (let from = grid.length - 2; from >= 0; from -= 1) {
    const start = grid[from]!;
    const calls = last.ended - start.ended;
    let best = { calls: 0, delay: 0, cost: Infinity };
    for (let to = from + 1; to < grid.length; to += 1) {
      const { at, ended, sum } = grid[to]!;
      const delay = at * (ended - start.ended) - (sum - start.sum);
      const whole = cost * calls + delay + plans[to]!.cost;
      if (whole < best.cost) {
        best = { calls: calls + plans[to]!.calls, delay: delay + plans[to]!.delay, cost: whole };
      }
    }
    plans[from] = best;
  }
  return plans[0]!;
}

describe.each(Object.entries(families))('trainings that are %s', (name, next) => {
  const trainings = Array.from({ length: 2_500 }, next);
  const isOfClasses = name.includes('classes');
  const polled = pollAll(trainings);

  it('are found within 1.1 of the least possible delay for the number of polls', () => {
    const later = polled.slice(1_000);
    const calls = meanOf(later.map((each) => each.calls));
    const delay = meanOf(later.map(({ delayMs }) => delayMs)) / 1_000;
    expect(calls).toBeGreaterThan(10);
    expect(delay / leastDelay(trainings, calls)).toBeLessThan(1.1);
  });

  it('end within the expected interval in 75 to 85 of 100 cases, from the first to the 2,000th', () => {
    const first = polled.slice(0, 2_000);
    const inside = first.filter(({ isInside }) => isInside).length / first.length;
    expect(inside).toBeGreaterThan(0.75);
    expect(inside).toBeLessThan(0.85);
  });

  it('need about as many polls as planned', () => {
    const learner = new Learner();
    for (const { seconds, jobClass } of trainings.slice(0, 500)) {
      learner.learn(jobClass, seconds * 1_000, seconds * 1_000);
    }
    const classes = isOfClasses ? [0, 1, 2, 3] : [0];
    const planned = meanOf(classes.map((jobClass) => pollEffort(learner.expect(jobClass)) / spacing));
    const calls = meanOf(polled.map((each) => each.calls));
    expect(calls / planned).toBeGreaterThan(0.8);
    expect(calls / planned).toBeLessThan(1.25);
  });
});
