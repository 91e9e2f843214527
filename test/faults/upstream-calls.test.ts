import type { SandboxFault } from '../../src/sandbox/faults';
import { EnvironmentPool } from '../support/environment-pool';
import type { JobKind } from '../support/faults-jobs';
import { runWithFault, type CallEnd, type CallRow, type Misbehaviour } from './call-rows';

jest.setTimeout(300_000);

const kinds: readonly JobKind[] = ['training', 'generation'];

function both(name: string, fault: Misbehaviour, end: CallEnd, more: Partial<CallRow> = {}): CallRow[] {
  return kinds.map((kind) => ({ name, kind, fault, end, executed: end !== 'waits', ...more }));
}

let alternations = 0;

/** For one kind, in turn: both read answers with the same code, and differ only in what is evident afterwards. */
function either(...row: Parameters<typeof both>): CallRow[] {
  alternations += 1;
  return both(...row).filter(({ kind }) => kind === kinds[alternations % 2]);
}

const answered = { hasEvidence: true };
const status = (code: number, more: Partial<Extract<SandboxFault, { kind: 'status' }>> = {}) =>
  ({ kind: 'status', status: code, ...more }) as const;

/** The outcome is unknown, and the call was executed. */
const unclear: CallRow[] = [
  ...both('hangs, executed', { kind: 'hang' }, 'unknown'),
  ...either('drips a byte every half second', { kind: 'slow', everyMs: 500 }, 'unknown', answered),
  ...[500, 502, 503, 504].flatMap((code) =>
    either(`${code}, executed`, status(code, { executed: true, body: '<h1>Oops</h1>' }), 'unknown', answered),
  ),
  ...both('a connection reset after the call', { kind: 'reset-after' }, 'unknown'),
  ...either('HTML', { kind: 'html' }, 'unknown', answered),
  ...either('half a JSON', { kind: 'malformed' }, 'unknown', answered),
  ...either('half an answer', { kind: 'truncated' }, 'unknown', answered),
  ...either('an empty answer', { kind: 'empty' }, 'unknown', answered),
  ...either('no id', { kind: 'no-id' }, 'unknown', answered),
  ...either('200 MB of JSON', { kind: 'huge' }, 'unknown', answered),
  ...either('a gzip bomb', { kind: 'gzip-bomb' }, 'unknown', answered),
  ...either(
    'an id that is not a string',
    status(202, { executed: true, body: { model_id: 7, inference_id: {} } }),
    'unknown',
    answered,
  ),
  ...either(
    'another envelope',
    status(200, { executed: true, body: { result: [{ id: 'x' }] } }),
    'unknown',
    answered,
  ),
  ...both('the id of another job', { kind: 'duplicate-id' }, 'unknown'),
];

/** The same, but not executed: missing photo fetches prove it for a training, and nothing proves it for a generation. */
const unclearNotExecuted: CallRow[] = [
  ...both('500, not executed', status(500), 'resubmitted'),
  ...both('a connection reset before the call', { kind: 'reset-before' }, 'resubmitted'),
  ...both('hangs, not executed', { kind: 'hang', executed: false }, 'resubmitted'),
  ...both('a redirect', { kind: 'redirect', location: 'http://127.0.0.1:9/secret' }, 'resubmitted'),
].map((row) => (row.kind === 'generation' ? { ...row, end: 'unknown', executed: false } : row));

const refused: CallRow[] = [
  ...[400, 413].flatMap((code) => either(String(code), status(code), 'UPSTREAM_REJECTED')),
  ...either('422', status(422, { body: { detail: 'The type is not supported.' } }), 'UPSTREAM_REJECTED'),
  ...both(
    '422 for a photo',
    status(422, { body: { detail: 'Failed to download image 3' } }),
    'PHOTO_UNREACHABLE',
  ),
  ...both('404', status(404), 'MODEL_LOST_UPSTREAM'),
];

/** The account is refused: the job waits until the account is checked. */
const later: CallRow[] = [
  ...both('401', status(401), 'waits', { waitMs: 900 }),
  ...either('402', status(402), 'waits', { waitMs: 900 }),
  ...either('403', status(403), 'waits'),
  ...either('429 with Retry-After', status(429, { headers: { 'Retry-After': '2' } }), 'waits', {
    waitMs: 2_000,
  }),
  ...either(
    '429 with a reset time',
    status(429, { headers: { 'X-Picsart-Ratelimit-Reset-Time': '3' } }),
    'waits',
    {
      waitMs: 3_000,
    },
  ),
  ...either('503 with Retry-After', status(503, { headers: { 'Retry-After': '2' } }), 'waits', {
    waitMs: 2_000,
  }),
];

const rows = [...unclear, ...unclearNotExecuted, ...refused, ...later];

describe('a paid call with a faulty response', () => {
  const pool = new EnvironmentPool(rows, runWithFault);

  beforeAll(() => {
    pool.start(8, { settings: { SUBMIT_TIMEOUT: '6s', UNCERTAIN_GRACE: '10s' } });
  });

  afterAll(() => pool.close());

  it.each(rows)('$kind, $name: $end', async (row) => {
    await expect(pool.result(row)).resolves.toBeUndefined();
  });
});
