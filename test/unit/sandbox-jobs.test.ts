import { resultCount, statusAt, tempoOf } from '../../src/sandbox/jobs';

const times = { startedAtMs: 1_000, doneAtMs: 2_000 };

describe('sandbox jobs', () => {
  it.each([
    [1_000, { status: 'ACCEPTED' }],
    [1_099, { status: 'ACCEPTED' }],
    [1_100, { status: 'IN_PROGRESS', progress: 1 }],
    [1_550, { status: 'IN_PROGRESS', progress: 50 }],
    [1_999, { status: 'IN_PROGRESS', progress: 99 }],
    [2_000, { status: 'DONE' }],
    [9_000_000, { status: 'DONE' }],
  ])('are at %i ms: %j', (nowMs, status) => {
    expect(statusAt({ ...times, outcome: 'done' }, nowMs)).toEqual(status);
  });

  it.each([
    ['failed', 'FAILED'],
    ['image-not-valid', 'IMAGE_NOT_VALID'],
    ['never-done', 'IN_PROGRESS'],
    ['fewer-results', 'DONE'],
    ['no-results', 'DONE'],
  ] as const)('that are to end as %s end as %s, and not before their time', (outcome, status) => {
    expect(statusAt({ ...times, outcome }, 1_500).status).toBe('IN_PROGRESS');
    expect(statusAt({ ...times, outcome }, 3_000).status).toBe(status);
  });

  it('have the requested number of results', () => {
    const avatars = [
      { style: 'noir', prompt: '' },
      { style: 'anime', prompt: '' },
    ];
    expect(resultCount({ avatars, outcome: 'done' })).toBe(2);
    expect(resultCount({ avatars, outcome: 'fewer-results' })).toBe(1);
    expect(resultCount({ avatars, outcome: 'no-results' })).toBe(0);
  });

  it('take the real times, divided by the speed', () => {
    expect(tempoOf(1)).toEqual({ trainingMs: 1_200_000, generationMs: 60_000, resultTtlMs: 172_800_000 });
    expect(tempoOf(60)).toEqual({ trainingMs: 20_000, generationMs: 1_000, resultTtlMs: 2_880_000 });
  });
});
