import { readProgress, readReason } from '../../src/upstream/picsart/wire-format';

/** Processor time in microseconds. */
const workOf = (run: () => void): number => {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return user + system;
};

describe('text of the avatar service', () => {
  const size = 60_000;

  it.each([
    ['a progress of spaces', () => readProgress({ progress: `1${' '.repeat(size)}x` })],
    ['a progress of digits', () => readProgress({ progress: `${'1'.repeat(size)}x` })],
    [
      'a reason of letters',
      () => readReason({ detail: Array.from({ length: 500 }, () => 'a'.repeat(2_000)) }),
    ],
    [
      'a reason of questions',
      () => readReason({ detail: Array.from({ length: 500 }, () => '?a'.repeat(1_000)) }),
    ],
    [
      'a reason in lists',
      () => readReason({ detail: JSON.parse(`${'['.repeat(size)}${']'.repeat(size)}`) as unknown }),
    ],
  ])('is read in bounded time: %s', (_what, read) => {
    // Quadratic work costs thousands of times as much as reading the text once.
    const control = workOf(() => {
      for (let round = 0; round < 60; round += 1) 'a '.repeat(size).split(' ');
    });
    let answer: unknown;
    const work = workOf(() => (answer = read()));
    expect(work).toBeLessThan(control);
    expect(String(answer).length).toBeLessThanOrEqual(500);
  });

  it('loses its URLs and keeps its words', () => {
    const reason = readReason({
      detail: ['cannot fetch https://a.example/x?sig=1 now', { msg: 'see "http://b" or c?token=2&d=3' }],
    });
    expect(reason).toBe('cannot fetch [address] now; see [address] or [address]');
    expect(readProgress({ progress: ' 42.5 % ' })).toBe(42.5);
  });
});
