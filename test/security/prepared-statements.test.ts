import { TestGateway } from '../support/gateway';
import { ListRows } from '../support/list-rows';

const long = 'x'.repeat(180);

describe('a client that sends ever new queries', () => {
  let gateway: TestGateway;
  let modelId: string;

  beforeAll(async () => {
    const settings = { ROLE: 'api', DATABASE_POOL: '1', RATE_LIMIT_OWNER: 'off' };
    gateway = await TestGateway.start(settings, { watchesStatements: true });
    const rows = await ListRows.of(gateway);
    modelId = (await rows.addModel()).id;
  });

  afterAll(() => gateway.stop());

  const rename = (name: string): Promise<unknown> =>
    gateway.client.request(
      'mutation ($input: RenameModelInput!) { renameModel(input: $input) { model { name } } }',
      { input: { id: modelId, name } },
    );

  /** A query that no other number has, of a statement of about 7 kB. */
  const query = (number: number): string => {
    const members = Array.from({ length: 30 }, (_, index) => `${long}_${number}_${index}: name`).join(' ');
    return `{ models(first: 1) { nodes { ${members} } } }`;
  };

  /** What the database parses for a mutation, except the notification, which has a connection of its own. */
  const parsedBy = async (name: string): Promise<string[]> =>
    (await gateway.watch.parsedDuring(() => rename(name))).filter((text) => !text.includes('pg_notify'));

  it('does not make the database parse other statements again', async () => {
    for (const name of ['a', 'b', 'c']) await rename(name);
    expect(await parsedBy('d')).toEqual([]);
    const parsed = await gateway.watch.parsedDuring(async () => {
      for (let number = 0; number < 240; number += 1) {
        await gateway.client.request('{ models(first: 1) { nodes { id } } }');
        for (let time = 0; time < 2; time += 1) await gateway.client.request(query(number));
      }
    });
    expect(parsed.join('').length).toBeGreaterThan(2_000_000);
    // The read that is used all the time is parsed at its first two uses, and after the others are deallocated.
    expect(parsed.filter((text) => text.length < 2_000).length).toBeLessThan(10);
    expect(gateway.log.filter(({ msg }) => msg === 'planned read failed')).toEqual([]);
    expect(await parsedBy('e')).toEqual([]);
  });
});
