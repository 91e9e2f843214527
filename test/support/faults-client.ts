import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { History, JobState, Mutation, MutationResult } from './history';
import { headPhoto } from './photo-host';

/** A model or generation, with the fields that the suite reads. */
export interface Job extends JobState {
  failure: { code: string; retryable: boolean } | null;
}

/** A stored avatar, as its owner receives it. */
export interface StoredAvatar {
  id: string;
  url: string;
  sha256: string;
  byteSize: number;
}

/** An error returned by the API. */
export class ClientError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(`${code}: ${message}`);
  }
}

const jobFields = 'id status progress attempt failure { code retryable }';

/** How long a call may take, in milliseconds. */
const callMs = 30_000;

/** The identity of a client, and where it records its observations. */
export interface FaultsClientOptions {
  owner: string;
  /** A bearer token; null without authentication. */
  token: string | null;
  history: History;
  /** Called with each acknowledged job, and the model that it belongs to or the job that was changed. */
  onAcknowledged: (client: FaultsClient, id: string, target: string | null) => void;
}

/** A client of the API for the fault suite. It keeps its state when the gateway is killed. */
export class FaultsClient {
  /** @param url - the current URL of the gateway */
  constructor(
    private readonly url: () => string,
    readonly options: FaultsClientOptions,
  ) {}

  /** @throws ClientError if the API rejects the operation; another error without a response */
  async ask<T>(query: string, variables: object = {}): Promise<T> {
    const { owner, token, history } = this.options;
    const response = await fetch(`${this.url()}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        connection: 'close',
        ...(token !== null && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(callMs),
    });
    const { data, errors } = (await response.json()) as {
      data?: T;
      errors?: { message: string; extensions?: { code?: string } }[];
    };
    history.see(owner, data ?? null);
    const [error] = errors ?? [];
    if (error) throw new ClientError(error.extensions?.code ?? 'none', error.message);
    return data!;
  }

  /** Uploads so many photos and returns their ids. */
  async upload(count: number): Promise<string[]> {
    const files = await Promise.all(
      Array.from({ length: count }, (_, index) => headPhoto(index * 40, index)),
    );
    const { createPhotoUploads } = await this.ask<{
      createPhotoUploads: { uploads: { photo: { id: string }; uploadUrl: string }[] };
    }>(
      `mutation ($files: [PhotoFileInput!]!) { createPhotoUploads(input: { files: $files }) { uploads { photo { id } uploadUrl } } }`,
      {
        files: files.map((bytes, index) => ({
          filename: `${index}.jpg`,
          contentType: 'image/jpeg',
          byteSize: bytes.length,
        })),
      },
    );
    const { uploads } = createPhotoUploads;
    await Promise.all(
      uploads.map(async ({ uploadUrl }, index) => {
        const body = new Uint8Array(files[index]!);
        const { status } = await fetch(uploadUrl, { method: 'PUT', body });
        if (status !== 201) throw new Error(`A photo was answered with ${status}.`);
      }),
    );
    return uploads.map(({ photo }) => photo.id);
  }

  async train(photoIds: readonly string[], key?: string): Promise<Job> {
    return this.create('trainModel', 'TrainModelInput', 'model', { type: 'MAN', photoIds }, { key });
  }

  async generate(modelId: string, count: number, key?: string): Promise<Job> {
    const label = this.labelOf(key);
    const input = { modelId, prompts: [{ count, prompt: label }] };
    const mutation = { key, label, target: modelId };
    return this.create('generateAvatars', 'GenerateAvatarsInput', 'generation', input, mutation);
  }

  async instant(photoId: string, key?: string): Promise<Job> {
    const label = this.labelOf(key);
    const input = { photoId, prompt: label };
    const mutation = { key, label };
    return this.create(
      'generateInstantAvatars',
      'GenerateInstantAvatarsInput',
      'generation',
      input,
      mutation,
    );
  }

  async model(id: string): Promise<Job | null> {
    return this.read(`query ($id: ID!) { job: model(id: $id) { ${jobFields} } }`, id);
  }

  async generation(id: string): Promise<Job | null> {
    return this.read(`query ($id: ID!) { job: generation(id: $id) { ${jobFields} } }`, id);
  }

  async avatars(generationId: string): Promise<StoredAvatar[]> {
    const query = 'query ($id: ID!) { generation(id: $id) { avatars { id url sha256 byteSize } } }';
    const answer = await this.ask<{ generation: { avatars: StoredAvatar[] } }>(query, { id: generationId });
    return answer.generation.avatars;
  }

  /** `cancelModel`, `retryModel`, `cancelGeneration` or `retryGeneration`. */
  async change(mutation: string, id: string): Promise<Job> {
    const what = mutation.endsWith('Model') ? 'model' : 'generation';
    const query = `mutation ($id: ID!) { ${mutation}(id: $id) { ${what} { ${jobFields} } } }`;
    return this.record({ name: mutation, label: randomUUID(), target: id }, async () => {
      const answer = await this.ask<Record<string, Record<string, Job>>>(query, { id });
      return answer[mutation]![what]!;
    });
  }

  /** `deleteModel`, `deleteGeneration`, `deleteAvatar` or `deletePhoto`. */
  async delete(mutation: string, id: string): Promise<void> {
    await this.record({ name: mutation, label: randomUUID(), target: id }, async () => {
      await this.ask(`mutation ($id: ID!) { ${mutation}(id: $id) { deletedId } }`, { id });
      return null;
    });
  }

  /** The label of the mutation in its prompt. Owners may use the same key. */
  private labelOf(key: string = randomUUID()): string {
    return `${this.options.owner} ${key}`;
  }

  /** A mutation that creates a job. */
  private create(
    name: string,
    inputType: string,
    what: string,
    input: object,
    {
      key,
      label = key ?? randomUUID(),
      target = null,
    }: { key?: string; label?: string; target?: string | null },
  ): Promise<Job> {
    const query = `mutation ($input: ${inputType}!) { ${name}(input: $input) { ${what} { ${jobFields} } } }`;
    return this.record({ name, label, target }, async () => {
      const variables = { input: { ...input, idempotencyKey: key } };
      const answer = await this.ask<Record<string, Record<string, Job>>>(query, variables);
      return answer[name]![what]!;
    });
  }

  private async record<T extends Job | null>(
    mutation: Omit<Mutation, 'owner'>,
    send: () => Promise<T>,
  ): Promise<T> {
    const { owner, history, onAcknowledged } = this.options;
    const end = history.send({ owner, ...mutation });
    try {
      const job = await send();
      end(job ?? 'done');
      if (job) onAcknowledged(this, job.id, mutation.target);
      return job;
    } catch (error) {
      end(resultOf(error));
      throw error;
    }
  }

  private async read(query: string, id: string): Promise<Job | null> {
    const end = this.options.history.read(id);
    const { job } = await this.ask<{ job: Job | null }>(query, { id });
    end(job);
    return job;
  }
}

/** Codes after which a mutation may have been executed. */
const unclearCodes = ['SERVICE_UNAVAILABLE', 'INTERNAL_SERVER_ERROR', 'TIMEOUT'];

function resultOf(error: unknown): MutationResult {
  return error instanceof ClientError && !unclearCodes.includes(error.code) ? 'refused' : 'lost';
}

/**
 * Polls until the result is as expected. Errors count as no result: the gateway may be unavailable.
 * @param what - what is awaited, for the error message
 * @param boundMs - far more than it should take on a busy machine
 */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T>,
  holds: (answer: T) => boolean,
  boundMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + boundMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (holds(answer)) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      const received = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`${what} was not reached within ${boundMs / 1_000} s; last: ${received}`);
    }
    await pause(40);
  }
}

/** Waits for a promise with a time limit. */
export async function within<T>(what: string, coming: Promise<T>, boundMs = 60_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${what} was not reached within ${boundMs / 1_000} s`));
    }, boundMs);
  });
  try {
    return await Promise.race([coming, late]);
  } finally {
    clearTimeout(timer);
  }
}

const ends: readonly string[] = ['READY', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED'];

/** Whether the job is in a final state. */
export function isOver(job: Job | null): boolean {
  return job !== null && ends.includes(job.status);
}
