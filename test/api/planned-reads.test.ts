import { ReadEnvironment } from '../support/read-environment';

let env: ReadEnvironment;

beforeAll(async () => {
  env = await ReadEnvironment.start(1);
});

afterAll(() => env.stop());

describe('a query', () => {
  const outcomeOf = (query: string, owner?: string, scope?: string): Promise<string[]> =>
    env.outcomes(async () => {
      const { planned, resolved } = await env.compare({ query }, owner, scope);
      expect(planned).toBe(resolved);
    });

  it.each([
    ['planned', '{ models { nodes { id } } }'],
    ['field', '{ models { nodes { canRetry } } }'],
    ['field', '{ models { nodes { id } } viewer { owner } }'],
    ['introspection', '{ models { nodes { id } } __type(name: "Query") { name } }'],
    ['empty', '{ __typename }'],
    ['input', '{ models(first: 0) { nodes { id } } }'],
    ['input', '{ models(after: "x") { nodes { id } } }'],
    [
      'input',
      'query ($first: Int! = 3, $id: ID!) { models(first: $first) { nodes { id } } model(id: $id) { id } }',
    ],
  ])('has the outcome %s: %s', async (outcome, query) => {
    expect(await outcomeOf(query)).toEqual([outcome]);
  });

  it('is refused while the data of its owner are being erased', async () => {
    expect(await outcomeOf('{ models { nodes { id } } }', 'erased')).toEqual(['erasure']);
  });

  it('is refused without the scope read', async () => {
    expect(await outcomeOf('{ models { nodes { id } } }', 'writer', 'write')).toEqual(['scope']);
  });
});
