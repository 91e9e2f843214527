import type { LeasedTable } from '../../src/core/claim-statement';
import type { DueQuery } from '../../src/core/due';
import { LeasedRows } from '../../src/core/leased-rows';
import { createLogger } from '../../src/core/logger';
import type { Sql, Transactions } from '../../src/core/sql';
import { engines } from '../../src/database/engine';
import { checkDue } from '../../src/generations/avatar-check.repository';
import { dueAvatars } from '../../src/generations/avatar-source.repository';
import { generationKind } from '../../src/generations/generation.kind';
import { lockStoring, storingDue } from '../../src/generations/generation.repository';
import { lockOverdue, overdueDue } from '../../src/jobs/job-row.repository';
import type { JobKind } from '../../src/jobs/job.kind';
import { JobRepository, type JobWork } from '../../src/jobs/job.repository';
import { unansweredDue } from '../../src/jobs/ledger.repository';
import { modelKind } from '../../src/models/model.kind';
import { photoPurgeDue } from '../../src/photos/job-photo.repository';
import { fetchingPhotos } from '../../src/photos/photo.work';
import { erasureDue } from '../../src/privacy/erasure.repository';
import { claimDue, deletionDue } from '../../src/storage/media-deletion.repository';
import { TestDatabase } from '../support/database';

jest.setTimeout(120_000);

interface Plan {
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
}

let database: TestDatabase;

/**
 * Of each kind of work, a few rows are due; 4,000 are due later, and those of other kinds have been due for longer.
 * Pictures that are due later expire sooner.
 */
const fill = `
  CREATE FUNCTION due(n int, is_later boolean) RETURNS timestamptz LANGUAGE sql AS
    $$ SELECT CASE WHEN n <= 5 THEN now() - n * interval '1 s' WHEN is_later THEN now() + interval '1 day' + n * interval '1 s'
                   ELSE now() - interval '1 day' - n * interval '1 s' END $$;
  INSERT INTO models (id, owner, provider, name, type, photo_count, status, attempt, provider_ref, due_at, deadline_at,
                      failure_code, failure_message, failure_retryable)
  SELECT gen_random_uuid(), 'owner-' || n % 100, 'sandbox', 'Model', 'DOG', 5, status, 1, gen_random_uuid(),
         due(n, status <> 'LATE'), now() + interval '2 days', failure, failure, failure IS NOT NULL OR NULL
    FROM generate_series(1, 4000) n,
         (VALUES ('QUEUED', NULL), ('TRAINING', NULL), ('UNCERTAIN', NULL), ('FAILED', 'TIMED_OUT')) AS s (status, failure);
  INSERT INTO generations (id, owner, provider, prompts, wanted, status, attempt, provider_ref, due_at, deadline_at,
                           failure_code, failure_message, failure_retryable)
  SELECT gen_random_uuid(), 'owner-' || n % 100, 'sandbox', '[]', 1, status, 1, gen_random_uuid(),
         due(n, status <> 'GENERATING'), now() + interval '2 days', failure, failure, failure IS NOT NULL OR NULL
    FROM generate_series(1, 4000) n,
         (VALUES ('QUEUED', NULL), ('GENERATING', NULL), ('UNCERTAIN', NULL), ('STORING', NULL), ('FAILED', 'TIMED_OUT')) AS s (status, failure);
  INSERT INTO avatars (id, owner, generation_id, position, status, style, due_at, expires_at, failing_since)
  SELECT gen_random_uuid(), 'owner-' || n % 100, g.id, n, 'PENDING', 'noir', due(n, true),
         now() - n * interval '1 s', CASE WHEN is_failing THEN now() END
    FROM generate_series(1, 4000) n, (VALUES (true), (false)) AS f (is_failing),
         LATERAL (SELECT id FROM generations WHERE status = CASE WHEN is_failing THEN 'STORING' ELSE 'QUEUED' END LIMIT 1) g;
  INSERT INTO photos (id, owner, status, source_url, due_at, purge_at)
  SELECT gen_random_uuid(), 'owner-' || n % 100, 'FETCHING', 'x', due(n, true), now() + interval '1 day' FROM generate_series(1, 4000) n;
  INSERT INTO submissions (id, model_id, attempt, provider, account, called_at)
  SELECT gen_random_uuid(), id, 1, provider, 'account', now() - interval '1 s' FROM models WHERE status <> 'QUEUED';
  INSERT INTO media_deletions (key, due_at) SELECT 'photos/' || n, due(n, true) FROM generate_series(1, 4000) n;`;

/** The blocks that the statement of `send` reads, as PostgreSQL plans it for all parameters. */
async function blocksOf(send: (sql: Transactions) => Promise<unknown>): Promise<number> {
  let blocks = NaN;
  const explain = async (text: string, parameters: readonly unknown[] = []): Promise<never[]> => {
    const [row] = await database.rows<{ 'QUERY PLAN': { Plan: Plan }[] }>(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
      parameters,
    );
    const { Plan: plan } = row!['QUERY PLAN'][0]!;
    blocks = plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
    return [];
  };
  const sql: Sql = {
    engine: engines.postgresql,
    rows: explain,
    entities: (_entity, text, parameters) => explain(text, parameters),
  };
  await send({ ...sql, transaction: (work) => work(sql) });
  return blocks;
}

const logger = createLogger('silent');
const options = { leaseMs: 60_000, logger };

function jobRows(kind: JobKind, work: JobWork) {
  return (sql: Transactions) =>
    new JobRepository(sql, { announce: () => undefined }).rowsFor(kind, work, options);
}

const tableRows = (table: LeasedTable<never>) => (sql: Transactions) => new LeasedRows(sql, table, options);

const works = ['submit', 'settle', 'poll', 'watch'] as const;
const leased = [
  ...[modelKind, generationKind].flatMap((kind) =>
    works.map((work) => [`${kind.table}: ${work}`, jobRows(kind as JobKind, work)] as const),
  ),
  ['avatars: fresh', tableRows(dueAvatars.fresh as unknown as LeasedTable<never>)] as const,
  ['avatars: failing', tableRows(dueAvatars.failing as unknown as LeasedTable<never>)] as const,
  ['photos', tableRows(fetchingPhotos as unknown as LeasedTable<never>)] as const,
];

/** The tables have 150 to 1,000 blocks. An update of a row writes to up to 15 indexes. */
const maxBlocks = { claim: 1_000, due: 12 } as const;

const readDue =
  ({ sql: text, parameters }: DueQuery) =>
  (sql: Sql) =>
    sql.rows(`SELECT ${text(1)}`, parameters);

describe('with many rows that are due later, and of other kinds of work', () => {
  beforeAll(async () => {
    database = await TestDatabase.create();
    await database.rows(fill);
    await database.rows('VACUUM ANALYZE');
  });

  afterAll(() => database.drop());

  it.each(leased)('reads few blocks for the next due time: %s', async (_, rowsIn) => {
    expect(await blocksOf((sql) => readDue(rowsIn(sql).due())(sql))).toBeLessThan(maxBlocks.due);
  });

  const unanswered = unansweredDue(60_000);

  it.each(Object.entries({ checkDue, storingDue, photoPurgeDue, erasureDue, deletionDue, unanswered }))(
    'reads few blocks for %s',
    async (_, due) => {
      expect(await blocksOf(readDue(due))).toBeLessThan(maxBlocks.due);
    },
  );

  it.each([modelKind, generationKind])('reads few blocks to find overdue jobs: $table', async (kind) => {
    const limits = { provider: 'sandbox', marginMs: 1_000 };
    expect(await blocksOf(readDue(overdueDue(kind as JobKind)))).toBeLessThan(maxBlocks.due);
    expect(await blocksOf((sql) => lockOverdue(sql, kind as JobKind, limits))).toBeLessThan(60);
  });

  it.each(leased)('reads few blocks for a claim: %s', async (_, rowsIn) => {
    expect(await blocksOf((sql) => rowsIn(sql).claim({ limit: 20 }))).toBeLessThan(maxBlocks.claim);
  });

  it('reads few blocks for a claim of files to delete, and of generations to close', async () => {
    expect(await blocksOf((sql) => claimDue(sql, 2_000))).toBeLessThan(maxBlocks.claim);
    expect(await blocksOf(lockStoring)).toBeLessThan(30);
  });

  it.each([5, 300])('claims the pictures that expire first if %i are due', async (count) => {
    const of = await database.pool(1);
    // What was due first expires last.
    await of.rows(
      `UPDATE avatars SET owner = 'ann', lease = NULL, expires_at = now() + n * interval '1 h',
              due_at = CASE WHEN n <= $1 THEN now() - n * interval '1 s' ELSE now() + interval '1 day' END
         FROM (SELECT id, row_number() OVER () AS n FROM avatars WHERE failing_since IS NULL) numbered WHERE numbered.id = avatars.id`,
      [count],
    );
    const claimed = await new LeasedRows(of, dueAvatars.fresh, options).claim({ limit: 2 });
    const [{ first }] = (await of.rows(
      'SELECT array_agg(id ORDER BY expires_at) AS first FROM avatars WHERE failing_since IS NULL',
    )) as [{ first: string[] }];
    expect(claimed.map(({ id }) => id)).toEqual(first.slice(0, 2));
  });
});
