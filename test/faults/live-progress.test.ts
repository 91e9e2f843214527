import { readGlobalId } from '../../src/core/ids';
import { decodeEventCursor } from '../../src/events/event';
import { Client } from '../support/client';
import type { StreamTransport } from '../support/feed';
import { TestGateway } from '../support/gateway';

let gateway: TestGateway;
let client: Client;
let photoIds: string[];

beforeAll(async () => {
  gateway = await TestGateway.start();
  client = new Client(() => gateway.url);
  photoIds = await client.upload();
});

afterAll(() => gateway.stop());

/** Starts a training that runs until it is cancelled. Each change of its name is sent to subscribers. */
const endlessTraining = async (): Promise<string> => {
  await gateway.sandbox.fault({ on: 'train', kind: 'never-done' });
  const { id } = await client.train({ photoIds, name: 'first' });
  const feed = client.followTraining(id);
  await feed.until((received) => received.some(({ status }) => status === 'TRAINING'));
  feed.drop();
  return id;
};

const refusal = (what: 'model' | 'generation', field: string): object => ({
  how: 'errors',
  errors: [
    expect.objectContaining({
      message: `There is no ${what} with this id. Check the id; the ${what} may have been deleted.`,
      extensions: expect.objectContaining({ code: 'NOT_FOUND', field }) as object,
    }),
  ],
});
const noModel = refusal('model', 'modelId');
const noGeneration = refusal('generation', 'generationId');
const noModelSelected = refusal('model', 'select.modelId');
const noGenerationSelected = refusal('generation', 'select.generationId');

const rename = async (id: string, name: string): Promise<void> => {
  await client.request(
    'mutation ($id: ID!, $name: String!) { renameModel(input: { id: $id, name: $name }) { model { id } } }',
    {
      id,
      name,
    },
  );
};

/** The names that the model had after the received changes, without consecutive duplicates. */
const changesOf = async (id: string, received: readonly { cursor: string }[]): Promise<string[]> => {
  const streamId = readGlobalId(id)!.id;
  const events = await gateway.rows<{ sequence: string; name: string }>(
    `SELECT sequence, payload->>'name' AS name FROM events WHERE stream_id = $1`,
    [streamId],
  );
  const names = new Map(events.map(({ sequence, name }) => [Number(sequence), name]));
  return received
    .map(({ cursor }) => names.get(decodeEventCursor(cursor, streamId))!)
    .filter((name, index, all) => name !== all[index - 1]);
};

const transports: StreamTransport[] = ['WebSocket', 'SSE'];

describe.each(transports)('live progress over %s', (transport) => {
  it('resumes after the last cursor with every event once when the connection broke', async () => {
    const id = await endlessTraining();
    const first = client.followTraining(id, undefined, transport);
    await first.until((received) => received.length > 0);
    expect(first.messages[0]).toMatchObject({
      status: 'TRAINING',
      isSnapshot: true,
      model: { name: 'first' },
    });
    for (const name of ['a', 'b', 'c']) await rename(id, name);
    await first.until((received) => received.at(-1)!.model.name === 'c');
    first.drop();
    const seen = [...first.messages];

    for (const name of ['d', 'e']) await rename(id, name);
    const second = client.followTraining(id, seen.at(-1)!.cursor, transport);
    await second.until((received) => received.some(({ model }) => model.name === 'e'));
    await rename(id, 'f');
    await client.change('cancelModel', id);
    expect(await second.ended()).toEqual({ how: 'complete' });

    const received = [...seen, ...second.messages];
    const changes = ['first', 'a', 'b', 'c', 'd', 'e', 'f'];
    expect(await changesOf(id, received)).toEqual(changes);
    const ages = received.map(({ model }) => changes.indexOf(model.name));
    expect(ages).toEqual([...ages].sort((a, b) => a - b));
    expect(received.map(({ isSnapshot }) => isSnapshot)).toEqual([
      true,
      ...received.slice(1).map(() => false),
    ]);
    expect(new Set(received.map(({ cursor }) => cursor)).size).toBe(received.length);
    expect(received.at(-1)).toMatchObject({ status: 'CANCELLED' });
  });

  it('sends the current state and completes for an ended job, and sends nothing after the last cursor', async () => {
    const id = await client.trained(photoIds);
    const late = client.followTraining(id, undefined, transport);
    expect(await late.ended()).toEqual({ how: 'complete' });
    expect(late.messages).toEqual([
      expect.objectContaining({ status: 'READY', progress: 100, isSnapshot: true }),
    ]);
    const later = client.followTraining(id, late.messages[0]!.cursor, transport);
    expect(await later.ended()).toEqual({ how: 'complete' });
    expect(later.messages).toEqual([]);
  });

  it('sends a generation with its avatars, and each avatar once to a client that resumes in between', async () => {
    const modelId = await client.trained(photoIds);
    const start = client.followAvatars({ modelId }, transport);
    const { id } = await client.generate(modelId, [{ count: 4 }]);
    const progress = client.followGeneration(id, undefined, transport);
    const all = await start.until((news) => news.length === 4);
    start.drop();
    expect(await progress.ended()).toEqual({ how: 'complete' });
    const percents = progress.messages.map((message) => message.progress);
    expect(percents).toEqual([...percents].sort((a, b) => a - b));
    expect(progress.messages.at(-1)).toMatchObject({ status: 'COMPLETED', progress: 100 });

    const rest = client.followAvatars({ generationId: id, after: all[1]!.cursor }, transport);
    expect(await rest.ended()).toEqual({ how: 'complete' });
    expect(rest.messages.map(({ avatar }) => avatar.id)).toEqual(all.slice(2).map(({ avatar }) => avatar.id));
  });

  it('ends with NOT_FOUND when its subject is deleted', async () => {
    const id = await endlessTraining();
    const training = client.followTraining(id, undefined, transport);
    const avatars = client.followAvatars({ modelId: id }, transport);
    await training.until((received) => received.length > 0);
    await client.delete('deleteModel', id);
    expect(await training.ended()).toEqual(noModel);
    expect(await avatars.ended()).toEqual(noModelSelected);
  });

  it.each(['the generation', 'its model'])(
    'of a generation ends with NOT_FOUND when %s is deleted',
    async (what) => {
      const modelId = await client.trained(await client.upload());
      await gateway.sandbox.fault({ on: 'generate', kind: 'never-done' });
      const { id } = await client.generate(modelId);
      const feeds = [
        client.followGeneration(id, undefined, transport),
        client.followAvatars({ generationId: id }, transport),
      ];
      const ofModel = client.followAvatars({ modelId }, transport);
      await client
        .followGeneration(id)
        .until((received) => received.some(({ status }) => status === 'GENERATING'));
      if (what === 'its model') await client.delete('deleteModel', modelId);
      else await client.delete('deleteGeneration', id);
      const isModel = what === 'its model';
      const ended = await Promise.all([...feeds, ...(isModel ? [ofModel] : [])].map((feed) => feed.ended()));
      expect(ended).toEqual([noGeneration, noGenerationSelected, ...(isModel ? [noModelSelected] : [])]);
      ofModel.drop();
    },
  );

  it('rejects ids that cannot be followed with the reason', async () => {
    const [id, otherId] = [await endlessTraining(), await endlessTraining()];
    const other = client.followTraining(otherId, undefined, transport);
    const [{ cursor } = { cursor: '' }] = await other.until((received) => received.length > 0);
    other.drop();
    const unknown = `model_${'0'.repeat(32)}`;
    const refusals = [
      [client.followTraining(unknown, undefined, transport), 'NOT_FOUND', 'modelId'],
      [client.followGeneration(id, undefined, transport), 'NOT_FOUND', 'generationId'],
      [client.followTraining(id, 'nonsense', transport), 'INVALID_CURSOR', 'after'],
      [client.followTraining(id, cursor, transport), 'INVALID_CURSOR', 'after'],
      [client.followAvatars({}, transport), 'INVALID_INPUT', 'select'],
      [client.followAvatars({ modelId: id, generationId: id }, transport), 'INVALID_INPUT', 'select'],
    ] as const;
    for (const [feed, code, field] of refusals) {
      expect(await feed.ended()).toEqual({
        how: 'errors',
        errors: [expect.objectContaining({ extensions: expect.objectContaining({ code, field }) as object })],
      });
      expect(feed.messages).toEqual([]);
    }
  });
});
