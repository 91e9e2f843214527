import { newId, readGlobalId } from '../../src/core/ids';
import type { Feed, StreamTransport } from './feed';
import { GraphQLClient } from './graphql-client';
import { signed } from './issuer';
import { facePhoto } from './pictures';
import { put } from './raw-client';
import { until } from './until';

/** The secret of tokens in these tests. */
export const jwtSecret = 'a secret that two programs share, 40 bytes';

/** Settings of a gateway with authentication. */
export const jwtSettings = { AUTH: 'jwt', JWT_SECRET: jwtSecret };

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

/** A stored avatar, as its owner receives it. */
export interface StoredAvatar {
  id: string;
  url: string;
  sha256: string;
  byteSize: number;
}

/** The avatars to generate in one style. */
export interface Prompt {
  style?: string;
  prompt?: string;
  count?: number;
}

/** Optional input of a training. */
export interface TrainInput {
  photoIds?: readonly string[];
  photoUrls?: readonly string[];
  name?: string;
  type?: string;
  idempotencyKey?: string;
}

/** Input of avatars from one photo. */
export interface InstantInput {
  photoId?: string;
  photoUrl?: string;
  prompt: string;
  count?: number;
  idempotencyKey?: string;
}

/** Optional input of a retry. */
export interface RetryInput {
  attempt?: number;
  idempotencyKey?: string;
  missingOnly?: boolean;
}

const faces = new Map<number, Promise<Buffer>>();

/** A drawn face that is drawn once, since many tests upload the same ones. */
function faceOf(seed: number): Promise<Buffer> {
  const made = faces.get(seed) ?? facePhoto(seed, { width: 640 });
  faces.set(seed, made);
  return made;
}

/** An upload slot for a photo. */
export interface Slot {
  photo: { id: string };
  uploadUrl: string;
  headers: { name: string; value: string }[];
}

/** The response to an erasure. */
export interface Receipt {
  receipt: string;
  erasedAt: string;
  completedAt: string | null;
  counts: { photos: number; models: number; generations: number; avatars: number };
}

const receiptFields = 'receipt erasedAt completedAt counts { photos models generations avatars }';

const jobFields = 'id status progress attempt failure { code message retryable }';

/** Mutations that change a job and return it. */
export type JobChange = 'cancelModel' | 'retryModel' | 'cancelGeneration' | 'retryGeneration';

/** Mutations that delete. */
export type Deletion = 'deletePhoto' | 'deleteModel' | 'deleteGeneration' | 'deleteAvatar';

const ends: readonly string[] = ['READY', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED'];

/** Whether the job is in a final state. */
export function isOver(job: { status: string } | null): boolean {
  return job !== null && ends.includes(job.status);
}

/** A client with the operations of the API. */
export class Client extends GraphQLClient {
  /**
   * A client with a token for an owner. The gateway needs {@link jwtSettings}.
   * @param owner - by default a new one, so that tests do not share quotas
   */
  static async of(gateway: { url: string }, owner = `owner-${newId()}`): Promise<Client> {
    return Client.with(gateway, owner, await tokenOf(owner));
  }

  /** @param token - or an API key */
  static with(gateway: { url: string }, owner: string, token: string): Client {
    return new Client(() => gateway.url, { owner, token });
  }

  /** Creates an upload slot for each photo; given a number, for photos of up to 1 MB. */
  async slots(
    photos: number | readonly { filename?: string; contentType?: string; byteSize: number }[],
  ): Promise<Slot[]> {
    const files =
      typeof photos === 'number' ? Array.from({ length: photos }, () => ({ byteSize: 1_000_000 })) : photos;
    const { createPhotoUploads } = await this.request<{ createPhotoUploads: { uploads: Slot[] } }>(
      'mutation ($input: CreatePhotoUploadsInput!) { createPhotoUploads(input: $input) { uploads { photo { id } uploadUrl headers { name value } } } }',
      { input: { files: files.map((file) => ({ filename: 'me.jpg', contentType: 'image/jpeg', ...file })) } },
    );
    return createPhotoUploads.uploads;
  }

  /** Uploads drawn faces and returns the ids of the photos. */
  async upload(count = 5, filename = 'me.jpg'): Promise<string[]> {
    const photos = await Promise.all(Array.from({ length: count }, (_, seed) => faceOf(seed)));
    const slots = await this.slots(photos.map(({ length: byteSize }) => ({ filename, byteSize })));
    const replies = await Promise.all(slots.map(({ uploadUrl }, index) => put(uploadUrl, photos[index]!)));
    const bad = replies.find(({ status }) => status !== 201);
    if (bad) throw new Error(`A photo was rejected: ${JSON.stringify(bad)}`);
    return slots.map(({ photo }) => photo.id);
  }

  /** Starts a training and returns the model. */
  train({ photoIds = [], photoUrls = [], ...input }: TrainInput): Promise<Job> {
    const photos = [...photoIds.map((photoId) => ({ photoId })), ...photoUrls.map((url) => ({ url }))];
    return this.create('trainModel', { type: 'WOMAN', photos, ...input });
  }

  /** Starts a training and waits until it is done. */
  async trained(photoIds: readonly string[]): Promise<string> {
    const { id } = await this.train({ photoIds });
    const { status } = await this.modelEnd(id);
    if (status !== 'READY') throw new Error(`The model is ${status}.`);
    return id;
  }

  /** Requests avatars of a model. */
  generate(modelId: string, prompts: readonly Prompt[] = [{}], idempotencyKey?: string): Promise<Job> {
    return this.create('generateAvatars', { modelId, prompts, idempotencyKey });
  }

  /** Requests avatars from one photo. */
  instant({ photoId, photoUrl: url, ...input }: InstantInput): Promise<Job> {
    return this.create('generateInstantAvatars', { photo: photoId ? { photoId } : { url }, ...input });
  }

  /** A model, or null. */
  async model(id: string): Promise<Job | null> {
    const query = `query ($id: ID!) { job: model(id: $id) { ${jobFields} } }`;
    return (await this.request<{ job: Job | null }>(query, { id })).job;
  }

  /** A generation, or null. */
  async generation(id: string): Promise<Job | null> {
    const query = `query ($id: ID!) { job: generation(id: $id) { ${jobFields} } }`;
    return (await this.request<{ job: Job | null }>(query, { id })).job;
  }

  /** The stored avatars of a generation. */
  async avatars(generationId: string): Promise<StoredAvatar[]> {
    const query = 'query ($id: ID!) { generation(id: $id) { avatars { id url sha256 byteSize } } }';
    const { generation } = await this.request<{ generation: { avatars: StoredAvatar[] } }>(query, {
      id: generationId,
    });
    return generation.avatars;
  }

  /** Waits until a photo or job has the state, and fails if a job has another end state. */
  async becomes(kind: 'model' | 'generation' | 'photo', id: string, expected: string): Promise<void> {
    const query = `query ($id: ID!) { it: ${kind}(id: $id) { status } }`;
    let it = { status: '' };
    await until(async () => {
      it = (await this.request<{ it: { status: string } }>(query, { id })).it;
      return it.status === expected || (kind !== 'photo' && isOver(it));
    });
    if (it.status !== expected) throw new Error(`The ${kind} is ${it.status}, expected ${expected}.`);
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

  /** Subscribes to `trainingProgress`. */
  followTraining(
    id: string,
    after?: string,
    transport?: StreamTransport,
  ): Feed<Progress & { model: { name: string } }> {
    const query = `subscription ($id: ID!, $after: String) {
      trainingProgress(modelId: $id, after: $after) { model { name } status progress cursor isSnapshot isEstimate } }`;
    return this.subscribe(query, { id, after }, transport);
  }

  /** Subscribes to `generationProgress`. */
  followGeneration(id: string, after?: string, transport?: StreamTransport): Feed<Progress> {
    const query = `subscription ($id: ID!, $after: String) {
      generationProgress(generationId: $id, after: $after) { status progress cursor isSnapshot isEstimate } }`;
    return this.subscribe(query, { id, after }, transport);
  }

  /** Subscribes to `avatarCompleted`, of one generation or of one model. */
  followAvatars(
    of: { generationId?: string; modelId?: string; after?: string },
    transport?: StreamTransport,
  ): Feed<AvatarNews> {
    const { after, ...select } = of;
    const query = `subscription ($select: AvatarStreamInput!, $after: String) {
      avatarCompleted(select: $select, after: $after) { avatar { id style url } cursor isSnapshot } }`;
    return this.subscribe(query, { select, after }, transport);
  }

  /**
   * Cancels or retries a job.
   * @param retry - further input of a retry
   */
  async change(mutation: JobChange, id: string, retry: RetryInput = {}): Promise<Job> {
    const kind = mutation.endsWith('Model') ? 'model' : 'generation';
    const input = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Input`;
    const query = `mutation ($input: ${input}!) { change: ${mutation}(input: $input) { job: ${kind} { ${jobFields} } } }`;
    return (await this.request<{ change: { job: Job } }>(query, { input: { id, ...retry } })).change.job;
  }

  /** Renames a model. */
  async rename(id: string, name: string): Promise<void> {
    const mutation = `mutation ($input: RenameModelInput!) { renameModel(input: $input) { model { id } } }`;
    await this.request(mutation, { input: { id, name } });
  }

  /** Deletes and returns the deleted id. */
  async delete(mutation: Deletion, id: string): Promise<string> {
    const query = `mutation ($id: ID!) { change: ${mutation}(input: { id: $id }) { deletedId } }`;
    return (await this.request<{ change: { deletedId: string } }>(query, { id })).change.deletedId;
  }

  /** Creates a READY model with a finished generation. */
  async settle(
    prompt = 'by the sea',
    count = 2,
  ): Promise<{ modelId: string; generationId: string; photoIds: string[] }> {
    const photoIds = await this.upload();
    const { id: modelId } = await this.train({ photoIds, name: `model of ${this.name}` });
    await this.becomes('model', modelId, 'READY');
    const { id: generationId } = await this.generate(modelId, [{ prompt, count }]);
    await this.becomes('generation', generationId, 'COMPLETED');
    return { modelId, generationId, photoIds };
  }

  /** Erases all data of the owner. */
  async erase(revokeKeys = false): Promise<Receipt> {
    const mutation = `mutation ($revokeKeys: Boolean!) {
      change: deleteMyData(input: { confirm: "DELETE", revokeKeys: $revokeKeys }) { erasure { ${receiptFields} } } }`;
    return (await this.request<{ change: { erasure: Receipt } }>(mutation, { revokeKeys })).change.erasure;
  }

  /** The erasure of a receipt, which needs no authentication of its owner. */
  async erasure(receipt: string): Promise<Receipt | null> {
    const query = `query ($receipt: ID!) { erasure(receipt: $receipt) { ${receiptFields} } }`;
    return (await this.request<{ erasure: Receipt | null }>(query, { receipt })).erasure;
  }

  /** Sends one of {@link creations}. */
  protected async create(mutation: keyof typeof creations, input: object): Promise<Job> {
    const data = await this.request<Record<string, Record<string, Job>>>(creations[mutation], { input });
    return Object.values(data[mutation]!)[0]!;
  }
}

/** The UUID of a global id. */
export const uuidOf = (id: string): string => readGlobalId(id)!.id;

/** A token for an owner. */
export function tokenOf(owner: string): Promise<string> {
  return signed(jwtSecret, { subject: owner, endsInSeconds: 3_600 });
}

/** The mutations that create a job; each takes `input`. */
export const creations = {
  trainModel: `mutation ($input: TrainModelInput!) { trainModel(input: $input) { model { ${jobFields} } } }`,
  generateAvatars: `mutation ($input: GenerateAvatarsInput!) { generateAvatars(input: $input) { generation { ${jobFields} } } }`,
  generateInstantAvatars: `mutation ($input: GenerateInstantAvatarsInput!) { generateInstantAvatars(input: $input) { generation { ${jobFields} } } }`,
} as const;
