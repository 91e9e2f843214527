import { ReadComparison } from '../support/read-comparison';

let reads: ReadComparison;

beforeAll(async () => {
  reads = await ReadComparison.start(1);
});

afterAll(() => reads.stop());

describe('a query', () => {
  const outcomeOf = (query: string, owner?: string, scope?: string): Promise<string[]> =>
    reads.outcomes(async () => {
      const { planned, resolved } = await reads.compare({ query }, owner, scope);
      expect(planned).toBe(resolved);
    });

  it.each([
    ['planned', '{ models { nodes { id } } }'],
    // Rows have codes that this version does not know.
    ['planned', '{ photos { nodes { problems { code } } } models { nodes { failure { code } } } }'],
    ['field', '{ models { nodes { canRetry } } }'],
    ['field', '{ models { nodes { id } } viewer { owner } }'],
    ['introspection', '{ models { nodes { id } } __type(name: "Query") { name } }'],
    ['empty', '{ __typename }'],
    [
      'size',
      `{ ${[...'abcdefgh'].map((key) => `${key}: models(first: 1) { nodes { ...M } }`).join(' ')} }
       fragment M on AvatarModel { generations(first: 1) { nodes { ...G model { generations(first: 1) { nodes { ...G } } } } } }
       fragment G on Generation { model { id } avatars { id generation { id } } }`,
    ],
    ['input', '{ models(first: 0) { nodes { id } } }'],
    ['input', '{ models(after: "x") { nodes { id } } }'],
    [
      'input',
      'query ($first: Int! = 3, $id: ID!) { models(first: $first) { nodes { id } } model(id: $id) { id } }',
    ],
  ])('has the outcome %s: %s', async (outcome, query) => {
    expect(await outcomeOf(query)).toEqual([outcome]);
  });

  it('is planned for each value of the variables in its directives', async () => {
    const query =
      'query ($on: Boolean!) { models { totalCount @include(if: $on) nodes { id @skip(if: $on) name } } }';
    for (const on of [true, false, true]) {
      const { planned, resolved } = await reads.compare({ query, variables: { on } });
      expect(planned).toBe(resolved);
    }
  });

  it('is refused while the data of its owner are being erased', async () => {
    expect(await outcomeOf('{ models { nodes { id } } }', 'erased')).toEqual(['erasure']);
  });

  it('fails with an error if its connection is lost, and the next one is answered', async () => {
    const query = '{ models { nodes { id } } }';
    expect(await reads.interrupted({ query })).toContain('SERVICE_UNAVAILABLE');
    const { planned, resolved } = await reads.compare({ query });
    expect(planned).toBe(resolved);
  });

  it('is refused without the scope read', async () => {
    expect(await outcomeOf('{ models { nodes { id } } }', 'writer', 'write')).toEqual(['scope']);
  });
});
