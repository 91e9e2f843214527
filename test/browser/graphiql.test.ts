import type { Browser } from 'playwright-core';
import { Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { signed } from '../support/issuer';
import { facePhoto } from '../support/pictures';
import { put } from '../support/raw-client';
import { startBrowser } from './chromium';
import { Explorer } from './explorer';

/** The result of the example LookAround. */
interface Overview {
  data: {
    viewer: { owner: string };
    models: {
      nodes: { name: string; status: string; avatars: { nodes: { style: string; url: string }[] } }[];
    };
  };
}

interface Uploads {
  data: { createPhotoUploads: { uploads: { photo: { id: string }; uploadUrl: string }[] } };
}

/** The results of the example TrainingProgress. */
interface Progress {
  data: { trainingProgress: { status: string; progress: number } };
}

/** At this speed a training takes 9 s, so that its progress is visible also in a slow browser. */
const SANDBOX_SPEED = '133';

let browser: Browser;

beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser.close());

describe('GraphiQL on the first visit', () => {
  let gateway: TestGateway;
  let explorer: Explorer;
  let client: Client;

  beforeAll(async () => {
    gateway = await TestGateway.start({ SANDBOX_SPEED });
    client = new Client(() => gateway.url);
    explorer = await Explorer.open(browser, `${gateway.url}/graphiql`);
  });
  afterAll(() => gateway.stop());

  it('has a tab for each task', async () => {
    expect(explorer.address).toBe(`${gateway.url}/graphiql`);
    expect(await explorer.tabNames()).toEqual([
      ...['LookAround', 'UploadPhotos', 'TrainModel', 'GenerateAvatars', 'ActivityCursor', 'Gallery'],
      ...['Manage', 'MyAccount', 'Webhooks'],
    ]);
  });

  it('explains every part of the API in its documentation', async () => {
    const mutation = await explorer.readDocs('Mutation', 'trainModel');
    expect(mutation).toContain('Trains a model from 5 to 30 photos');
    const input = await explorer.followDocs('TrainModelInput', 'photos');
    expect(input).toContain('The photos, in your order: 5 to 30, uploaded or at public URLs');
    await explorer.closeDocs();
  });

  it('returns the viewer in the first tab', async () => {
    const { data } = await explorer.run<Overview>('LookAround');
    expect(data).toMatchObject({ viewer: { owner: 'local' }, models: { nodes: [] } });
    await explorer.expectAnswer('"local"');
  });

  it('reports what is missing when an unedited example is run', async () => {
    await explorer.openTab('TrainModel');
    const { errors } = await explorer.run<{ errors: { message: string; extensions: object }[] }>(
      'TrainModel',
    );
    expect(errors).toMatchObject([
      {
        message: expect.stringContaining('There is no photo with this id. Check the id;'),
        extensions: { code: 'NOT_FOUND', field: 'input.photos[0].photoId' },
      },
    ]);
  });

  it('runs the full flow with the examples: uploads, a training, its live progress, avatars, a picture', async () => {
    await explorer.openTab('UploadPhotos');
    const { uploads } = (await explorer.run<Uploads>('UploadPhotos')).data.createPhotoUploads;
    for (const [index, { uploadUrl }] of uploads.entries()) await put(uploadUrl, await facePhoto(index));

    await explorer.openTab('TrainModel');
    const photos = uploads.map(({ photo }) => ({ photoId: photo.id }));
    const input = { name: 'Grace', type: 'WOMAN', photos };
    await explorer.give('Variables', { input });
    const training = await explorer.run<{ data: { trainModel: { model: { id: string } } } }>('TrainModel');
    const { id: modelId } = training.data.trainModel.model;
    await explorer.give('Variables', { input, modelId });
    await explorer.start('TrainingProgress');
    await explorer.expectAnswer('"READY"');
    const answers = (await explorer.answers<Partial<Progress>>()).map(({ data }) => data?.trainingProgress);
    const progress = answers
      .filter((received) => received?.status === 'TRAINING')
      .map((received) => received!.progress);
    expect(new Set(progress).size).toBeGreaterThanOrEqual(2);
    expect(progress).toEqual([...progress].sort((one, other) => one - other));
    expect(answers.at(-1)).toMatchObject({ status: 'READY', progress: 100 });

    await explorer.openTab('GenerateAvatars');
    const prompts = [{ style: 'watercolor', count: 2 }];
    await explorer.give('Variables', { input: { modelId, prompts } });
    const asked = await explorer.run<{ data: { generateAvatars: { generation: { id: string } } } }>(
      'GenerateAvatars',
    );
    await client.generationEnd(asked.data.generateAvatars.generation.id);

    await explorer.openTab('LookAround');
    const [model] = (await explorer.run<Overview>('LookAround')).data.models.nodes;
    expect(model).toMatchObject({ name: 'Grace', status: 'READY' });
    const avatars = model!.avatars.nodes;
    expect(avatars.map(({ style }) => style)).toEqual(['watercolor', 'watercolor']);
    const { width, height } = await explorer.openPicture(avatars[0]!.url);
    expect(Math.min(width, height)).toBeGreaterThanOrEqual(512);
  });

  it('fills the examples of the next visit with ids of the objects that are there', async () => {
    const next = await Explorer.open(browser, `${gateway.url}/graphiql`);
    await next.openTab('TrainModel');
    expect(await next.query()).toMatch(
      /^# To do first, then reload this page:\n# - upload 5 photos \(UploadPhotos\)\n\n# Train/,
    );
    await next.openTab('GenerateAvatars');
    const asked = await next.run<{ data: { generateAvatars: { generation: { id: string } } } }>(
      'GenerateAvatars',
    );
    await client.generationEnd(asked.data.generateAvatars.generation.id);
    // Stored tabs are filled too.
    await next.reload();
    await next.openTab('Gallery');
    expect(await next.query()).toMatch(/^# A gallery/);
    const { data } = await next.run<{ data: { nodes: { __typename: string }[] } }>('Nodes');
    expect(data.nodes).toEqual([expect.objectContaining({}), expect.objectContaining({})]);
  });

  it('loads from the server only, without errors in the console', () => {
    expect(explorer.complaints).toEqual([]);
    const elsewhere = explorer.requests.filter(
      (address) =>
        !address.replace(/^ws/, 'http').startsWith(`${gateway.url}/`) && !address.startsWith('data:'),
    );
    expect(elsewhere).toEqual([]);
    expect(explorer.requests).toContain(`${gateway.url.replace(/^http/, 'ws')}/graphql`);
  });
});

describe('GraphiQL with authentication', () => {
  const secret = 'a secret that two programs share, 40 bytes';
  let gateway: TestGateway;
  let explorer: Explorer;

  beforeAll(async () => {
    gateway = await TestGateway.start({ AUTH: 'jwt', JWT_SECRET: secret });
    explorer = await Explorer.open(browser, `${gateway.url}/graphiql`);
  });
  afterAll(() => gateway.stop());

  it('sends the token of the headers editor with requests and sockets', async () => {
    await explorer.run('LookAround');
    await explorer.expectAnswer('"UNAUTHENTICATED"');

    const headers = { Authorization: `Bearer ${await signed(secret, { subject: 'grace' })}` };
    await explorer.give('Headers', headers);
    expect((await explorer.run<Overview>('LookAround')).data.viewer.owner).toBe('grace');
    await explorer.fetchDocs();
    expect(await explorer.readDocs('Query', 'viewer')).toContain('You, the authenticated caller');
    await explorer.closeDocs();

    await explorer.openTab('TrainModel');
    await explorer.give('Headers', headers);
    await explorer.run('TrainingProgress');
    await explorer.expectAnswer('"NOT_FOUND"');
    expect(explorer.frames[0]).toEqual({ type: 'connection_init', payload: headers });
  });

  it('shows why a subscription without a key was refused, and sends the key of its field in all tabs', async () => {
    const next = await Explorer.open(browser, `${gateway.url}/graphiql`);
    await next.openTab('TrainModel');
    await next.start('TrainingProgress');
    await next.expectAnswer(/Sign in|credentials|key|token/i);
    await next.giveKey(await signed(secret, { subject: 'ada' }));
    await next.openTab('LookAround');
    expect((await next.run<Overview>('LookAround')).data.viewer.owner).toBe('ada');
    await next.openTab('TrainModel');
    await next.start('TrainingProgress');
    await next.expectAnswer('"NOT_FOUND"');
  });
});
