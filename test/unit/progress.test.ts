import fc from 'fast-check';
import { generationKind } from '../../src/generations/generation.kind';
import { meanDuration, progressAt, remainingQuantile } from '../../src/jobs/durations';
import {
  afterPoll,
  currentProgress,
  isSeen,
  readyEstimate,
  shownProgress,
  startPace,
  type PacedJob,
} from '../../src/jobs/pace';
import { modelKind } from '../../src/models/model.kind';

const startMs = Date.UTC(2026, 5, 1);
const minuteMs = 60_000;

/** Evenly distributed durations. */
const even = (minMs: number, maxMs: number): number[] =>
  Array.from({ length: 21 }, (_, index) => Math.round(minMs + ((maxMs - minMs) * index) / 20));
/** Of Picsart's trainings, as documented. */
const trainings = even(5 * minuteMs, 20 * minuteMs);

const training = (durations = trainings): PacedJob => ({
  status: 'TRAINING',
  progress: 0,
  submittedAt: new Date(startMs),
  pace: startPace(durations, startMs, true),
});

const polled = (job: PacedJob, reported: number | undefined, afterMs: number): PacedJob => ({
  ...job,
  ...afterPoll(modelKind, job, reported, startMs + afterMs),
});

/** The progress that is shown in each second. */
const shownEachSecond = (job: PacedJob, fromMs: number, toMs: number): number[] =>
  Array.from({ length: (toMs - fromMs) / 1_000 }, (_, second) =>
    shownProgress(modelKind, job, startMs + fromMs + second * 1_000),
  );

const minutesOf = (time: Date): number => Math.round(((time.getTime() - startMs) / minuteMs) * 10) / 10;

describe('the progress of a job without reports', () => {
  it('is the elapsed share of the expected duration', () => {
    const at = (minutes: number): number =>
      currentProgress(modelKind, training(), startMs + minutes * minuteMs);
    expect([0, 5, 10, 15, 19].map(at)).toEqual([0, 38, 64, 83, 94]);
  });

  it('goes on in small steps, less than 100, when the job takes ten times as long as all others', () => {
    const shown = shownEachSecond(training(), 0, 200 * minuteMs);
    const steps = shown.slice(1).map((progress, index) => progress - shown[index]!);
    expect([...new Set(steps)].sort()).toEqual([0, 1]);
    expect(shown[21 * 60]).toBeLessThan(shown.at(-1)!);
    expect(shown.at(-1)).toBeLessThan(100);
  });

  it('is shown later than it is stored with a change, so that the change of a slower clock does not go back', () => {
    for (let ms = 0; ms < 20 * minuteMs; ms += 500) {
      const shown = shownProgress(modelKind, training(), startMs + ms + 1_500);
      expect(shown).toBeLessThanOrEqual(currentProgress(modelKind, training(), startMs + ms));
    }
  });

  it('is at least the stored one when the clock is set back', () => {
    const job = { ...training(), progress: 60 };
    expect(currentProgress(modelKind, job, startMs - minuteMs)).toBe(60);
  });

  it('does not exceed 80 % of a generation before its pictures are stored', () => {
    const job = { ...training(even(20_000, 60_000)), status: 'GENERATING' };
    const progress = currentProgress(generationKind, job, startMs + 10 * minuteMs);
    expect(progress).toBeLessThan(80);
    expect(progress).toBeGreaterThan(75);
  });

  it.each([0, 1, 2 ** 32])('is a number from 0 to 99 for jobs that take %d ms', (ms) => {
    const job = training(even(ms, ms));
    for (const elapsedMs of [-minuteMs, 0, 1, minuteMs, 1e12]) {
      const progress = currentProgress(modelKind, job, startMs + elapsedMs);
      expect(progress).toBeGreaterThanOrEqual(0);
      expect(progress).toBeLessThanOrEqual(99);
      const estimate = readyEstimate(modelKind, job, startMs + elapsedMs)!;
      expect(estimate.earliest.getTime()).toBeLessThanOrEqual(estimate.latest.getTime());
    }
  });

  it('is the stored one of a job that has ended, waits, or was submitted by an earlier version', () => {
    const late = startMs + 10 * minuteMs;
    for (const job of [
      { ...training(), status: 'FAILED', progress: 40 },
      { ...training(), pace: null, progress: 40 },
    ]) {
      expect(shownProgress(modelKind, job, late)).toBe(40);
      expect(readyEstimate(modelKind, job, late)).toBeNull();
    }
  });
});

describe('progress that the avatar service reports', () => {
  it('is reached in steps of at most 10 points per second, also with the progress by time', () => {
    const job = polled(training(), 90, 5 * minuteMs);
    const shown = shownEachSecond(job, 5 * minuteMs, 8 * minuteMs);
    expect(shown[0]).toBeLessThan(45);
    expect(shown[20]).toBeGreaterThanOrEqual(90);
    shown.slice(1).forEach((progress, index) => {
      expect(progress - shown[index]!).toBeLessThanOrEqual(10);
    });
  });

  it('lets the progress continue as fast as it was reported', () => {
    const job = polled(training(), 50, 2.5 * minuteMs);
    expect(currentProgress(modelKind, job, startMs + 4 * minuteMs)).toBeGreaterThanOrEqual(75);
  });

  it('is not shown as 100, and not taken back, when it says so too early and goes back', () => {
    let job = training();
    for (const [index, reported] of [100, 10, 100, 0, undefined].entries()) {
      job = polled(job, reported, (index + 1) * minuteMs);
    }
    expect(shownProgress(modelKind, job, startMs + 6 * minuteMs)).toBe(99);
  });

  it('is reached although later reports are less', () => {
    const job = polled(polled(training(), 90, minuteMs), 10, minuteMs + 2_000);
    expect(currentProgress(modelKind, job, startMs + 2 * minuteMs)).toBe(90);
  });

  it('is reached as fast when the job is polled often', () => {
    let job = polled(training(), 90, minuteMs);
    for (let ms = minuteMs; ms <= minuteMs + 10_000; ms += 70) job = polled(job, 90, ms);
    expect(job.progress).toBeGreaterThanOrEqual(48);
  });

  it('is seen by subscribers if it is more, or means that the job takes more than a tenth longer', () => {
    const first = polled(training(), 50, 5 * minuteMs);
    const at = (minutes: number): PacedJob => ({
      ...polled(first, 50, minutes * minuteMs),
      progress: first.progress,
    });
    expect([5.1, 5.4, 5.6, 9].map((minutes) => isSeen(first, at(minutes)))).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(isSeen(first, { ...polled(first, 51, 5.1 * minuteMs), progress: first.progress })).toBe(true);
  });

  it('does not move what is likely out of the interval', () => {
    const slow = polled(training(), 5, 5 * minuteMs);
    const { likely, latest } = readyEstimate(modelKind, slow, startMs + 5 * minuteMs)!;
    expect(likely).toEqual(latest);
  });

  it('decides what is likely inside the interval, which it does not change', () => {
    const [silent, quick] = [
      polled(training(), undefined, 2 * minuteMs),
      polled(training(), 20, 2 * minuteMs),
    ];
    const estimates = [silent, quick].map((job) => readyEstimate(modelKind, job, startMs + 2 * minuteMs)!);
    expect(estimates.map(({ likely }) => minutesOf(likely))).toEqual([12.5, 10]);
    expect(estimates.map(({ earliest }) => minutesOf(earliest))).toEqual([6.5, 6.5]);
    expect(estimates.map(({ latest }) => minutesOf(latest))).toEqual([18.5, 18.5]);
  });
});

describe('an estimate', () => {
  it('is put off while the job runs longer than others', () => {
    const latest = [1, 10, 19, 25, 50].map((minutes) =>
      minutesOf(readyEstimate(modelKind, training(), startMs + minutes * minuteMs)!.latest),
    );
    expect(latest).toEqual([...latest].sort((a, b) => a - b));
    expect(latest.at(-1)).toBeGreaterThan(60);
  });

  it('is never in the past', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 100 * minuteMs }),
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        (ms, share) => {
          expect(remainingQuantile(trainings, ms, share)).toBeGreaterThanOrEqual(ms);
        },
      ),
    );
  });
});

const distributions = fc
  .array(fc.integer({ min: 0, max: 40 * minuteMs }), { minLength: 21, maxLength: 21 })
  .map((all) => all.sort((a, b) => a - b));

describe('every progress', () => {
  it('never decreases with time, for any durations', () => {
    const times = fc.array(fc.integer({ min: 0, max: 100 * minuteMs }), { minLength: 2 });
    fc.assert(
      fc.property(distributions, times, (durations, all) => {
        const shown = all.sort((a, b) => a - b).map((ms) => progressAt(durations, ms));
        expect(shown).toEqual([...shown].sort((a, b) => a - b));
        expect(meanDuration(durations)).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it('never decreases for any reports, at any times, as two processes show it', () => {
    const steps = fc.array(
      fc.record({
        waitMs: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 5 * minuteMs })),
        reported: fc.option(fc.double({ min: 0, max: 100, noNaN: true }), { nil: undefined }),
        isPoll: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(distributions, steps, (durations, all) => {
        let job = training(durations);
        // As a subscriber knows the job: from the last poll that appended an event.
        let known = job;
        let [nowMs, shown] = [0, 0];
        for (const { waitMs, reported, isPoll } of all) {
          nowMs += waitMs;
          // The other process still shows the job as it was.
          const next = isPoll ? polled(job, reported, nowMs) : job;
          for (const each of [known, job, next]) {
            const progress = shownProgress(modelKind, each, startMs + nowMs);
            expect(progress).toBeGreaterThanOrEqual(shown);
            expect(progress).toBeLessThanOrEqual(99);
            shown = progress;
          }
          expect(isPoll ? next.progress : shown).toBeGreaterThanOrEqual(shown);
          if (isSeen(job, next)) known = next;
          job = next;
        }
      }),
    );
  });
});
