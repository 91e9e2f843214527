import { EnvironmentPool } from '../support/environment-pool';
import { cellsOf, runWithCrash, type CrashRow } from './crash-cells';

jest.setTimeout(300_000);

/** The steps of a generation from a model, and its end when the gateway, or PostgreSQL alone, is killed at each. */
const way: readonly CrashRow[] = [
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

/** From one photo, which the upstream fetches: only the evidence after a crash of the gateway around the call differs. */
const instantWay: readonly CrashRow[] = [
  // No photo was fetched, which proves nothing, since the gateway could not serve photos for a while.
  ['submission:before-call', 1, 'unknown', 'done or refused', 0],
  ['call:written', 1, 'unknown', 'done'],
  ['submission:answered', 1, 'unknown', 'done'],
];

/** A retry of the missing picture of a PARTIAL generation, when the gateway is killed. */
const missingWay: readonly CrashRow[] = [
  // The retry is being stored, then the intent to call.
  ['move:before-commit', 1, 'done', 'done'],
  ['mutation:committed', 1, 'done', 'done'],
  ['move:before-commit', 2, 'done', 'done'],
  ['submission:before-call', 1, 'unknown', 'done or refused', 0],
  ['call:written', 1, 'unknown', 'done'],
  ['submission:journaled', 1, 'done', 'done'],
  // The id, the completion and the picture are being stored.
  ['move:before-commit', 3, 'done', 'done'],
  ['move:before-commit', 4, 'done', 'done'],
  ['move:before-commit', 5, 'done', 'done'],
];

/** The steps whose statements are not those of every generation: the retry, its call, and the picture that joins the others. */
const missingInOutage = missingWay.filter(
  ([point, nth]) =>
    /^(mutation|call)/.test(point) || (point === 'move:before-commit' && (nth === 1 || nth === 5)),
);

const cells = [
  ...cellsOf('generation', way),
  ...cellsOf('instant', instantWay, ['gateway']),
  ...cellsOf('missing', missingWay, ['gateway']),
  ...cellsOf('missing', missingInOutage, ['postgres']),
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
