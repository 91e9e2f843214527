import { createLogger } from '../../src/core/logger';
import type { Database } from '../../src/database/database';
import { JobRepository } from '../../src/jobs/job.repository';
import { modelKind } from '../../src/models/model.kind';
import { TestDatabase } from '../support/database';

const leaseMs = 60_000;
const logger = createLogger('silent');

/** Trainings that have been due for a while. */
const insertModels = `
  INSERT INTO models (id, owner, provider, name, type, photo_count, status, attempt, provider_ref, due_at)
  SELECT gen_random_uuid(), 'ann-' || n % 100, 'sandbox', 'Ann', 'CAT', 5, 'TRAINING', 1, n, now() - n * interval '1 s'
    FROM generate_series(1, 20000) AS n`;

/** Records how each transaction that updates models commits. */
const recordCommits = [
  'CREATE TABLE commits (synchronous text)',
  `CREATE FUNCTION record_commit() RETURNS trigger LANGUAGE plpgsql AS $$
   BEGIN INSERT INTO commits VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$`,
  `CREATE CONSTRAINT TRIGGER record_commit AFTER UPDATE ON models DEFERRABLE INITIALLY DEFERRED
   FOR EACH ROW EXECUTE FUNCTION record_commit()`,
];

describe('statements of polls', () => {
  let testDatabase: TestDatabase;
  /** A single connection, not through a pooler: its statements are prepared. */
  let database: Database;
  let jobs: JobRepository;

  beforeAll(async () => {
    testDatabase = await TestDatabase.create();
    await testDatabase.rows(insertModels);
    await testDatabase.rows('INSERT INTO streams (id, owner) SELECT id, owner FROM models');
    await testDatabase.rows('ANALYZE models');
    database = await testDatabase.pool(1, [], { DATABASE_URL: testDatabase.url });
    await database.rows('SET synchronous_commit = on');
    jobs = new JobRepository(database, { announce: () => undefined });
  });

  afterAll(() => testDatabase.drop());

  const rows = (): ReturnType<typeof jobs.rowsFor> => jobs.rowsFor(modelKind, 'poll', { leaseMs, logger });

  it('are planned once', async () => {
    for (let claim = 0; claim < 7; claim += 1)
      expect(await rows().claim({ limit: 47, only: { provider: 'sandbox' } })).toHaveLength(47);
    const [plans] = await database.rows<{ kept: string; made: string }>(
      `SELECT generic_plans AS kept, custom_plans AS made
         FROM pg_prepared_statements WHERE statement LIKE '%WITH RECURSIVE%oldest AS MATERIALIZED%'`,
    );
    expect(plans).toMatchObject({ made: '5' });
    expect(Number(plans!.kept)).toBeGreaterThan(0);
  });

  it('wait until the commit is durable only if the state of a job or its events change', async () => {
    for (const text of recordCommits) await database.rows(text);
    const commitsOf = async (work: Promise<unknown>): Promise<string[]> => {
      await work;
      const commits = await database.rows<{ synchronous: string }>('DELETE FROM commits RETURNING *');
      return [...new Set(commits.map(({ synchronous }) => synchronous))];
    };
    const [row] = await rows().claim({ limit: 1 });
    const move = { id: row!.id, from: ['TRAINING'], dueInMs: 60_000, appendsEvent: false };
    expect(await commitsOf(rows().claim({ limit: 2 }))).toEqual(['off']);
    expect(await commitsOf(jobs.move(modelKind, [{ ...move, set: { polls: 1 } }]))).toEqual(['off']);
    const progress = { ...move, set: { progress: 7 }, appendsEvent: true };
    expect(await commitsOf(jobs.move(modelKind, [progress]))).toEqual(['on']);
    const both = [{ ...move, set: { tries: 1 } }, progress];
    expect((await commitsOf(jobs.move(modelKind, both))).sort()).toEqual(['off', 'on']);
    const failure = { failureCode: 'TIMED_OUT', failureMessage: 'Too late.', failureRetryable: true };
    const end = { ...move, set: { status: 'FAILED', ...failure }, dueInMs: null };
    expect(await commitsOf(jobs.move(modelKind, [end]))).toEqual(['on']);
  });
});
