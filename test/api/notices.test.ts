import { newId, toGlobalId } from '../../src/core/ids';
import type { Database } from '../../src/database/database';
import { insertNotice } from '../../src/notices/notice.repository';
import { Client, jwtSettings } from '../support/client';
import { TestGateway } from '../support/gateway';
import { eventually } from '../support/until';
import { unzip } from '../support/unzip';

let gateway: TestGateway;
let database: Database;
let anna: Client;

beforeAll(async () => {
  gateway = await TestGateway.start({ ...jwtSettings, ROLE: 'api' });
  database = await gateway.database.pool(1);
  anna = await Client.of(gateway, 'anna');
});

afterAll(() => gateway.stop());

async function notify(owner: string, message: string, subject: string | null = null): Promise<string> {
  const { id } = await insertNotice(database, { owner, kind: 'SPENDING_LIMIT_NEAR', message, subject });
  return toGlobalId('Notice', id);
}

interface Notice {
  id: string;
  kind: string;
  message: string;
  createdAt: string;
  subject: { __typename: string; id: string } | null;
}

const fields = 'id kind message createdAt subject { __typename id }';

async function noticesOf(client: Client, page = 'first: 10'): Promise<Notice[]> {
  const { viewer } = await client.request<{ viewer: { notices: { nodes: Notice[]; totalCount: number } } }>(
    `{ viewer { notices(${page}) { nodes { ${fields} } totalCount } } }`,
  );
  return viewer.notices.nodes;
}

describe('viewer.notices', () => {
  it('lists the notices of the viewer, the newest first, with their subjects', async () => {
    const [photo] = await anna.slots([{ byteSize: 1_000 }]);
    const subject = photo!.photo.id;
    const first = await notify('anna', 'Half of the month is spent.', subject);
    const second = await notify('anna', 'Most of the month is spent.', toGlobalId('Photo', newId()));
    await notify('bob', 'Not for Anna.');
    const notices = await noticesOf(anna);
    expect(notices).toMatchObject([
      { id: second, kind: 'SPENDING_LIMIT_NEAR', message: 'Most of the month is spent.', subject: null },
      { id: first, message: 'Half of the month is spent.', subject: { __typename: 'Photo', id: subject } },
    ]);
    expect((await noticesOf(anna, 'last: 1')).map(({ id }) => id)).toEqual([first]);
  });

  it.each(['true', 'false'])(
    'are returned by node(id) to their owner only, planned: %s',
    async (isPlanned) => {
      await gateway.restart({ PLANNED_READS: isPlanned });
      const id = await notify('bob', 'For Bob.');
      const bob = await Client.of(gateway, 'bob');
      const query = 'query ($id: ID!) { node(id: $id) { __typename id ... on Notice { message kind } } }';
      expect(await bob.request(query, { id })).toEqual({
        node: { __typename: 'Notice', id, message: 'For Bob.', kind: 'SPENDING_LIMIT_NEAR' },
      });
      expect(await anna.request(query, { id })).toEqual({ node: null });
    },
  );

  it('are exported and erased with the data of their owner', async () => {
    const clara = await Client.of(gateway, 'clara');
    const id = await notify('clara', 'A note for Clara.');
    const { exportMyData } = await clara.request<{ exportMyData: { url: string } }>(
      'mutation { exportMyData { url } }',
    );
    const archive = unzip(Buffer.from(await (await fetch(exportMyData.url)).arrayBuffer()));
    const { notices } = JSON.parse(archive.get('data.json')!.toString()) as { notices: Notice[] };
    expect(notices).toMatchObject([{ kind: 'SPENDING_LIMIT_NEAR', message: 'A note for Clara.' }]);
    await gateway.restart({ ROLE: 'all' });
    await clara.erase();
    expect(await clara.request('query ($id: ID!) { node(id: $id) { id } }', { id })).toEqual({ node: null });
    expect(await gateway.database.tablesWith('A note for Clara.')).toEqual([]);
  });

  it('are deleted after 90 days', async () => {
    await notify('dora', 'An old note.');
    await gateway.rows(`UPDATE notices SET created_at = now() - interval '91 days' WHERE owner = 'dora'`);
    await notify('dora', 'A new note.');
    await gateway.restart({ ROLE: 'all' });
    const dora = await Client.of(gateway, 'dora');
    const notices = await eventually(
      'the pruning',
      () => noticesOf(dora),
      ({ length }) => length === 1,
    );
    expect(notices).toMatchObject([{ message: 'A new note.' }]);
  });
});
