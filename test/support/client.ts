import { Feed, type Transport } from './feed';
import { facePhoto } from './pictures';

/** An error of the API. */
export interface Fault {
  message: string;
  extensions: Record<string, unknown> & { code: string; field?: string };
}

/** A model or a generation. */
export interface Job {
  id: string;
  status: string;
  progress: number;
  attempt: number;
  failure: { code: string; message: string; retryable: boolean } | null;
}

/** A message of `trainingProgress` or `generationProgress`. */
export interface Progress {
  status: string;
  progress: number;
  cursor: string;
  isSnapshot: boolean;
}

/** A message of `avatarCompleted`. */
export interface AvatarNews {
  avatar: { id: string; style: string; url: string };
  cursor: string;
  isSnapshot: boolean;
}

/** The avatars to generate in one style. */
export interface Prompt {
  style?: string;
  prompt?: string;
  count?: number;
}

/** The response to an upload. */
export interface UploadReply {
  status: number;
  body: Record<string, unknown>;
}

/** Optional input of a training. */
export interface TrainInput {
  photoIds?: readonly string[];
  photoUrls?: readonly string[];
  name?: string;
  type?: string;
  idempotencyKey?: string;
}

/** An upload slot for a photo. */
export interface Slot {
  photo: { id: string };
  uploadUrl: string;
  headers: { name: string; value: string }[];
}

const jobFields = 'id status progress attempt failure { code message retryable }';

/** A client of the API with the operations that tests need. */
export class TestClient {
  /** @param url - the current URL of the gateway */
  constructor(private readonly url: () => string) {}

  /**
   * Sends a query or mutation over HTTP.
   * @throws Error with the whole response if it is rejected
   */
  async ask<T>(query: string, variables?: object): Promise<T> {
    const { data, errors } = await this.send(query, variables);
    if (errors) throw new Error(`${query} was rejected: ${JSON.stringify(errors)}`);
    return data as T;
  }

  /** The only error of a query or mutation that must be rejected. */
  async refusal(query: string, variables?: object): Promise<Fault> {
    const { errors } = await this.send(query, variables);
    if (errors?.length !== 1)
      throw new Error(`Expected exactly one error: ${JSON.stringify(errors ?? null)}`);
    return errors[0]!;
  }

  /** Creates an upload slot for each photo. */
  async slots(
    files: readonly { filename?: string; contentType?: string; byteSize: number }[],
  ): Promise<Slot[]> {
    const { createPhotoUploads } = await this.ask<{ createPhotoUploads: { uploads: Slot[] } }>(
      'mutation ($input: CreatePhotoUploadsInput!) { createPhotoUploads(input: $input) { uploads { photo { id } uploadUrl headers { name value } } } }',
      { input: { files: files.map((file) => ({ filename: 'me.jpg', contentType: 'image/jpeg', ...file })) } },
    );
    return createPhotoUploads.uploads;
  }

  /** Uploads a photo. */
  async put({ uploadUrl, headers }: Slot, bytes: Buffer): Promise<UploadReply> {
    const response = await fetch(uploadUrl, {
      method: 'PUT',
      headers: headers.map(({ name, value }): [string, string] => [name, value]),
      body: new Uint8Array(bytes),
    });
    return { status: response.status, body: (await response.json()) as UploadReply['body'] };
  }

  /** Uploads drawn faces and returns the ids of the photos. */
  async uploadFaces(count = 5): Promise<string[]> {
    const faces = await Promise.all(
      Array.from({ length: count }, (_, seed) => facePhoto(seed, { width: 640 })),
    );
    const slots = await this.slots(faces.map((bytes) => ({ byteSize: bytes.length })));
    const replies = await Promise.all(slots.map((slot, index) => this.put(slot, faces[index]!)));
    const bad = replies.find(({ status }) => status !== 201);
    if (bad) throw new Error(`A photo was rejected: ${JSON.stringify(bad)}`);
    return slots.map(({ photo }) => photo.id);
  }

  /** Starts a training and returns the model. */
  async train(input: TrainInput): Promise<Job> {
    const { trainModel } = await this.ask<{ trainModel: { model: Job } }>(trainModelMutation, {
      input: { type: 'WOMAN', ...input },
    });
    return trainModel.model;
  }

  /** Starts a training and waits until it is done. */
  async trained(photoIds: readonly string[]): Promise<string> {
    const { id } = await this.train({ photoIds });
    const { status } = await this.modelEnd(id);
    if (status !== 'READY') throw new Error(`The model is ${status}.`);
    return id;
  }

  /** Requests avatars of a model. */
  async generate(modelId: string, prompts: readonly Prompt[] = [{}], idempotencyKey?: string): Promise<Job> {
    const { generateAvatars } = await this.ask<{ generateAvatars: { generation: Job } }>(generateMutation, {
      input: { modelId, prompts, idempotencyKey },
    });
    return generateAvatars.generation;
  }

  /** A model, or null. */
  async model(id: string): Promise<Job | null> {
    const { model } = await this.ask<{ model: Job | null }>(
      `query ($id: ID!) { model(id: $id) { ${jobFields} } }`,
      { id },
    );
    return model;
  }

  /** A generation, or null. */
  async generation(id: string): Promise<Job | null> {
    const { generation } = await this.ask<{ generation: Job | null }>(
      `query ($id: ID!) { generation(id: $id) { ${jobFields} } }`,
      { id },
    );
    return generation;
  }

  /** Waits until a training has ended, and returns the model. */
  async modelEnd(id: string): Promise<Job> {
    await this.followTraining(id).ended();
    return (await this.model(id))!;
  }

  /** Waits until a generation has ended, and returns it. */
  async generationEnd(id: string): Promise<Job> {
    await this.followGeneration(id).ended();
    return (await this.generation(id))!;
  }

  /** Subscribes to an operation. */
  follow<T>(query: string, variables: object, transport: Transport = 'WebSocket'): Feed<T> {
    return Feed.open<T>(transport, this.url(), { query, variables });
  }

  /** Subscribes to `trainingProgress`. */
  followTraining(
    id: string,
    after?: string,
    transport?: Transport,
  ): Feed<Progress & { model: { name: string } }> {
    const query = `subscription ($id: ID!, $after: String) {
      trainingProgress(modelId: $id, after: $after) { model { name } status progress cursor isSnapshot } }`;
    return this.follow(query, { id, after }, transport);
  }

  /** Subscribes to `generationProgress`. */
  followGeneration(id: string, after?: string, transport?: Transport): Feed<Progress> {
    const query = `subscription ($id: ID!, $after: String) {
      generationProgress(generationId: $id, after: $after) { status progress cursor isSnapshot } }`;
    return this.follow(query, { id, after }, transport);
  }

  /** Subscribes to `avatarCompleted`, of one generation or of one model. */
  followAvatars(
    of: { generationId?: string; modelId?: string; after?: string },
    transport?: Transport,
  ): Feed<AvatarNews> {
    const query = `subscription ($generationId: ID, $modelId: ID, $after: String) {
      avatarCompleted(generationId: $generationId, modelId: $modelId, after: $after) {
        avatar { id style url } cursor isSnapshot } }`;
    return this.follow(query, of, transport);
  }

  /** Mutations that take an id and return the model: rename, cancel, retry. */
  async changeModel(mutation: 'cancelModel' | 'retryModel', id: string): Promise<Job> {
    const query = `mutation ($id: ID!) { change: ${mutation}(id: $id) { model { ${jobFields} } } }`;
    return (await this.ask<{ change: { model: Job } }>(query, { id })).change.model;
  }

  /** The same for generations. */
  async changeGeneration(mutation: 'cancelGeneration' | 'retryGeneration', id: string): Promise<Job> {
    const query = `mutation ($id: ID!) { change: ${mutation}(id: $id) { generation { ${jobFields} } } }`;
    return (await this.ask<{ change: { generation: Job } }>(query, { id })).change.generation;
  }

  /** Deletes and returns the deleted id. */
  async remove(
    mutation: 'deletePhoto' | 'deleteModel' | 'deleteGeneration' | 'deleteAvatar',
    id: string,
  ): Promise<string> {
    const query = `mutation ($id: ID!) { change: ${mutation}(id: $id) { deletedId } }`;
    return (await this.ask<{ change: { deletedId: string } }>(query, { id })).change.deletedId;
  }

  private async send(query: string, variables?: object): Promise<{ data?: unknown; errors?: Fault[] }> {
    const response = await fetch(`${this.url()}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    });
    return (await response.json()) as { data?: unknown; errors?: Fault[] };
  }
}

/** Takes `input`. */
export const trainModelMutation = `mutation ($input: TrainModelInput!) { trainModel(input: $input) { model { ${jobFields} } } }`;

/** Takes `input`. */
export const generateMutation = `mutation ($input: GenerateAvatarsInput!) { generateAvatars(input: $input) { generation { ${jobFields} } } }`;
