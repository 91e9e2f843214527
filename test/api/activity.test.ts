import { newId, toGlobalId } from '../../src/core/ids';
import { createLogger } from '../../src/core/logger';
import { Wakeups } from '../../src/events/wakeups';
import {
  activityCursor,
  caughtUp,
  changesOf,
  followActivity,
  wordsOf,
  type ActivityNews,
} from '../support/activity';
import { Client, jwtSettings, uuidOf } from '../support/client';
import { testEngine } from '../support/database';
import type { Feed } from '../support/feed';
import { TestGateway } from '../support/gateway';
import { eventually, until } from '../support/until';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start(jwtSettings);
});

afterAll(() => gateway.stop());

const setFavorite = (client: Client, avatarId: string, favorite: boolean): Promise<unknown> =>
  client.request('mutation ($input: SetFavoriteInput!) { setFavorite(input: $input) { avatars { id } } }', {
    input: { avatarIds: [avatarId], favorite },
  });
/** The changes without repeated progress in one status. */
const distinct = (words: readonly string[]): string[] =>
  words.filter((word, index) => word !== words[index - 1]);

describe('activity of a new owner', () => {
  let client: Client;
  let all: Feed<ActivityNews>;
  let modelId: string;
  let generationId: string;

  beforeAll(async () => {
    client = await Client.of(gateway);
    all = await caughtUp(followActivity(client));
    ({ modelId, generationId } = await client.settle('by the sea', 2));
    await all.until((received) => received.some((item) => wordsOf(item) === 'GenerationChanged COMPLETED'));
  });

  afterAll(() => all.drop());

  it('begins with CaughtUp', () => {
    expect(all.messages[0]).toMatchObject({ isSnapshot: false, change: { type: 'CaughtUp', hasGap: false } });
  });

  it('has each change of a model, its generation and avatars in order, with the objects', () => {
    const changes = changesOf(all.messages);
    expect(distinct(changes.map(wordsOf).filter((word) => word !== 'AvatarCreated'))).toEqual([
      ...['QUEUED', 'SUBMITTING', 'TRAINING', 'READY'].map((status) => `ModelChanged ${status}`),
      ...['QUEUED', 'SUBMITTING', 'GENERATING', 'STORING', 'COMPLETED'].map(
        (status) => `GenerationChanged ${status}`,
      ),
    ]);
    expect(changes.filter(({ change }) => change.type === 'AvatarCreated')).toHaveLength(2);
    const of = (type: string): ActivityNews['change'][] =>
      changes.map(({ change }) => change).filter((change) => change.type === type);
    const named = { id: modelId, name: expect.any(String) as string };
    for (const change of of('ModelChanged')) expect(change).toMatchObject({ modelId, model: named });
    for (const change of of('GenerationChanged'))
      expect(change).toMatchObject({ generationId, generation: { id: generationId } });
    const url = expect.stringMatching(/^http/) as string;
    for (const change of of('AvatarCreated'))
      expect(change.avatar).toMatchObject({ id: change.avatarId, url, favorite: false });
    const times = changes.map(({ occurredAt }) => Date.parse(occurredAt));
    expect([...times].sort((one, other) => one - other)).toEqual(times);
  });

  it.each(['WebSocket', 'SSE'] as const)('resumes after each cursor, over %s', async (transport) => {
    const changes = changesOf(all.messages);
    for (const index of [0, 3, changes.length - 2, changes.length - 1]) {
      const feed = await caughtUp(followActivity(client, { after: changes[index]!.cursor }, transport));
      feed.drop();
      expect(feed.messages.slice(0, -1).map(({ cursor }) => cursor)).toEqual(
        changes.slice(index + 1).map(({ cursor }) => cursor),
      );
      expect(feed.messages.at(-1)!.change).toEqual({ type: 'CaughtUp', hasGap: false });
    }
  });

  it('filters by kind and by model, with any cursor', async () => {
    const after = all.messages[0]!.cursor;
    const typesWith = async (filter: object): Promise<string[]> => {
      const feed = await caughtUp(followActivity(client, { after, filter }));
      feed.drop();
      return [...new Set(feed.messages.map(({ change }) => change.type))];
    };
    expect(await typesWith({ kinds: ['MODEL'] })).toEqual(['ModelChanged', 'CaughtUp']);
    expect(await typesWith({ kinds: ['AVATAR'] })).toEqual(['AvatarCreated', 'CaughtUp']);
    expect(await typesWith({ kinds: [] })).toEqual(['CaughtUp']);
    expect(await typesWith({ kinds: ['GENERATION'], modelIds: [modelId] })).toEqual([
      'GenerationChanged',
      'CaughtUp',
    ]);
    expect(await typesWith({ modelIds: null })).toContain('ModelChanged');
    for (const id of [toGlobalId('AvatarModel', newId()), generationId, 'nonsense'])
      expect(await typesWith({ modelIds: [id] })).toEqual(['CaughtUp']);
  });

  it('sends marks of avatars, once for each change, and not to avatarCompleted', async () => {
    const { avatarId } = all.messages.find(({ change }) => change.type === 'AvatarCreated')!.change;
    const avatars = client.followAvatars({ modelId });
    await avatars.until((received) => received.length === 2);
    const before = all.messages.length;
    for (const favorite of [true, true, false]) await setFavorite(client, avatarId!, favorite);
    const received = await all.until((messages) => messages.length >= before + 2);
    expect(received.slice(before).map(({ change }) => [change.type, change.avatarId])).toEqual([
      ['AvatarChanged', avatarId],
      ['AvatarChanged', avatarId],
    ]);
    expect(received.at(-1)!.change.avatar).toMatchObject({ favorite: false });
    await client.generationEnd((await client.generate(modelId)).id);
    expect(
      (await avatars.until((messages) => messages.length > 2)).map(({ avatar }) => avatar.id),
    ).toHaveLength(3);
    avatars.drop();
  });

  it('wakes the subscribers of all processes after a mark', async () => {
    const { avatarId } = all.messages.find(({ change }) => change.type === 'AvatarCreated')!.change;
    const wakeups = new Wakeups({ url: gateway.databaseUrl, logger: createLogger('silent') });
    const woken = new Set<string>();
    wakeups.onStreams((ids) => [...ids].forEach((id) => woken.add(id)));
    await wakeups.start();
    try {
      const before = all.messages.length;
      await setFavorite(client, avatarId!, true);
      await all.until((messages) => messages.length > before);
      await until(() => woken.has(uuidOf(modelId)) || !testEngine.notifies);
      expect(all.messages.length).toBeGreaterThan(before);
    } finally {
      await wakeups.stop();
    }
  });

  it('sends deletions, and nothing more of what was deleted', async () => {
    const before = all.messages.length;
    const { cursor } = all.messages[0]!;
    const [first] = await client.avatars(generationId);
    await client.delete('deleteAvatar', first!.id);
    await client.delete('deleteGeneration', generationId);
    await client.delete('deleteModel', modelId);
    const received = await all.until((messages) =>
      messages.some(({ change }) => change.type === 'ModelDeleted'),
    );
    const deletions = received.slice(before).filter(({ change }) => change.type.endsWith('Deleted'));
    expect(deletions.map(({ change }) => change)).toEqual([
      { type: 'AvatarDeleted', avatarId: first!.id, generationId },
      { type: 'GenerationDeleted', generationId, ofModel: modelId },
      { type: 'ModelDeleted', modelId },
    ]);
    const replay = await caughtUp(followActivity(client, { after: cursor }));
    replay.drop();
    expect(replay.messages.map(({ change }) => change.type)).toEqual(['ModelDeleted', 'CaughtUp']);
  });
});

describe('activity', () => {
  const never = { kind: 'never-done' } as const;

  it('begins with the unfinished jobs of the owner, then has their changes', async () => {
    const client = await Client.of(gateway);
    const { modelId, photoIds } = await client.settle();
    await gateway.sandbox.fault({ on: 'train', ...never });
    await gateway.sandbox.fault({ on: 'generate', ...never });
    const { id: training } = await client.train({ photoIds });
    const { id: generation } = await client.generate(modelId);
    await eventually(
      'both run',
      async () => [(await client.model(training))!.status, (await client.generation(generation))!.status],
      (statuses) => statuses.join() === 'TRAINING,GENERATING',
    );
    const feed = await caughtUp(followActivity(client));
    expect(feed.messages.map((item) => [wordsOf(item), item.isSnapshot])).toEqual([
      ['ModelChanged TRAINING', true],
      ['GenerationChanged GENERATING', true],
      ['CaughtUp', false],
    ]);
    await gateway.rows(
      `INSERT INTO generations (id, owner, provider, model_id, prompts, wanted, due_at)
       SELECT ('ffffffff-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, $1, 'other', $2, '[]', 1, now() + interval '1 day'
         FROM generate_series(1, 500) n`,
      [client.name, uuidOf(modelId)],
    );
    const long = await caughtUp(followActivity(client, { filter: { kinds: ['GENERATION'] } }));
    long.drop();
    expect(long.messages).toHaveLength(501);
    expect(long.messages.slice(0, 2).map(wordsOf)).toEqual([
      'GenerationChanged GENERATING',
      'GenerationChanged QUEUED',
    ]);
    await gateway.rows(`DELETE FROM generations WHERE owner = $1 AND provider = 'other'`, [client.name]);
    await client.change('cancelModel', training);
    await feed.until((received) => received.some((item) => wordsOf(item) === 'ModelChanged CANCELLED'));
    await client.change('cancelGeneration', generation);
    await feed.until((received) => received.some((item) => wordsOf(item) === 'GenerationChanged CANCELLED'));
    feed.drop();
    // A cursor within the snapshot begins with a new one.
    const again = await caughtUp(followActivity(client, { after: feed.messages[0]!.cursor }));
    again.drop();
    expect(again.messages.map(wordsOf)).toEqual(['CaughtUp']);
    const filtered = await caughtUp(followActivity(client, { filter: { modelIds: [modelId] } }));
    filtered.drop();
    expect(filtered.messages.map(wordsOf)).toEqual(['CaughtUp']);
  });

  it('continues from viewer.activityCursor, also past changes that no one has followed', async () => {
    const client = await Client.of(gateway);
    const [before, photoIds] = [await activityCursor(client), await client.upload()];
    const modelId = await client.trained(photoIds);
    const [after, again] = [await activityCursor(client), await activityCursor(client)];
    expect(again).toBe(after);
    const feed = await caughtUp(followActivity(client, { after: before }));
    feed.drop();
    expect(wordsOf(feed.messages.at(-2)!)).toBe('ModelChanged READY');
    expect(feed.messages.at(-2)!.cursor).toBe(after);
    const later = await caughtUp(followActivity(client, { after }));
    await client.rename(modelId, 'another name');
    const received = await later.until((messages) => messages.length === 2);
    later.drop();
    expect(received.map(({ change }) => change.model?.name)).toEqual([undefined, 'another name']);
  });

  it('reads the cursor before all other fields of the operation', async () => {
    const client = await Client.of(gateway);
    await activityCursor(client);
    const { modelId } = await client.settle();
    const query = `query ($id: ID!) { model(id: $id) { status } ...Me } fragment Me on Query { me: viewer { ... { at: activityCursor } owner } }`;
    const { me } = await client.request<{ me: { at: string; owner: string } }>(query, { id: modelId });
    expect(me).toEqual({ at: await activityCursor(client), owner: client.name });
  });

  it('sends estimates between changes, with the cursor of the last change', async () => {
    const slow = await TestGateway.start({ ...jwtSettings, SANDBOX_SPEED: '20', MAX_POLL_SPEEDUP: '1' });
    try {
      const client = await Client.of(slow);
      const { id } = await client.train({ photoIds: await client.upload() });
      await client.becomes('model', id, 'TRAINING');
      const feeds = [
        followActivity(client, { estimates: true }),
        followActivity(client, { estimates: true }),
      ];
      const without = followActivity(client);
      const resumes = async (feed: (typeof feeds)[number]): Promise<void> => {
        await eventually(
          'estimates',
          () => Promise.resolve(feed.estimates.length),
          (count) => count >= 2,
        );
        const { change, cursor } = feed.estimates[0]!;
        expect(change).toMatchObject({ type: 'ModelChanged', modelId: id, modelStatus: 'TRAINING' });
        expect(feed.messages.map((item) => item.cursor)).toContain(cursor);
        const figures = feed.estimates.map((item) => item.change.progress!);
        expect([...figures].sort((one, other) => one - other)).toEqual(figures);
        // Also for a subscriber who resumes and receives no change.
        const resumed = followActivity(client, { after: cursor, estimates: true });
        await eventually(
          'an estimate',
          () => Promise.resolve(resumed.estimates.length),
          (count) => count >= 1,
        );
        resumed.drop();
        feed.drop();
      };
      await Promise.all(feeds.map(resumes));
      expect(without.estimates).toEqual([]);
      without.drop();
    } finally {
      await slow.stop();
    }
  });
});
