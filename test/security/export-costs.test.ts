import type { Sql } from '../../src/core/sql';
import { jobKinds } from '../../src/generations/generation.kind';
import { attemptsOf } from '../../src/jobs/ledger.repository';
import { timelinesOf } from '../../src/jobs/timeline.repository';
import { TestDatabase } from '../support/database';

jest.setTimeout(120_000);

let database: TestDatabase;

/** 8,000 models and 8,000 generations of each of two owners, with two calls and three entries each. */
const fill = `
  INSERT INTO models (id, owner, provider, name, type, photo_count, status, attempt, provider_ref, ready_at)
  SELECT gen_random_uuid(), 'owner-' || n % 2, 'sandbox', 'Model', 'DOG', 5, 'READY', 2, gen_random_uuid(), now()
    FROM generate_series(1, 16000) n;
  INSERT INTO generations (id, owner, provider, prompts, wanted, status, attempt, provider_ref, completed_at)
  SELECT gen_random_uuid(), 'owner-' || n % 2, 'sandbox', '[]', 1, 'COMPLETED', 2, gen_random_uuid(), now()
    FROM generate_series(1, 16000) n;
  INSERT INTO submissions (id, model_id, generation_id, attempt, provider, account, outcome)
  SELECT gen_random_uuid(), model, generation, attempt, 'sandbox', 'x', 'REFUSED'
    FROM (SELECT id AS model, NULL::uuid AS generation FROM models UNION ALL SELECT NULL, id FROM generations) jobs,
         generate_series(1, 2) attempt;
  INSERT INTO timeline_entries (id, owner, model_id, generation_id, attempt, kind, occurred_at)
  SELECT gen_random_uuid(), owner, model, generation, 1, 'REQUESTED', now()
    FROM (SELECT id AS model, NULL::uuid AS generation, owner FROM models
           UNION ALL SELECT NULL, id, owner FROM generations) jobs, generate_series(1, 3);`;

beforeAll(async () => {
  database = await TestDatabase.create();
  await database.rows(fill);
  await database.rows('VACUUM ANALYZE');
});

afterAll(() => database.drop());

interface Plan {
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
}

const readers = { attemptsOf, timelinesOf };

describe('the export of an owner with many jobs', () => {
  it.each([
    ['attemptsOf', 32_000],
    ['timelinesOf', 48_000],
  ] as const)('reads as much for the last rows as for the first: %s', async (name, count) => {
    const pool = await database.pool(1);
    const blocks: number[] = [];
    const rows = async (text: string, parameters: readonly unknown[] = []): Promise<never[]> => {
      const explained = await database.rows<{ 'QUERY PLAN': { Plan: Plan }[] }>(
        `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
        parameters,
      );
      const { Plan: plan } = explained[0]!['QUERY PLAN'][0]!;
      blocks.push(plan['Shared Hit Blocks'] + plan['Shared Read Blocks']);
      return pool.rows<never>(text, parameters);
    };
    const subject = { owner: 'owner-1', until: new Date().toISOString() };
    const found: object[] = [];
    const sql: Sql = { engine: pool.engine, rows: rows, entities: pool.entities };
    for await (const row of readers[name](sql, jobKinds, subject)) found.push(row);
    expect(new Set(found.map((row) => JSON.stringify(row))).size).toBe(count);
    expect(blocks).toHaveLength(count / 500 + 2);
    // Of 500 rows and their jobs, with the levels of both indexes. The tables have 1,000 to 2,000 blocks each.
    expect(Math.max(...blocks)).toBeLessThan(2_500);
  });
});
