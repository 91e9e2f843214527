import fc from 'fast-check';
import { OperationTypeNode } from 'graphql';
import { apiSchema } from '../../src/app/services';
import { exampleOperations } from '../support/examples';
import { QueryGenerator } from '../support/query-generator';
import { ReadComparison } from '../support/read-comparison';

const seed = Number(process.env.READS_SEED ?? Date.now() % 1_000_000);
let reads: ReadComparison;

beforeAll(async () => {
  reads = await ReadComparison.start(seed);
});

afterAll(() => reads.stop());

describe('planned reads', () => {
  it(`answer generated queries as the resolvers do, by one statement, without other owners' rows (seed ${seed})`, async () => {
    const schema = apiSchema();
    const values = {
      ids: [...reads.rows.ids.values()].flat().concat('model_00000000000000000000000000000000', 'nonsense'),
      cursors: [...reads.rows.cursors, 'nonsense', ''],
    };
    const foreign = [...reads.rows.ids.get('bob')!];
    let answered = 0;
    let byOne = 0;
    await fc.assert(
      fc.asyncProperty(fc.gen(), async (choose) => {
        const operation = new QueryGenerator(schema, values, choose).next();
        const { planned: text, resolved, statements } = await reads.compare(operation);
        expect(text).toBe(resolved);
        expect(text).not.toContain('bob');
        expect(foreign.filter((id) => text.includes(id))).toEqual([]);
        if (!text.startsWith('200 {"data"')) return;
        answered += 1;
        if (statements.length === 1) byOne += 1;
      }),
      { seed, endOnFailure: true, numRuns: Number(process.env.READS_RUNS ?? 100) },
    );
    expect(byOne).toBeGreaterThan(0.6 * answered);
  }, 180_000);

  it(`answer the payloads of mutations as the resolvers do, with their own changes (seed ${seed})`, async () => {
    const { usable, ids, pending } = reads.rows;
    const avatarIds = ids.get('alice')!.filter((id) => id.startsWith('avatar_') && !pending.includes(id));
    const jobs = ids.get('alice')!.filter((id) => /^(model|generation)_/.test(id));
    const numbers = Array.from({ length: 15 }, (_, index) => index);
    const mutations = [
      ...numbers.map((index) => ({
        field: 'setFavorite',
        input: { avatarIds: avatarIds.slice(index, index + 3), favorite: index % 2 === 0 },
      })),
      ...numbers.map((index) => ({
        field: 'trainModel',
        input: { type: 'DOG', photos: usable.photoIds.map((id) => ({ id })), idempotencyKey: `t${index}` },
      })),
      ...numbers.map((index) => ({
        field: 'generateAvatars',
        input: { modelId: usable.modelId, prompts: [{ prompt: "it's" }], idempotencyKey: `g${index}` },
      })),
      ...jobs.flatMap((id) => {
        const type = id.startsWith('model') ? 'Model' : 'Generation';
        const retry = { field: `retry${type}`, input: { id, idempotencyKey: `r${id}` } };
        // Cancelling a retry of a PARTIAL generation cannot be repeated.
        const cancelled = type === 'Model' ? id : usable.generationId;
        return [retry, { field: `cancel${type}`, input: { id: cancelled } }];
      }),
    ];
    const outcomes = await reads.outcomes(() =>
      fc.assert(
        fc.asyncProperty(fc.gen(), async (choose) => {
          const values = { ids: ids.get('alice')!, cursors: reads.rows.cursors };
          const operation = new QueryGenerator(apiSchema(), values, choose).nextMutation(mutations);
          // The second gateway repeats what the first has done, which changes nothing.
          const { planned, resolved } = await reads.compare(operation);
          expect(planned).toBe(resolved);
          expect(planned).not.toContain('bob');
        }),
        { seed, endOnFailure: true, numRuns: Number(process.env.READS_RUNS ?? 25) },
      ),
    );
    expect(outcomes).toContain('planned');
  }, 180_000);

  it('answer every example that reads rows', async () => {
    const outcomes: Record<string, string> = {};
    for (const { name, type, query, variables } of await exampleOperations()) {
      if (type !== OperationTypeNode.QUERY) continue;
      const operation = { query, operationName: name, variables: JSON.parse(variables) as object };
      const [outcome] = await reads.outcomes(async () => {
        const { planned, resolved } = await reads.compare(operation);
        expect(planned).toBe(resolved);
      });
      outcomes[name] = outcome!;
    }
    const others = Object.entries(outcomes).filter(([, outcome]) => outcome !== 'planned');
    expect(Object.fromEntries(others)).toEqual({
      // Constants of this process, which need no statement.
      ...{ Capabilities: 'field', Styles: 'field', Providers: 'field' },
      // For a receipt, after the erasure of an owner; and for operators.
      ...{ Erasure: 'field', Operator: 'field' },
      // Read by the services of the ledger and of prices.
      ...{ EstimateCost: 'field', Ledger: 'field' },
      // Numbers the owner's events first.
      ActivityCursor: 'field',
      // Few rows, which are seldom read.
      ...{ Webhooks: 'field', Notices: 'field' },
    });
    expect(Object.keys(outcomes).length).toBeGreaterThan(15);
  });
});
