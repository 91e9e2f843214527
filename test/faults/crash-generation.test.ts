import { EnvironmentPool } from '../support/environment-pool';
import { runWithCrash, type CrashCell } from './crash-cells';

jest.setTimeout(300_000);

type End = CrashCell['end'];
type Row = readonly [point: CrashCell['point'], nth: number, gateway: End, postgres: End, paid?: number];

/** The steps of a generation from a model, and its end when the gateway, or PostgreSQL alone, is killed at each. */
const way: readonly Row[] = [
  ['mutation:committed', 1, 'done', 'done'],
  // The intent to call is being stored.
  ['move:before-commit', 1, 'done', 'done'],
  // It fetches no photo, so nothing proves that the call did not arrive.
  ['submission:before-call', 1, 'unknown', 'done or refused', 0],
  ['call:written', 1, 'unknown', 'done'],
  ['submission:answered', 1, 'unknown', 'done'],
  ['submission:journaled', 1, 'done', 'done'],
  // The id is being stored.
  ['move:before-commit', 2, 'done', 'done'],
  ['submission:stored', 1, 'done', 'done'],
  ['poll:answered', 1, 'done', 'done'],
  ['move:committed', 1, 'done', 'done'],
  // The upstream's completion and the URLs of its two pictures are being stored.
  ['move:before-commit', 3, 'done', 'done'],
  ['result:fetched', 1, 'done', 'done'],
  ['result:stored', 1, 'done', 'done'],
  // The first or the last picture is being marked as stored.
  ['move:before-commit', 4, 'done', 'done'],
  ['move:before-commit', 5, 'done', 'done'],
  ['result:shown', 1, 'done', 'done'],
  ['result:shown', 2, 'done', 'done'],
];

/** From one photo, which the upstream fetches: only the evidence after a crash around the call differs. */
const instantWay: readonly Row[] = [
  // No photo was fetched, which proves nothing, since the gateway could not serve photos for a while.
  ['submission:before-call', 1, 'unknown', 'done or refused', 0],
  ['call:written', 1, 'unknown', 'done'],
  ['submission:answered', 1, 'unknown', 'done'],
];

/** A retry of the missing picture of a PARTIAL generation. */
const missingWay: readonly Row[] = [
  // The retry is being stored, then the intent to call.
  ['move:before-commit', 1, 'done', 'done'],
  ['mutation:committed', 1, 'done', 'done'],
  ['move:before-commit', 2, 'done', 'done'],
  ['submission:before-call', 1, 'unknown', 'done or refused', 0],
  ['call:written', 1, 'unknown', 'done'],
  ['submission:answered', 1, 'unknown', 'done'],
  ['submission:journaled', 1, 'done', 'done'],
  // The id, the completion and the picture are being stored.
  ['move:before-commit', 3, 'done', 'done'],
  ['poll:answered', 1, 'done', 'done'],
  ['move:before-commit', 4, 'done', 'done'],
  ['result:fetched', 1, 'done', 'done'],
  ['move:before-commit', 5, 'done', 'done'],
  ['result:shown', 1, 'done', 'done'],
];

/** Both processes are killed at the steps from the order to the stored id only: afterwards the next start is as after one. */
const isAroundTheCall = (point: CrashCell['point']): boolean => /^(mutation|submission|call):/.test(point);

function cellsOf(kind: CrashCell['kind'], rows: readonly Row[]): CrashCell[] {
  return rows.flatMap(([point, nth, gateway, postgres, paid = 1]): CrashCell[] => [
    { kind, point, nth, crash: 'gateway', end: gateway, paid },
    { kind, point, nth, crash: 'postgres', end: postgres, paid: 1 },
    ...(isAroundTheCall(point) ? [{ kind, point, nth, crash: 'both', end: gateway, paid } as const] : []),
  ]);
}

const cells = [
  ...cellsOf('generation', way),
  ...cellsOf('instant', instantWay),
  ...cellsOf('missing', missingWay),
];

describe('a crash during a generation', () => {
  const pool = new EnvironmentPool(cells, runWithCrash);

  beforeAll(() => {
    pool.start(6, { ownPostgres: true });
  });

  afterAll(() => pool.close());

  it.each(cells)('$kind, $point ($nth), $crash killed: $end, paid $paid', async (cell) => {
    await expect(pool.result(cell)).resolves.toBeUndefined();
  });
});
