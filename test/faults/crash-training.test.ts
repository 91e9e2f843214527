import { EnvironmentPool } from '../support/environment-pool';
import { cellsOf, runWithCrash, type CrashRow } from './crash-cells';

jest.setTimeout(300_000);

/** The steps of a training, and its end when the gateway, or PostgreSQL alone, is killed at each. */
const way: readonly CrashRow[] = [
  ['mutation:committed', 1, 'done', 'done'],
  // The intent to call is being stored.
  ['move:before-commit', 1, 'done', 'done'],
  // No photo was fetched, which proves nothing, since the gateway could not serve photos for a while.
  ['submission:before-call', 1, 'unknown', 'done or refused', 0],
  ['call:written', 1, 'unknown', 'done'],
  ['submission:answered', 1, 'unknown', 'done'],
  ['submission:journaled', 1, 'done', 'done'],
  // The id is being stored.
  ['move:before-commit', 2, 'done', 'done'],
  ['submission:stored', 1, 'done', 'done'],
  ['poll:answered', 1, 'done', 'done'],
  ['move:committed', 1, 'done', 'done'],
  // The end is being stored.
  ['move:before-commit', 3, 'done', 'done'],
];

/** A generation has the same steps in an outage of PostgreSQL alone, besides these. */
const inOutage = way.filter(([point]) => /^(mutation|call|submission:before|poll)/.test(point));

const cells = [
  ...cellsOf('training', way, ['gateway', 'both']),
  ...cellsOf('training', inOutage, ['postgres']),
];

describe('a crash during a training', () => {
  const pool = new EnvironmentPool(cells, runWithCrash);

  beforeAll(() => {
    pool.start(6, { ownPostgres: true });
  });

  afterAll(() => pool.close());

  it.each(cells)('$point ($nth), $crash killed: $end, paid $paid', async (cell) => {
    await expect(pool.result(cell)).resolves.toBeUndefined();
  });
});
