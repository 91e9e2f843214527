import type { Transactions } from '../../src/core/sql';
import { engines } from '../../src/database/engine';
import type { JobPatch } from '../../src/jobs/job.kind';
import { JobRepository } from '../../src/jobs/job.repository';
import { modelKind } from '../../src/models/model.kind';

describe('a move of a job', () => {
  const statements: string[] = [];
  const database: Transactions = {
    engine: engines.postgresql,
    rows: () => Promise.resolve([]),
    entities: (_, text) => {
      statements.push(text);
      return Promise.resolve([]);
    },
    transaction: (work) => work(database),
  };
  const move = (set: JobPatch): Promise<unknown> =>
    new JobRepository(database, { announce: () => undefined }).move(modelKind, [
      { id: 'id', from: ['QUEUED'], set, dueInMs: null, appendsEvent: false },
    ]);

  beforeEach(() => statements.splice(0));

  it.each<[string, JobPatch, string]>([
    ['a column that moves do not change', { name: 'Bob' }, 'A move of a model cannot set name.'],
    ['a column of the other kind', { resultCount: 1 }, 'A move of a model cannot set resultCount.'],
    ['a state that does not follow', { status: 'READY' }, 'A model cannot go from QUEUED to READY.'],
  ])('is refused if it sets %s', async (_, set, message) => {
    await expect(move(set)).rejects.toThrow(message);
    expect(statements).toEqual([]);
  });

  it('is made if it sets columns that moves change', async () => {
    await move({ status: 'SUBMITTING', lease: null, lastError: 'late' });
    expect(statements).toHaveLength(1);
  });
});
