import {
  getVariableValues,
  NoDeprecatedCustomRule,
  parse,
  specifiedRules,
  validate,
  type GraphQLObjectType,
} from 'graphql';
import { apiSchema } from '../../src/app/services';
import { Client } from '../support/client';
import { ExampleRunner } from '../support/example-runner';
import { TestGateway } from '../support/gateway';
import { facePhoto } from '../support/pictures';
import { put } from '../support/raw-client';
import { receiverSettings, WebhookReceiver } from '../support/webhook-receiver';

const schema = apiSchema();

let gateway: TestGateway;
let client: Client;
let receiver: WebhookReceiver;
let examples: ExampleRunner;
let ids: ExampleRunner['ids'];
beforeAll(async () => {
  gateway = await TestGateway.start(receiverSettings);
  receiver = await WebhookReceiver.start();
  client = new Client(() => gateway.url);
  examples = await ExampleRunner.of(client);
  ({ ids } = examples);
});
afterAll(async () => {
  await receiver.stop();
  await gateway.stop();
});

const run = <T>(name: string, changes?: object): Promise<T> => examples.run<T>(name, changes);

const anId = (kind: string): unknown => expect.stringMatching(new RegExp(`^${kind}_`));
const aUrl: unknown = expect.stringMatching(/^http/);
const aTime: unknown = expect.stringMatching(/^\d{4}-\d\d-\d\dT/);

interface Job {
  id: string;
}

describe('the examples, from an empty account to its erasure', () => {
  it('LookAround shows who you are, and that there are no models yet', async () => {
    expect(await examples.request('LookAround')).toEqual({
      viewer: { owner: 'local', grantedScopes: expect.arrayContaining(['READ', 'WRITE']) as unknown },
      models: { totalCount: 0, nodes: [] },
    });
  });

  it('Capabilities returns the limits of the server', async () => {
    expect(await run('Capabilities')).toMatchObject({ photos: { minSide: 256 }, hasInstantAvatars: true });
  });

  it('Styles returns the styles', async () => {
    const styles = await run<{ key: string }[]>('Styles');
    expect(styles.map(({ key }) => key)).toEqual(expect.arrayContaining(['watercolor', 'noir']));
  });

  it('Providers returns the sandbox', async () => {
    expect(await run('Providers')).toMatchObject([{ key: 'sandbox', isDefault: true, minPhotos: 5 }]);
  });

  it('UploadPhotos returns a URL for each file, which takes the photo', async () => {
    const { uploads } = await run<{
      uploads: { photo: Job; uploadUrl: string; problems: unknown[]; headers: { name: string }[] }[];
    }>('UploadPhotos');
    expect(uploads).toHaveLength(5);
    ids.photo = uploads.map(({ photo }) => photo.id);
    for (const [index, { uploadUrl, problems, headers }] of uploads.entries()) {
      expect([problems, headers.map(({ name }) => name)]).toEqual([[], ['Content-Type']]);
      expect((await put(uploadUrl, await facePhoto(index, { width: 640 }))).status).toBe(201);
    }
  });

  it('Photo returns the stored photo', async () => {
    expect(await run('Photo')).toMatchObject({ status: 'READY', originalWidth: 640, url: aUrl });
  });

  it('UnusedPhotos counts the uploaded photos', async () => {
    expect(await run('UnusedPhotos')).toMatchObject({ totalCount: 5 });
  });

  it('TrainModel queues a training with the uploaded photos', async () => {
    const { model } = await run<{ model: Job & { status: string } }>('TrainModel');
    expect(model).toMatchObject({ id: anId('model'), status: 'QUEUED' });
    ids.model = [model.id];
  });

  it('TrainingProgress follows the training until the model is READY', async () => {
    const changes = await examples.runToEnd('TrainingProgress');
    expect(changes.at(-1)).toMatchObject({ status: 'READY', progress: 100, failure: null });
  });

  it('Model and WaitForModel return the READY model at once', async () => {
    expect(await run('WaitForModel')).toMatchObject({ status: 'READY', progress: 100 });
    const photos = ids.photo!.map((id) => ({ id, url: aUrl }));
    expect(await run('Model')).toMatchObject({ name: 'My model', status: 'READY', photos });
  });

  it('GenerateAvatars queues a generation of the model', async () => {
    const { generation } = await run<{ generation: Job }>('GenerateAvatars');
    expect(generation).toMatchObject({ id: anId('generation'), status: 'QUEUED' });
    ids.generation = [generation.id];
  });

  it('AvatarCompleted sends each avatar of the generation', async () => {
    const sent = await examples.runToEnd<{ avatar: Job & { style: string } }>('AvatarCompleted');
    expect(sent.map(({ avatar }) => avatar.style).sort()).toEqual(['noir', 'watercolor', 'watercolor']);
    ids.avatar = [sent.find(({ avatar }) => avatar.style === 'watercolor')!.avatar.id];
  });

  it('AvatarsOfModel sends the avatars of all generations', async () => {
    const feed = examples.follow<{ avatar: Job }>('AvatarsOfModel');
    await feed.until((received) => received.length === 3);
    feed.drop();
    expect(feed.messages[0]).toMatchObject({ avatar: { id: anId('avatar'), url: aUrl }, isSnapshot: true });
  });

  it('Activity sends what has happened since the cursor that ActivityCursor returned', async () => {
    const { activityCursor: after } = await run<{ activityCursor: string }>('ActivityCursor');
    await client.rename(ids.model![0]!, 'My model');
    const feed = examples.follow<{ change: object }>('Activity', { after });
    expect(await feed.until((messages) => messages.length === 2)).toMatchObject([
      { isSnapshot: false, change: { __typename: 'ModelChanged', modelId: ids.model![0], progress: 100 } },
      { change: { __typename: 'CaughtUp', hasGap: false } },
    ]);
    feed.drop();
  });

  it('GenerationProgress ends with the COMPLETED generation', async () => {
    expect((await examples.runToEnd('GenerationProgress')).at(-1)).toMatchObject({
      status: 'COMPLETED',
      progress: 100,
    });
  });

  it('Generation returns the prompts and avatars', async () => {
    const generation = await run<{ prompts: object[]; avatars: object[] }>('Generation');
    expect(generation).toMatchObject({ status: 'COMPLETED', missing: [], failure: null });
    expect([generation.prompts, generation.avatars].map((list) => list.length)).toEqual([2, 3]);
  });

  it('GenerateInstantAvatars queues a generation from one photo', async () => {
    expect(await run('GenerateInstantAvatars')).toEqual({
      generation: { id: anId('generation'), status: 'QUEUED' },
    });
  });

  it('Gallery returns the model with its cover', async () => {
    const model = { id: ids.model![0], cover: { url: aUrl } };
    expect(await run('Gallery')).toMatchObject({ totalCount: 1, nodes: [model] });
  });

  it('Avatars returns the avatars in one style', async () => {
    expect(await run('Avatars')).toMatchObject({ totalCount: 2, nodes: [{ prompt: 'in a garden' }, {}] });
  });

  it('Avatar returns a URL of the original picture', async () => {
    const avatar = await run<{ url: string; byteSize: number }>('Avatar');
    expect(avatar).toMatchObject({ style: 'watercolor', generation: { id: ids.generation![0] } });
    expect((await (await fetch(avatar.url)).arrayBuffer()).byteLength).toBe(avatar.byteSize);
  });

  it.each(['DownloadAvatars', 'ExportMyData'])('%s returns the URL of an archive', async (name) => {
    const { url } = await run<{ url: string }>(name);
    expect((await fetch(url)).headers.get('content-type')).toBe('application/zip');
  });

  it('Generations returns the generations of both kinds', async () => {
    const nodes = [{ model: null }, { id: ids.generation![0], model: { name: 'My model' } }];
    expect(await run('Generations')).toMatchObject({ nodes });
  });

  it('Node returns the model by its id', async () => {
    expect(await run('Node')).toEqual({ __typename: 'AvatarModel', id: ids.model![0], name: 'My model' });
  });

  it('Nodes returns a model and an avatar by their ids', async () => {
    expect(await run('Nodes')).toMatchObject([
      { __typename: 'AvatarModel', id: ids.model![0] },
      { __typename: 'Avatar', id: ids.avatar![0], url: aUrl },
    ]);
  });

  it('Manage shows what can be cancelled and retried', async () => {
    expect(await examples.request('Manage')).toMatchObject({
      models: { nodes: [{ id: ids.model![0], attempt: 1, canCancel: false, canRetry: false }] },
      generations: { nodes: [{}, { id: ids.generation![0], status: 'COMPLETED' }] },
    });
  });

  it('SetFavorite marks an avatar, which FavoritesFirst returns first', async () => {
    const marked = { id: ids.avatar![0], favorite: true };
    expect(await run('SetFavorite')).toEqual({ avatars: [marked] });
    const { nodes } = await run<{ nodes: { favorite: boolean }[] }>('FavoritesFirst');
    expect(nodes[0]).toMatchObject(marked);
    expect(nodes.slice(1).filter(({ favorite }) => favorite)).toEqual([]);
  });

  it('RenameModel changes the name', async () => {
    expect(await run('RenameModel')).toMatchObject({ model: { name: 'A new name' } });
  });

  it('RetryModel queues a FAILED model again', async () => {
    await gateway.sandbox.fault({ on: 'train', kind: 'failed' });
    const { id: modelId } = await client.train({ photoIds: ids.photo });
    expect(await client.modelEnd(modelId)).toMatchObject({ status: 'FAILED' });
    expect(await run('RetryModel', { modelId })).toEqual({ model: { id: modelId, status: 'QUEUED' } });
  });

  it('RetryGeneration queues a FAILED generation again', async () => {
    await gateway.sandbox.fault({ on: 'generate', kind: 'failed' });
    const { id: generationId } = await client.generate(ids.model![0]!);
    expect(await client.generationEnd(generationId)).toMatchObject({ status: 'FAILED' });
    const { generation } = await run<{ generation: Job }>('RetryGeneration', { generationId });
    expect(generation).toEqual({ id: generationId, status: 'QUEUED' });
    expect(await client.generationEnd(generationId)).toMatchObject({ status: 'COMPLETED' });
  });

  it('RetryMissingAvatars orders what a PARTIAL generation lacks', async () => {
    await gateway.sandbox.fault({ on: 'generate', kind: 'fewer-results' });
    const { id: generationId } = await client.generate(ids.model![0]!, [{ prompt: 'on a beach', count: 2 }]);
    expect(await client.generationEnd(generationId)).toMatchObject({ status: 'PARTIAL' });
    const { generation } = await run<{ generation: Job }>('RetryMissingAvatars', { generationId });
    expect(generation).toEqual({ id: generationId, status: 'QUEUED', missing: [] });
    expect(await client.generationEnd(generationId)).toMatchObject({ status: 'COMPLETED' });
  });

  it('RetryFailedGenerations retries what it has counted', async () => {
    await gateway.sandbox.fault({ on: 'generate', kind: 'failed' });
    const { id: generationId } = await client.generate(ids.model![0]!);
    expect(await client.generationEnd(generationId)).toMatchObject({ status: 'FAILED' });
    for (const dryRun of [true, false])
      expect(await run('RetryFailedGenerations', { dryRun })).toMatchObject({ result: { changedCount: 1 } });
    expect(await client.generationEnd(generationId)).toMatchObject({ status: 'COMPLETED' });
  });

  it('CancelModel ends a training', async () => {
    await gateway.sandbox.fault({ on: 'train', kind: 'never-done' });
    const { id: modelId } = await client.train({ photoIds: ids.photo });
    expect(await run('CancelModel', { modelId })).toEqual({ model: { id: modelId, status: 'CANCELLED' } });
  });

  it('CancelGeneration ends a generation', async () => {
    await gateway.sandbox.fault({ on: 'generate', kind: 'never-done' });
    const { id: generationId } = await client.generate(ids.model![0]!);
    expect(await run('CancelGeneration', { generationId })).toEqual({
      generation: { id: generationId, status: 'CANCELLED' },
    });
  });

  const bulk = ['RetryFailedModels', 'CancelWaitingModels', 'CancelWaitingGenerations', 'DeleteOtherAvatars'];
  it.each(bulk)('%s counts', async (name) => {
    expect(await run(name)).toMatchObject({ result: { hasMore: false, failures: [] } });
  });

  it.each(['DeleteFailedGenerations', 'DeleteFailedModels'])(
    '%s deletes what was cancelled',
    async (name) => {
      expect(await run(name)).toMatchObject({ result: { matchedCount: 1, changedCount: 1, failures: [] } });
    },
  );

  it.each(['Avatar', 'Generation', 'Photo', 'Model'])('Delete%s deletes it', async (type) => {
    expect(await run(`Delete${type}`)).toEqual({ deletedId: ids[type.toLowerCase()]![0] });
    expect(await run(type)).toBeNull();
  });

  it('Ledger and EstimateCost have no money without prices', async () => {
    expect(await run('Ledger')).toMatchObject({ nodes: [] });
    expect(await run('EstimateCost')).toMatchObject({ total: null });
  });

  it('CreateWebhook returns a webhook with its secret', async () => {
    const { url } = receiver;
    const created = await run<{ webhook: { id: string }; secret: string }>('CreateWebhook', { url });
    expect(created).toMatchObject({ webhook: { status: 'ENABLED' }, secret: expect.any(String) as string });
    ids.webhook = [created.webhook.id];
  });

  it('TestWebhook, UpdateWebhook, RotateWebhookSecret and ReplayWebhookDeliveries use it', async () => {
    expect(await run('TestWebhook')).toMatchObject({ attempt: { httpStatus: 200, excerpt: 'thanks' } });
    expect(await run('UpdateWebhook')).toMatchObject({ webhook: { status: 'PAUSED' } });
    expect(await run('RotateWebhookSecret')).toMatchObject({ oldSecretExpiresAt: aTime });
    expect(await run('ReplayWebhookDeliveries')).toMatchObject({ result: { hasMore: false } });
  });

  it('Webhooks returns the webhook, Notices no notice, and DeleteWebhook deletes it', async () => {
    expect(await run('Webhooks')).toMatchObject({ nodes: [{ url: receiver.url, status: 'PAUSED' }] });
    expect(await run('Notices')).toEqual({ notices: { nodes: [] } });
    expect(await run('DeleteWebhook')).toEqual({ deletedId: ids.webhook![0] });
  });

  it('MyAccount counts the trainings of today', async () => {
    const account = await run<{ usage: { trainingsToday: number } }>('MyAccount');
    expect(account).toMatchObject({ owner: 'local', usage: { resetsAt: aTime }, limits: { running: null } });
    // Two trainings, one of them twice, and possibly the cancelled one.
    expect(account.usage.trainingsToday).toBeGreaterThanOrEqual(3);
  });

  it('CreateClientToken and RevokeClientToken begin and end the access of a browser', async () => {
    const { token, clientToken } = await run<{ token: string; clientToken: Job }>('CreateClientToken');
    const browser = Client.with(gateway, 'browser', token);
    expect((await browser.post('{ styles { key } }')).status).toBe(200);
    expect(await run('RevokeClientToken', { token: clientToken.id })).toEqual({ revokedId: clientToken.id });
    expect((await browser.post('{ styles { key } }')).status).toBe(401);
  });

  it('Operator returns the state of the server', async () => {
    expect(await run('Operator')).toMatchObject({ accounts: [{ provider: 'sandbox' }], uncertain: null });
  });

  it('DeleteMyData erases everything once it is confirmed', async () => {
    await expect(run('DeleteMyData')).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    const { erasure } = await run<{ erasure: { receipt: string } }>('DeleteMyData', { confirm: 'DELETE' });
    expect(erasure).toMatchObject({ erasedAt: aTime, counts: { photos: 4 } });
    ids.receipt = [erasure.receipt];
  });

  it('Erasure returns the erasure by its receipt', async () => {
    expect(await run('Erasure', { receipt: ids.receipt![0] })).toMatchObject({ erasedAt: aTime });
  });

  it('have different names, and are all run above', () => {
    expect(examples.examples.map(({ name }) => name).sort()).toEqual([...examples.ran].sort());
  });

  it('include each root field that is not deprecated', () => {
    const used = examples.examples.flatMap(({ type, definition }) =>
      definition.selectionSet.selections.map((field) => `${type} ${'name' in field ? field.name.value : ''}`),
    );
    const roots = { query: 'Query', mutation: 'Mutation', subscription: 'Subscription' };
    const fields = Object.entries(roots).flatMap(([type, name]) =>
      Object.values((schema.getType(name) as GraphQLObjectType).getFields())
        .filter(({ deprecationReason }) => deprecationReason == null)
        .map((field) => `${type} ${field.name}`),
    );
    expect(fields.filter((field) => !used.includes(field))).toEqual([]);
  });

  it('use no deprecated element, and variables of their types', () => {
    for (const { name, query, variables, definition } of examples.examples) {
      const rules = [...specifiedRules, NoDeprecatedCustomRule];
      expect([name, validate(schema, parse(query), rules)]).toEqual([name, []]);
      const given = JSON.parse(variables) as Record<string, unknown>;
      const { errors } = getVariableValues(schema, definition.variableDefinitions ?? [], given);
      expect([name, errors]).toEqual([name, undefined]);
    }
  });
});
