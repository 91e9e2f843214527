import fc from 'fast-check';
import { forecast, type ForecastInput } from '../../src/jobs/forecast';

const submittedAt = new Date(Date.UTC(2026, 5, 1));
const minutes = 60_000;

/** A job with a typical duration of ten minutes, so long after its submission. */
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
  it('starts at 0 with the typical duration left', () => {
    expect(at(0)).toEqual({ progress: 0, leftMs: 10 * minutes });
  });

  it('grows linearly to 95 % at the typical duration', () => {
    expect(at(5 * minutes)).toEqual({ progress: 47, leftMs: 5 * minutes });
    expect(at(10 * minutes).progress).toBe(95);
  });

  it('grows slowly after that, and expects another tenth of the elapsed time', () => {
    expect(at(12 * minutes).progress).toBeGreaterThanOrEqual(95);
    expect(at(20 * minutes)).toEqual({ progress: 97, leftMs: 2 * minutes });
    expect(at(1_000 * minutes).progress).toBeLessThanOrEqual(99);
  });

  it('treats a clock set back as no elapsed time', () => {
    expect(at(-5 * minutes)).toEqual({ progress: 0, leftMs: 10 * minutes });
  });

  it('handles a typical duration of 0', () => {
    expect(at(0, { typicalMs: 0 })).toEqual({ progress: 0, leftMs: 0 });
    expect(at(minutes, { typicalMs: 0 }).progress).toBe(99);
  });
});

describe('a forecast from upstream progress', () => {
  it('returns the reported value', () => {
    expect(at(minutes, { reported: 40 }).progress).toBe(40);
    expect(at(minutes, { reported: 40.9 }).progress).toBe(40);
  });

  it('expects the rest to take as long in proportion', () => {
    expect(at(2 * minutes, { reported: 25 }).leftMs).toBe(6 * minutes);
  });

  it('ignores the first few percent', () => {
    expect(at(minutes, { reported: 1 }).leftMs).toBe(9 * minutes);
  });

  it('stays below 100 % until the state is final', () => {
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

  it('is an integer from the last reported value to 99, with a time that is not in the past', () => {
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

  it('never decreases, for any clock and upstream values', () => {
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
