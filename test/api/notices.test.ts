import { newId, toGlobalId } from '../../src/core/ids';
import type { Database } from '../../src/database/database';
import { packWake } from '../../src/events/wake';
import { insertNotice, insertNoticeOnce } from '../../src/notices/notice.repository';
import { activityCursor, caughtUp, followActivity, type ActivityNews } from '../support/activity';
import { Client, jwtSettings, uuidOf } from '../support/client';
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

describe('NoticeCreated in activity', () => {
  /** What a new subscription receives, up to CaughtUp. */
  const receivedBy = async (client: Client, after: string, filter = {}): Promise<ActivityNews[]> => {
    const feed = await caughtUp(followActivity(client, { after, filter }));
    feed.drop();
    return feed.messages.slice(0, -1);
  };
  const noticesIn = (received: readonly ActivityNews[]): (string | undefined)[] =>
    received.map(({ change }) => change.notice?.message);

  it('has each new notice of the viewer once, in order, from every cursor', async () => {
    const client = await Client.of(gateway);
    const after = await activityCursor(client);
    const live = await caughtUp(followActivity(client));
    const ids: string[] = [];
    for (const message of ['The first.', 'The second.', 'The third.']) {
      ids.push(await notify(client.name, message));
      await notify('bob', `Not for ${client.name}.`);
    }
    const [wake] = packWake('test', { streams: ids.map(uuidOf) });
    await gateway.rows(`SELECT pg_notify('likeness', $1)`, [wake]);
    const received = (await live.until(({ length }) => length === 4)).slice(1);
    live.drop();
    expect(received.map(({ change }) => change)).toEqual(
      (await noticesOf(client))
        .reverse()
        .map(({ subject: _, ...notice }) => ({ type: 'NoticeCreated', notice })),
    );
    expect(received.map(({ change, isSnapshot }) => [change.notice!.id, isSnapshot])).toEqual(
      ids.map((id) => [id, false]),
    );
    const replay = await receivedBy(client, after);
    expect(replay).toEqual(received);
    for (const [index, { cursor }] of received.entries())
      expect(await receivedBy(client, cursor)).toEqual(received.slice(index + 1));
  });

  it('is filtered by kind, and is of no model', async () => {
    const client = await Client.of(gateway);
    const after = await activityCursor(client);
    const [photo] = await client.slots([{ byteSize: 1_000 }]);
    await notify(client.name, 'A note.', photo!.photo.id);
    expect(noticesIn(await receivedBy(client, after, { kinds: ['NOTICE'] }))).toEqual(['A note.']);
    expect(await receivedBy(client, after, { kinds: ['MODEL', 'GENERATION', 'AVATAR'] })).toEqual([]);
    const { id } = (await noticesOf(client))[0]!;
    for (const modelIds of [[], [id], [toGlobalId('AvatarModel', uuidOf(id))]])
      expect(await receivedBy(client, after, { modelIds })).toEqual([]);
  });

  it('has the subject, which is null for that of another owner', async () => {
    const client = await Client.of(gateway);
    const after = await activityCursor(client);
    const [mine] = await client.slots([{ byteSize: 1_000 }]);
    const [annas] = await anna.slots([{ byteSize: 1_000 }]);
    for (const photo of [mine, annas]) await notify(client.name, 'A note.', photo!.photo.id);
    const feed = client.subscribe<{ change: { notice?: Pick<Notice, 'subject'> } }>(
      `subscription ($after: String) { activity(after: $after) { change { ... on NoticeCreated { notice { subject { __typename id } } } } } }`,
      { after },
    );
    const received = await feed.until(({ length }) => length === 3);
    feed.drop();
    expect(received.slice(0, 2).map(({ change }) => change.notice!.subject)).toEqual([
      { __typename: 'Photo', id: mine!.photo.id },
      null,
    ]);
  });

  it('is not sent for a notice that was deleted since', async () => {
    const client = await Client.of(gateway);
    const after = await activityCursor(client);
    const deleted = await notify(client.name, 'An old note.');
    await notify(client.name, 'A new note.');
    await gateway.rows('DELETE FROM notices WHERE id = $1', [uuidOf(deleted)]);
    expect(noticesIn(await receivedBy(client, after))).toEqual(['A new note.']);
  });

  it('is sent for a notice that a transaction adds once, and not for one that is rolled back', async () => {
    const client = await Client.of(gateway);
    const after = await activityCursor(client);
    const notice = {
      owner: client.name,
      kind: 'SPENDING_LIMIT_NEAR',
      message: 'Once.',
      subject: null,
    } as const;
    const send = (): Promise<void> => database.transaction((sql) => insertNoticeOnce(sql, notice));
    await expect(
      database.transaction(async (sql) => {
        await insertNoticeOnce(sql, notice);
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
    await send();
    await send();
    expect(noticesIn(await receivedBy(client, after))).toEqual(['Once.']);
  });
});
