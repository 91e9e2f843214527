import { Caller } from './caller';
import { trainModelMutation, type Slot } from './client';
import { TestGateway } from './gateway';
import { signed } from './issuer';
import { facePhoto } from './pictures';
import { until } from './until';

/** The secret of tokens in these tests. */
export const jwtSecret = 'a secret that two programs share, 40 bytes';

/** One resource of each kind that an owner can have. */
export interface Belongings {
  photo: string;
  /** Uploaded photos, of which {@link photo} is the first. */
  photos: string[];
  awaitingPhoto: string;
  uploadUrl: string;
  readyModel: string;
  completedGeneration: string;
  avatar: string;
  avatarUrl: string;
  photoUrl: string;
  waitingModel: string;
  waitingGeneration: string;
  failedModel: string;
  failedGeneration: string;
  /** Cursors: of a stream of the model, of one of the generation, and of a list. */
  modelCursor: string;
  generationCursor: string;
  listCursor: string;
}

/** Two owners on a gateway without background work. */
export class TwoOwners {
  private constructor(
    readonly gateway: TestGateway,
    readonly alice: Caller,
    readonly bob: Caller,
    readonly alices: Belongings,
    readonly bobs: Belongings,
  ) {}

  /** Creates the data of both with a complete gateway, then restarts it without workers. */
  static async settle(): Promise<TwoOwners> {
    const settings: Record<string, string> = { AUTH: 'jwt', JWT_SECRET: jwtSecret };
    const gateway = await TestGateway.start(settings);
    try {
      const [alice, bob] = await Promise.all(
        ['alice', 'bob'].map(
          async (subject) =>
            new Caller(() => gateway.url, await signed(jwtSecret, { subject, endsInSeconds: 3_000 })),
        ),
      );
      const [ofAlice, ofBob] = await Promise.all([finished(alice!, 'alice'), finished(bob!, 'bob')]);
      settings.ROLE = 'api';
      await gateway.restart();
      const [alices, bobs] = [await unfinished(alice!, ofAlice), await unfinished(bob!, ofBob)];
      await fail(gateway, [alices, bobs]);
      return new TwoOwners(gateway, alice!, bob!, alices, bobs);
    } catch (error) {
      await gateway.stop();
      throw error;
    }
  }

  /** All database rows of the owner, and the names of all files. */
  async snapshot(owner: string): Promise<string> {
    const tables = ['models', 'photos', 'generations', 'avatars', 'idempotency_keys', 'quota_reservations'];
    const rowsOf = (from: string): Promise<unknown[]> =>
      this.gateway.database.rows(`SELECT row_to_json(t)::text AS row FROM ${from}`, [owner]);
    const parts: unknown[] = [];
    for (const table of tables) parts.push(table, await rowsOf(`${table} t WHERE owner = $1 ORDER BY 1`));
    const streams = `SELECT id FROM models WHERE owner = $1 UNION SELECT id FROM generations WHERE owner = $1`;
    const events = await rowsOf(`events t WHERE stream_id IN (${streams}) ORDER BY stream_id, sequence`);
    return JSON.stringify([...parts, 'events', events], null, 1);
  }

  async stop(): Promise<void> {
    this.alice.leave();
    this.bob.leave();
    await this.gateway.stop();
  }
}

type Finished = Pick<
  Belongings,
  'photo' | 'photos' | 'readyModel' | 'completedGeneration' | 'avatar' | 'avatarUrl' | 'photoUrl'
>;

async function finished(caller: Caller, name: string): Promise<Finished> {
  const photos = await uploaded(caller, 5);
  const input = { name: `${name} is secret`, type: 'CAT', photoIds: photos };
  const { trainModel } = await caller.take<{ trainModel: { model: { id: string } } }>(trainModelMutation, {
    input,
  });
  const readyModel = trainModel.model.id;
  const stateOf = async (kind: string, id: string): Promise<string> =>
    (
      await caller.take<{ job: { status: string } }>(
        `query ($id: ID!) { job: ${kind}(id: $id) { status } }`,
        { id },
      )
    ).job.status;
  await becomes(() => stateOf('model', readyModel), 'READY');
  const completedGeneration = await generated(caller, readyModel, `${name} by the sea`);
  await becomes(() => stateOf('generation', completedGeneration), 'COMPLETED');
  const { generation, photo } = await caller.take<{
    generation: { avatars: { id: string; url: string }[] };
    photo: { url: string };
  }>('query ($g: ID!, $p: ID!) { generation(id: $g) { avatars { id url } } photo(id: $p) { url } }', {
    g: completedGeneration,
    p: photos[0],
  });
  const { id: avatar, url: avatarUrl } = generation.avatars[0]!;
  return {
    photo: photos[0]!,
    photos,
    readyModel,
    completedGeneration,
    avatar,
    avatarUrl,
    photoUrl: photo.url,
  };
}

async function unfinished(caller: Caller, finished: Finished): Promise<Belongings> {
  const [slot] = await slots(caller, [1_000]);
  const train = async (): Promise<string> =>
    (
      await caller.take<{ trainModel: { model: { id: string } } }>(trainModelMutation, {
        input: { type: 'CAT', photoIds: finished.photos },
      })
    ).trainModel.model.id;
  const { readyModel } = finished;
  const waitingModel = await train();
  const waitingGeneration = await generated(caller, readyModel, 'waiting');
  const cursors = await Promise.all([
    caller.ask('WebSocket', {
      query: `subscription { s: trainingProgress(modelId: "${waitingModel}") { cursor } }`,
    }),
    caller.ask('WebSocket', {
      query: `subscription { s: generationProgress(generationId: "${waitingGeneration}") { cursor } }`,
    }),
  ]);
  const [modelCursor, generationCursor] = cursors.map(
    ({ data }) => (data as { s: { cursor: string } }).s.cursor,
  );
  const { models } = await caller.take<{ models: { edges: { cursor: string }[] } }>(
    '{ models { edges { cursor } } }',
  );
  return {
    ...finished,
    awaitingPhoto: slot!.photo.id,
    uploadUrl: slot!.uploadUrl,
    waitingModel,
    waitingGeneration,
    failedModel: await train(),
    failedGeneration: await generated(caller, readyModel, 'failed'),
    modelCursor: modelCursor!,
    generationCursor: generationCursor!,
    listCursor: models.edges[0]!.cursor,
  };
}

/** A retryable failure takes long to produce, so it is written directly to the database. */
async function fail(gateway: TestGateway, all: Belongings[]): Promise<void> {
  for (const { failedModel, failedGeneration } of all) {
    for (const [table, id] of [
      ['models', failedModel],
      ['generations', failedGeneration],
    ] as const) {
      await gateway.database.rows(
        `UPDATE ${table} SET status = 'FAILED', due_at = NULL, failure_code = 'UPSTREAM_FAILED',
           failure_message = 'It failed.', failure_retryable = true WHERE id = $1`,
        [id.replace(/^\w+_/, '')],
      );
    }
  }
}

async function generated(caller: Caller, modelId: string, prompt: string): Promise<string> {
  const { generateAvatars } = await caller.take<{ generateAvatars: { generation: { id: string } } }>(
    'mutation ($input: GenerateAvatarsInput!) { generateAvatars(input: $input) { generation { id } } }',
    { input: { modelId, prompts: [{ prompt }] } },
  );
  return generateAvatars.generation.id;
}

async function slots(caller: Caller, sizes: number[]): Promise<Slot[]> {
  const { createPhotoUploads } = await caller.take<{ createPhotoUploads: { uploads: Slot[] } }>(
    'mutation ($input: CreatePhotoUploadsInput!) { createPhotoUploads(input: $input) { uploads { photo { id } uploadUrl headers { name value } } } }',
    {
      input: {
        files: sizes.map((byteSize) => ({ filename: 'me.jpg', contentType: 'image/jpeg', byteSize })),
      },
    },
  );
  return createPhotoUploads.uploads;
}

async function uploaded(caller: Caller, count: number): Promise<string[]> {
  const faces = await Promise.all(
    Array.from({ length: count }, (_, seed) => facePhoto(seed, { width: 640 })),
  );
  const places = await slots(
    caller,
    faces.map(({ length }) => length),
  );
  await Promise.all(
    places.map(({ uploadUrl }, index) =>
      fetch(uploadUrl, {
        method: 'PUT',
        headers: { 'content-type': 'image/jpeg' },
        body: new Uint8Array(faces[index]!),
      }),
    ),
  );
  return places.map(({ photo }) => photo.id);
}

async function becomes(read: () => Promise<string>, wanted: string): Promise<void> {
  let state = '';
  const watch = async (): Promise<void> => {
    while (state !== wanted) {
      state = await read();
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  };
  await Promise.race([watch(), until(() => state === wanted)]);
}
