import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { errorOf } from '../../src/client/error-classes.ts';
import { ConnectionFailedError, type LikenessError } from '../../src/client/errors.ts';
import { defaultRetryDelayMs } from '../../src/client/waiting.ts';
import { backoffMs, pause, withinMs, withSignal } from '../../src/core/clock';

const never = new Promise<never>(() => undefined);

describe('back-off', () => {
  it('doubles from the first wait to the maximum', () => {
    const waits = [1, 2, 3, 4, 5, 6, 7].map((tries) => backoffMs(tries, 1_000, 20_000, () => 0));
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000]);
  });

  it('stays within a quarter below its full length, and never exceeds the maximum', () => {
    const facts = fc.record({
      tries: fc.integer({ min: 1, max: 10_000 }),
      firstMs: fc.integer({ min: 1, max: 60_000 }),
      factor: fc.integer({ min: 1, max: 1_000 }),
      random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    });
    fc.assert(
      fc.property(facts, ({ tries, firstMs, factor, random }) => {
        const maxMs = firstMs * factor;
        const full = Math.min(maxMs, firstMs * 2 ** (tries - 1));
        const wait = backoffMs(tries, firstMs, maxMs, () => random);
        expect(wait).toBeLessThanOrEqual(full);
        expect(wait).toBeGreaterThanOrEqual(Math.floor(full * 0.75));
      }),
    );
  });

  it('spreads simultaneous failures', () => {
    const waits = new Set(Array.from({ length: 200 }, () => backoffMs(6, 1_000, 60_000)));
    expect(waits.size).toBeGreaterThan(100);
  });
});

describe('the delay before likeness/client repeats a call', () => {
  const delays = (share: number, error: LikenessError, attempts = [0]): number[] => {
    jest.spyOn(Math, 'random').mockReturnValue(share);
    return attempts.map((attempt) => defaultRetryDelayMs(attempt, error));
  };
  const closed = (code: number): LikenessError => new ConnectionFailedError('closed', {}, code);
  afterEach(() => jest.restoreAllMocks());

  it('grows to 15 seconds, and has any length up to that', () => {
    expect(delays(1, new ConnectionFailedError('lost'), [0, 3, 50])).toEqual([500, 4_000, 15_000]);
    expect(delays(0, new ConnectionFailedError('lost'), [50])).toEqual([0]);
  });

  it('spreads the clients of a server that stops or has too many', () => {
    expect([1_001, 1_012, 1_013, 1_006].flatMap((code) => delays(1, closed(code)))).toEqual([
      3_000, 3_000, 10_000, 500,
    ]);
  });

  it('is never shorter than Retry-After', () => {
    const limited = errorOf('too many', { code: 'RATE_LIMITED', retryAfterSeconds: 7 });
    expect([...delays(0, limited), ...delays(1, limited)]).toEqual([7_000, 7_500]);
  });
});

describe('a pause', () => {
  it('ends early and without an error when its signal is aborted', async () => {
    const abort = new AbortController();
    const pausing = pause(60_000, abort.signal);
    abort.abort();
    await expect(pausing).resolves.toBeUndefined();
  });

  it('does not start if its signal is already aborted', async () => {
    await expect(pause(60_000, AbortSignal.abort())).resolves.toBeUndefined();
  });

  it('leaves no listener on a long-lived signal', async () => {
    const { signal } = new AbortController();
    for (let count = 0; count < 20; count += 1) await pause(0, signal);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

describe('a time limit', () => {
  it('returns a result in time', async () => {
    await expect(withinMs(60_000, Promise.resolve(7), () => new Error('late'))).resolves.toBe(7);
  });

  it('throws an error in time', async () => {
    const failing = Promise.reject(new Error('broken'));
    await expect(withinMs(60_000, failing, () => new Error('late'))).rejects.toThrow('broken');
  });

  it('ends work that ignores its signal', async () => {
    await expect(withinMs(5, never, () => new Error('late'))).rejects.toThrow('late');
  });
});

describe('a signal with a time limit', () => {
  it('aborts with its parent, and leaves no listener in it', async () => {
    const parent = new AbortController();
    const aborted = withSignal(parent.signal, 60_000, (signal) =>
      pause(60_000, signal).then(() => signal.reason as unknown),
    );
    expect(getEventListeners(parent.signal, 'abort')).toHaveLength(1);
    parent.abort('stopping');
    expect(await aborted).toBe('stopping');
    expect(getEventListeners(parent.signal, 'abort')).toEqual([]);
  });

  it('aborts at once if its parent is already aborted', async () => {
    const reason = await withSignal(
      AbortSignal.abort('stopped'),
      60_000,
      async (signal) => signal.reason as unknown,
    );
    expect(reason).toBe('stopped');
  });

  it('aborts after its time', async () => {
    const { signal } = new AbortController();
    const reason = withSignal(signal, 1, (limited) =>
      pause(60_000, limited).then(() => limited.reason as unknown),
    );
    expect(await reason).toMatchObject({ name: 'TimeoutError' });
  });

  it('aborts when its work has ended, so that leftover operations end too', async () => {
    let left: AbortSignal | undefined;
    const work = withSignal(new AbortController().signal, 60_000, (signal) => {
      left = signal;
      throw new Error('failed');
    });
    await expect(work).rejects.toThrow('failed');
    expect(left?.aborted).toBe(true);
  });
});
