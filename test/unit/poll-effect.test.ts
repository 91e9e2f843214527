import type { JobRow } from '../../src/jobs/job.kind';
import { nextWatchMs } from '../../src/jobs/late-watch';
import { effectOf, type PollAnswer, type PollEffect } from '../../src/jobs/poll-effect';
import { modelKind } from '../../src/models/model.kind';
import { picsartFacts } from '../../src/upstream/picsart/facts';
import {
  failed,
  isNotFound,
  isUnauthorized,
  limits,
  hasUnknownStatus,
  running,
  timesOut,
} from '../support/scripted-provider';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const startMs = Date.UTC(2026, 10, 1);

/** A training that is polled at times chosen by the test; changes of a poll are kept. */
class PolledJob {
  readonly waits: (number | null)[] = [];
  row = {
    status: 'TRAINING',
    progress: 0,
    submittedAt: new Date(startMs),
    deadlineAt: new Date(startMs + 30 * 24 * hourMs),
    polls: 0,
    tries: 0,
    notFoundSince: null,
    notFoundCount: 0,
    lastRunningAt: null,
    lastError: null,
  } as unknown as JobRow;
  private nowMs = startMs;

  constructor(private readonly speed = 1) {}

  /** Polls so many times, each after the given time, and returns the last outcome. */
  poll(answer: PollAnswer, times = 1, afterMs = 0): PollEffect {
    const { trainingPoll, lostAfterMs, modelRetentionMs } = picsartFacts(this.speed, []);
    let outcome: PollEffect | undefined;
    for (let time = 0; time < times; time += 1) {
      this.nowMs += afterMs;
      outcome = effectOf(this.row, answer, {
        now: new Date(this.nowMs),
        pollPlan: trainingPoll,
        retentionMs: modelRetentionMs,
        lostAfterMs,
        kind: modelKind,
        nextPollMs: trainingPoll.nextMs,
        answeredAtMs: this.nowMs,
      });
      if (outcome.then === 'fail') return outcome;
      this.row = { ...this.row, ...(outcome.set as Partial<JobRow>) };
      this.waits.push(outcome.dueInMs);
    }
    return outcome!;
  }
}

const lost = { then: 'fail', why: { code: 'MODEL_LOST_UPSTREAM', retryable: true } };

describe('answers of 404', () => {
  it('mean "lost" after 30 minutes and 10 of them', () => {
    const job = new PolledJob();
    job.poll(isNotFound());
    expect(job.poll(isNotFound(), 29, minuteMs)).toMatchObject({ then: 'stay' });
    expect(job.poll(isNotFound(), 1, minuteMs)).toMatchObject(lost);
  });

  it('do not mean "lost" before the tenth, regardless of the time', () => {
    const job = new PolledJob();
    expect(job.poll(isNotFound(), 9, 10 * minuteMs)).toMatchObject({ then: 'stay' });
    expect(job.poll(isNotFound())).toMatchObject(lost);
  });

  it('are the only ones that count', () => {
    const job = new PolledJob();
    job.poll(timesOut(), 50, minuteMs);
    expect(job.poll(isNotFound())).toMatchObject({ then: 'stay' });
  });

  it.each<[string, PollAnswer, number]>([
    ['running', running(10), 1],
    ['an unknown status word', hasUnknownStatus(), 1],
    ['a refusal of another kind', isUnauthorized(), 1],
    ['five polls in a row without an answer', timesOut(), 5],
    ['five requests to come back later', limits(1_000), 5],
  ])('are counted from the start after %s', (_, between, times) => {
    const job = new PolledJob();
    job.poll(isNotFound(), 9, 4 * minuteMs);
    job.poll(between, times, minuteMs);
    expect(job.poll(isNotFound(), 9, 4 * minuteMs)).toMatchObject({ then: 'stay' });
    expect(job.poll(isNotFound())).toMatchObject(lost);
  });

  it('still count after a few polls without an answer', () => {
    const job = new PolledJob();
    for (let time = 0; time < 9; time += 1) {
      job.poll(isNotFound(), 1, 2 * minuteMs);
      job.poll(timesOut(), 4, minuteMs / 2);
    }
    expect(job.poll(isNotFound())).toMatchObject(lost);
  });

  it('use growing intervals that fit all attempts into the time limit', () => {
    const job = new PolledJob();
    job.poll(isNotFound(), 20);
    expect(job.waits[0]).toBeLessThanOrEqual(2_000);
    expect(job.waits.at(-1)).toBeGreaterThanOrEqual(45_000);
    const first = job.waits.slice(0, 10) as number[];
    expect(first.reduce((sum, ms) => sum + ms)).toBeLessThan(30 * minuteMs);
  });

  it('have a shorter time limit with a faster upstream', () => {
    const job = new PolledJob(60);
    job.poll(isNotFound(), 9, 3_000);
    expect(job.waits.at(-1)).toBeLessThanOrEqual(1_500);
    expect(job.poll(isNotFound(), 1, 6_000)).toMatchObject(lost);
  });
});

describe('polls of a running job', () => {
  it('record when the upstream last worked on it', () => {
    const job = new PolledJob();
    job.poll(running(10), 1, minuteMs);
    const knownAt = new Date(startMs + minuteMs);
    expect(job.row.lastRunningAt).toEqual(knownAt);
    for (const answer of [timesOut(), isNotFound(), hasUnknownStatus()]) job.poll(answer, 1, minuteMs);
    expect(job.row.lastRunningAt).toEqual(knownAt);
  });

  it.each([timesOut(), isNotFound(), limits(86_400_000), running()])(
    'are made at the deadline, and not after it',
    (answer) => {
      const job = new PolledJob();
      job.row.deadlineAt = new Date(startMs + 1_000);
      expect(job.poll(answer)).toMatchObject({ then: 'stay' });
      expect(job.waits[0]).toBeLessThanOrEqual(1_000);
      expect(job.poll(answer, 1, 1_000)).toMatchObject({ then: 'fail', why: { code: 'UPSTREAM_TIMEOUT' } });
    },
  );
});

describe('polls of a failed job', () => {
  it.each([timesOut(), isNotFound(), running(50), failed(), limits(1_000)])(
    'change no visible state',
    (answer) => {
      const job = new PolledJob();
      job.row.status = 'FAILED';
      expect(job.poll(answer, 30, 5 * minuteMs)).toMatchObject({ then: 'stay', appendsEvent: false });
      expect(job.row).toMatchObject({ status: 'FAILED', progress: 0 });
    },
  );

  it.each<[string, number, number, number]>([
    ['a model, 30 days', 30 * 24 * hourMs, 2 * minuteMs, 250],
    ['a generation, 48 hours', 48 * hourMs, 10_000, 160],
  ])('use growing intervals until the retention period ends: %s', (_, retentionMs, nextMs, maxPolls) => {
    const plan = { pollPlan: { firstMs: nextMs, nextMs }, retentionMs };
    const failedMs = startMs + hourMs;
    const row = { submittedAt: new Date(startMs), deadlineAt: new Date(failedMs + retentionMs) };
    const waits: number[] = [];
    let nowMs = failedMs;
    for (;;) {
      const ms = nextWatchMs(row, new Date(nowMs), plan);
      if (ms === null) break;
      waits.push(ms);
      nowMs += ms;
    }
    expect(nowMs).toBe(failedMs + retentionMs);
    expect(waits[0]).toBeLessThanOrEqual(10 * minuteMs);
    expect(Math.max(...waits)).toBeLessThanOrEqual(retentionMs / 120);
    expect(waits.at(-2)).toBeGreaterThan(2 * waits[0]!);
    expect(waits.length).toBeLessThan(maxPolls);
  });
});
