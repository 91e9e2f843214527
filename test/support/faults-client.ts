import { setTimeout as pause } from 'node:timers/promises';
import { headPhoto } from './photo-host';

/** A model or generation, as the suite looks at it. */
export interface Job {
  id: string;
  status: string;
  progress: number;
  attempt: number;
  failure: { code: string; retryable: boolean } | null;
}

/** A stored avatar, as its owner sees it. */
export interface ShownAvatar {
  id: string;
  url: string;
  sha256: string;
  byteSize: number;
}

/** A refusal of the API. */
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

/** A frontend, as far as the fault suite needs one. It forgets nothing when the gateway dies. */
export class FaultsClient {
  /** @param url - where the gateway is now */
  constructor(private readonly url: () => string) {}

  /** @throws ClientError if the API refuses; another error if no answer came */
  async ask<T>(query: string, variables: object = {}): Promise<T> {
    const response = await fetch(`${this.url()}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(callMs),
    });
    const { data, errors } = (await response.json()) as {
      data?: T;
      errors?: { message: string; extensions?: { code?: string } }[];
    };
    const [error] = errors ?? [];
    if (error) throw new ClientError(error.extensions?.code ?? 'none', error.message);
    return data!;
  }

  /** Uploads so many photos and gives their ids. */
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
    const { trainModel } = await this.ask<{ trainModel: { model: Job } }>(
      `mutation ($input: TrainModelInput!) { trainModel(input: $input) { model { ${jobFields} } } }`,
      { input: { type: 'MAN', photoIds, idempotencyKey: key } },
    );
    return trainModel.model;
  }

  async generate(modelId: string, count: number, key?: string): Promise<Job> {
    const { generateAvatars } = await this.ask<{ generateAvatars: { generation: Job } }>(
      `mutation ($input: GenerateAvatarsInput!) { generateAvatars(input: $input) { generation { ${jobFields} } } }`,
      { input: { modelId, prompts: [{ count }], idempotencyKey: key } },
    );
    return generateAvatars.generation;
  }

  async instant(photoId: string, key?: string): Promise<Job> {
    const { generateInstantAvatars } = await this.ask<{ generateInstantAvatars: { generation: Job } }>(
      `mutation ($input: GenerateInstantAvatarsInput!) { generateInstantAvatars(input: $input) { generation { ${jobFields} } } }`,
      { input: { photoId, prompt: 'as an astronaut', idempotencyKey: key } },
    );
    return generateInstantAvatars.generation;
  }

  async model(id: string): Promise<Job | null> {
    return (
      await this.ask<{ model: Job | null }>(`query ($id: ID!) { model(id: $id) { ${jobFields} } }`, { id })
    ).model;
  }

  async generation(id: string): Promise<Job | null> {
    const query = `query ($id: ID!) { generation(id: $id) { ${jobFields} } }`;
    return (await this.ask<{ generation: Job | null }>(query, { id })).generation;
  }

  async avatars(generationId: string): Promise<ShownAvatar[]> {
    const query = 'query ($id: ID!) { generation(id: $id) { avatars { id url sha256 byteSize } } }';
    const answer = await this.ask<{ generation: { avatars: ShownAvatar[] } }>(query, { id: generationId });
    return answer.generation.avatars;
  }

  /** `cancelModel`, `retryModel`, `cancelGeneration` or `retryGeneration`. */
  async change(mutation: string, id: string): Promise<Job> {
    const what = mutation.endsWith('Model') ? 'model' : 'generation';
    const answer = await this.ask<Record<string, Record<string, Job>>>(
      `mutation ($id: ID!) { ${mutation}(id: $id) { ${what} { ${jobFields} } } }`,
      { id },
    );
    return answer[mutation]![what]!;
  }

  /** `deleteModel`, `deleteGeneration`, `deleteAvatar` or `deletePhoto`. */
  async delete(mutation: string, id: string): Promise<void> {
    await this.ask(`mutation ($id: ID!) { ${mutation}(id: $id) { deletedId } }`, { id });
  }
}

/**
 * Asks until the answer is as wanted. What the asking throws counts as no answer: the gateway may be away.
 * @param what - what is waited for, for the error
 * @param boundMs - far more than it should ever take on a busy machine
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
      const told = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`${what} has not come within ${boundMs / 1_000} s; last: ${told}`);
    }
    await pause(40);
  }
}

/** Waits for something that should come by itself. */
export async function within<T>(what: string, coming: Promise<T>, boundMs = 60_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${what} has not come within ${boundMs / 1_000} s`));
    }, boundMs);
  });
  try {
    return await Promise.race([coming, late]);
  } finally {
    clearTimeout(timer);
  }
}

const ends: readonly string[] = ['READY', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED'];

/** Whether nothing more will happen to it by itself. */
export function isOver(job: Job | null): boolean {
  return job !== null && ends.includes(job.status);
}
