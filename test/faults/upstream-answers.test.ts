import { EnvironmentPool } from '../support/environment-pool';
import { runWithAnswerFaults, type AnswerRow } from './answer-rows';
import type { Misbehaviour } from './call-rows';

jest.setTimeout(300_000);

/** The same for a training and a generation: each is polled as often as needed. */
function both(name: string, fault: Misbehaviour, more: Partial<AnswerRow> = {}): AnswerRow[] {
  return [
    { name, kind: 'training', faults: [{ on: 'model', ...fault }], end: 'READY', ...more },
    {
      name,
      kind: 'generation',
      faults: [{ on: 'inference', ...fault }],
      end: 'COMPLETED',
      avatars: 2,
      ...more,
    },
  ];
}

let alternations = 0;

/** For one of both, in turn: whether an answer can be read is found by the same code. */
function either(...row: Parameters<typeof both>): AnswerRow[] {
  alternations += 1;
  return [both(...row)[alternations % 2]!];
}

/** The same with a job that fails upstream, so that it stays failed in every poll. */
function failing(name: string, fault: Misbehaviour, code: string): AnswerRow[] {
  const end = `FAILED ${code}`;
  return [
    { name, kind: 'training', faults: [{ on: 'train', ...fault }], end },
    { name, kind: 'generation', faults: [{ on: 'generate', ...fault }], end, avatars: 0 },
  ];
}

const unknownWord = {
  metric: 'likeness_upstream_unknown_words_total',
  warning: { words: /unknown upstream status/, level: 'warn' },
} as const;

const polls: AnswerRow[] = [
  ...[500, 502, 503, 504].flatMap((status) =>
    either(`${status}, twice`, { kind: 'status', status, times: 2 }),
  ),
  ...either('429 with Retry-After', { kind: 'status', status: 429, headers: { 'Retry-After': '1' } }),
  ...either('401', { kind: 'status', status: 401 }),
  ...both('404, twice and early', { kind: 'status', status: 404, times: 2 }),
  ...either('HTML', { kind: 'html' }),
  ...either('half a JSON', { kind: 'malformed' }),
  ...either('half an answer', { kind: 'truncated' }),
  ...either('an empty answer', { kind: 'empty' }),
  ...either('200 MB of JSON', { kind: 'huge' }),
  ...either('a gzip bomb', { kind: 'gzip-bomb' }),
  ...either('a connection reset', { kind: 'reset-after', times: 2 }),
  ...either('hangs', { kind: 'hang' }),
  ...either('drips', { kind: 'slow', everyMs: 500 }),
  ...either('a redirect', { kind: 'redirect', location: 'http://127.0.0.1:9/secret' }),
  ...both('an unknown word', { kind: 'unknown-status', word: 'RECALIBRATING', times: 2 }, unknownWord),
  ...both('no word', { kind: 'unknown-status', word: '', times: 2 }),
  ...both('an envelope with a word of success around it', { kind: 'nested', times: 10_000 }),
  ...both('a state that goes back', { kind: 'status-back', times: 3 }),
  ...failing('FAILED', { kind: 'failed' }, 'UPSTREAM_FAILED'),
  ...failing('IMAGE_NOT_VALID', { kind: 'image-not-valid' }, 'PHOTO_INVALID'),
];

/** For every poll. */
const always = 10_000;

/** A generation of two pictures with a fault in their download. */
function fetching(name: string, end: string, avatars: number, fault: Misbehaviour): AnswerRow {
  return { name, kind: 'generation', end, avatars, faults: [{ on: 'result', ...fault }] };
}

function delivering(name: string, end: string, avatars: number, fault: Misbehaviour): AnswerRow {
  return { name, kind: 'generation', end, avatars, faults: [{ on: 'generate', ...fault }] };
}

/** Pictures that fail for longer than RESULT_DEADLINE no longer delay the generation, and may arrive later. */
const late = {
  warning: { words: /a finished picture cannot be fetched/, level: 'error' },
  metric: 'likeness_results_delayed_total',
  isLate: true,
} as const;

const pictures: AnswerRow[] = [
  // These two take the whole time limit of a download.
  fetching('hangs', 'COMPLETED', 2, { kind: 'hang' }),
  fetching('drips', 'COMPLETED', 2, { kind: 'slow', everyMs: 500 }),
  ...[404, 403, 500, 503].map((status) =>
    fetching(`${status}, once`, 'COMPLETED', 2, { kind: 'status', status }),
  ),
  fetching('a connection reset, twice', 'COMPLETED', 2, { kind: 'reset-after', times: 2 }),
  fetching('half a picture', 'COMPLETED', 2, { kind: 'truncated' }),
  fetching('a gzip bomb', 'COMPLETED', 2, { kind: 'gzip-bomb' }),
  fetching('one that is no picture', 'COMPLETED', 2, { kind: 'not-an-image', times: 2 }),
  fetching('one that is HTML', 'COMPLETED', 2, { kind: 'html', times: 2 }),
  fetching('one that is empty', 'COMPLETED', 2, { kind: 'empty' }),
  fetching('one of 200 MB', 'COMPLETED', 2, { kind: 'huge' }),
  {
    ...fetching('none that is a picture', 'FAILED RESULT_UNUSABLE', 0, {
      kind: 'not-an-image',
      times: always,
    }),
    ...late,
  },
  {
    ...fetching('none that is there', 'FAILED RESULT_UNREACHABLE', 0, { kind: 'expired', times: always }),
    ...late,
  },
  {
    ...fetching('redirects', 'FAILED RESULT_UNREACHABLE', 0, {
      kind: 'redirect',
      location: 'http://127.0.0.1:9/secret',
      times: always,
    }),
    ...late,
  },
  delivering('DONE without pictures', 'FAILED UPSTREAM_FAILED', 0, { kind: 'no-results' }),
  {
    ...{ name: 'DONE with a URL that is too long', kind: 'generation', end: 'PARTIAL', avatars: 1 },
    faults: [{ on: 'inference', kind: 'long-url', times: always }],
    ...late,
  },
  delivering('DONE with fewer pictures', 'PARTIAL', 1, { kind: 'fewer-results' }),
];

/** The longest rows first. */
const rows = [...pictures, ...polls];

describe('after a paid call', () => {
  const pool = new EnvironmentPool(rows, runWithAnswerFaults);

  beforeAll(() => {
    pool.start(8, { settings: { POLL_TIMEOUT: '2s', RESULT_TIMEOUT: '10s', RESULT_DEADLINE: '10s' } });
  });

  afterAll(() => pool.close());

  it.each(polls)('a poll for a $kind is answered with: $name; $end', async (row) => {
    await expect(pool.result(row)).resolves.toBeUndefined();
  });

  it.each(pictures)('a picture download is answered with: $name; $end', async (row) => {
    await expect(pool.result(row)).resolves.toBeUndefined();
  });
});
