import { generationDurations } from '../../src/generations/generation.repository';
import { trainingDurations } from '../../src/models/model.repository';
import { TestDatabase } from '../support/database';

let database: TestDatabase;

beforeAll(async () => {
  database = await TestDatabase.create();
});

afterAll(() => database.drop());

describe('durations of earlier jobs', () => {
  it('are those of generations whose latest attempt succeeded, not of failed retries', async () => {
    await database.rows(`
      INSERT INTO generations (id, owner, provider, prompts, wanted, status, provider_ref, submitted_at, completed_at, ordered_positions,
                               failure_code, failure_message, failure_retryable)
      SELECT gen_random_uuid(), 'ana', 'sandbox', '[]', 1, status, ref, now() - submitted_s * interval '1 s', now(), positions::smallint[],
             code, code, CASE WHEN code IS NOT NULL THEN true END
        FROM (VALUES ('COMPLETED', 'a', 40, NULL, NULL), ('COMPLETED', 'd', NULL, NULL, NULL), ('PARTIAL', 'b', 60, NULL, NULL),
                     ('PARTIAL', 'c', 5, '{0}', 'UPSTREAM_FAILED'), ('PARTIAL', NULL, NULL, '{0}', 'UPSTREAM_TIMEOUT'))
             row (status, ref, submitted_s, positions, code)`);
    const sql = await database.pool();
    const durations = await generationDurations(sql, { provider: 'sandbox', modelId: null });
    expect(durations.sort()).toEqual([40_000, 60_000]);
  });

  it('are those of trainings that were submitted', async () => {
    await database.rows(`
      INSERT INTO models (id, owner, provider, name, type, photo_count, status, provider_ref, submitted_at, ready_at)
      SELECT gen_random_uuid(), 'ana', 'sandbox', 'Ana', 'WOMAN', 5, 'READY', ref, now() - submitted_s * interval '1 s', now()
        FROM (VALUES ('a', 40), ('b', NULL)) row (ref, submitted_s)`);
    const sql = await database.pool();
    expect(await trainingDurations(sql, { provider: 'sandbox', type: 'WOMAN' })).toEqual([40_000]);
  });
});
