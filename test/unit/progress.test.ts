import fc from 'fast-check';
import { forecast, type ForecastInput } from '../../src/jobs/progress';

const submittedAt = new Date(Date.UTC(2026, 5, 1));
const minutes = 60_000;

/** A job that usually takes ten minutes, so long after it was submitted. */
const at = (elapsedMs: number, facts: Partial<ForecastInput> = {}): { progress: number; leftMs: number } => {
  const now = new Date(submittedAt.getTime() + elapsedMs);
  const { progress, readyAt } = forecast({
    now,
    submittedAt,
    typicalMs: 10 * minutes,
    lastProgress: 0,
    ...facts,
  });
  return { progress, leftMs: readyAt.getTime() - now.getTime() };
};

const durations = fc.integer({ min: 0, max: 48 * 60 * minutes });
const percents = fc.option(fc.double({ min: 0, max: 100, noNaN: true }), { nil: undefined });

describe('a forecast by the clock', () => {
  it('begins at nothing with the usual time left', () => {
    expect(at(0)).toEqual({ progress: 0, leftMs: 10 * minutes });
  });

  it('goes with the time to 95 % at the usual end', () => {
    expect(at(5 * minutes)).toEqual({ progress: 47, leftMs: 5 * minutes });
    expect(at(10 * minutes).progress).toBe(95);
  });

  it('creeps on when it takes longer, and expects a tenth of the time so far again', () => {
    expect(at(12 * minutes).progress).toBeGreaterThanOrEqual(95);
    expect(at(20 * minutes)).toEqual({ progress: 97, leftMs: 2 * minutes });
    expect(at(1_000 * minutes).progress).toBeLessThanOrEqual(99);
  });

  it('takes a clock that was set back for no time at all', () => {
    expect(at(-5 * minutes)).toEqual({ progress: 0, leftMs: 10 * minutes });
  });

  it('makes sense of jobs that usually take no time', () => {
    expect(at(0, { typicalMs: 0 })).toEqual({ progress: 0, leftMs: 0 });
    expect(at(minutes, { typicalMs: 0 }).progress).toBe(99);
  });
});

describe('a forecast by the upstream’s word', () => {
  it('tells what it says', () => {
    expect(at(minutes, { reported: 40 }).progress).toBe(40);
    expect(at(minutes, { reported: 40.9 }).progress).toBe(40);
  });

  it('expects the rest to take as long in proportion', () => {
    expect(at(2 * minutes, { reported: 25 }).leftMs).toBe(6 * minutes);
  });

  it('does not count with the first few percent', () => {
    expect(at(minutes, { reported: 1 }).leftMs).toBe(9 * minutes);
  });

  it('does not take 100 % for the end before the state says so', () => {
    expect(at(2 * minutes, { reported: 100 }).progress).toBe(99);
  });
});

describe('every forecast', () => {
  const facts = fc.record({
    elapsed: durations,
    typicalMs: durations,
    reported: percents,
    lastProgress: fc.integer({ min: 0, max: 99 }),
  });

  it('is a whole number from what was told last to 99, and a time that is not in the past', () => {
    fc.assert(
      fc.property(facts, ({ elapsed, ...rest }) => {
        const { progress, leftMs } = at(elapsed, rest);
        expect(Number.isInteger(progress)).toBe(true);
        expect(progress).toBeGreaterThanOrEqual(rest.lastProgress);
        expect(progress).toBeLessThanOrEqual(99);
        expect(leftMs).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it('never goes back from one to the next, whatever the clock and the upstream say', () => {
    const polls = fc.array(fc.record({ elapsed: durations, typicalMs: durations, reported: percents }));
    fc.assert(
      fc.property(polls, (all) => {
        let received = 0;
        for (const { elapsed, ...rest } of all) {
          const { progress } = at(elapsed, { ...rest, lastProgress: received });
          expect(progress).toBeGreaterThanOrEqual(received);
          received = progress;
        }
      }),
    );
  });
});
