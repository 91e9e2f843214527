import fc from 'fast-check';
import { apiSchema } from '../../src/app/services';
import { QueryGenerator } from '../support/query-generator';
import { ReadEnvironment } from '../support/read-environment';

const seed = Number(process.env.READS_SEED ?? Date.now() % 1_000_000);
let env: ReadEnvironment;

beforeAll(async () => {
  env = await ReadEnvironment.start(seed);
});

afterAll(() => env.stop());

describe('planned reads', () => {
  it(`answer generated queries as the resolvers do, by one statement, without other owners' rows (seed ${seed})`, async () => {
    const schema = apiSchema();
    const values = {
      ids: [...env.rows.ids.values()].flat().concat('model_00000000000000000000000000000000', 'nonsense'),
      cursors: [...env.rows.cursors, 'nonsense', ''],
    };
    const foreign = [...env.rows.ids.get('bob')!];
    let answered = 0;
    let byOne = 0;
    await fc.assert(
      fc.asyncProperty(fc.gen(), async (choose) => {
        const operation = new QueryGenerator(schema, values, choose).next();
        const { planned: text, resolved, statements } = await env.compare(operation);
        expect(text).toBe(resolved);
        expect(text).not.toContain('bob');
        expect(foreign.filter((id) => text.includes(id))).toEqual([]);
        if (!text.startsWith('200 {"data"')) return;
        answered += 1;
        if (statements.length === 1) byOne += 1;
      }),
      { seed, endOnFailure: true, numRuns: Number(process.env.READS_RUNS ?? 150) },
    );
    expect(byOne).toBeGreaterThan(0.6 * answered);
  }, 180_000);
});
