import { randomUUID } from 'node:crypto';
import {
  Client,
  type Deletion,
  type InstantInput,
  type Job,
  type JobChange,
  type Prompt,
  type RetryInput,
  type TrainInput,
} from './client';
import { ApiError, type ClientOptions, type HttpResult } from './graphql-client';
import type { History, Mutation, MutationResult } from './history';

/** The identity of a client, and where it records its observations. */
export interface RecordingOptions extends ClientOptions {
  owner: string;
  history: History;
  /** Called with each acknowledged job, and the model that it belongs to or the job that was changed. */
  onAcknowledged: (client: RecordingClient, id: string, target: string | null) => void;
}

/** A client that records what it sends and receives. It keeps its state when the gateway is killed. */
export class RecordingClient extends Client {
  constructor(
    url: () => string,
    readonly options: RecordingOptions,
  ) {
    super(url, { headers: { connection: 'close' }, timeoutMs: 30_000, ...options });
  }

  override async post(query: string, variables?: object): Promise<HttpResult> {
    const result = await super.post(query, variables);
    this.options.history.see(this.options.owner, result.data ?? null);
    return result;
  }

  override train(input: TrainInput): Promise<Job> {
    const label = input.idempotencyKey ?? randomUUID();
    return this.record({ name: 'trainModel', label, target: null }, () => super.train(input));
  }

  /** The prompt is the label of the mutation, so that the upstream receives it. */
  override generate(modelId: string, [prompt]: readonly Prompt[] = [{}], key?: string): Promise<Job> {
    const label = this.labelOf(key);
    return this.record({ name: 'generateAvatars', label, target: modelId }, () =>
      super.generate(modelId, [{ ...prompt, prompt: label }], key),
    );
  }

  /** The prompt is replaced by the label of the mutation. */
  override instant(input: InstantInput): Promise<Job> {
    const label = this.labelOf(input.idempotencyKey);
    return this.record({ name: 'generateInstantAvatars', label, target: null }, () =>
      super.instant({ ...input, prompt: label }),
    );
  }

  override model(id: string): Promise<Job | null> {
    return this.read(id, () => super.model(id));
  }

  override generation(id: string): Promise<Job | null> {
    return this.read(id, () => super.generation(id));
  }

  override change(mutation: JobChange, id: string, retry?: RetryInput): Promise<Job> {
    return this.record({ name: mutation, label: randomUUID(), target: id }, () =>
      super.change(mutation, id, retry),
    );
  }

  override delete(mutation: Deletion, id: string): Promise<string> {
    return this.record({ name: mutation, label: randomUUID(), target: id }, () => super.delete(mutation, id));
  }

  /** The label of the mutation in its prompt. Owners may use the same key. */
  private labelOf(key: string = randomUUID()): string {
    return `${this.options.owner} ${key}`;
  }

  private async record<T extends Job | string>(
    mutation: Omit<Mutation, 'owner'>,
    send: () => Promise<T>,
  ): Promise<T> {
    const { owner, history, onAcknowledged } = this.options;
    const end = history.send({ owner, ...mutation });
    try {
      const result = await send();
      end(typeof result === 'string' ? 'done' : result);
      if (typeof result !== 'string') onAcknowledged(this, result.id, mutation.target);
      return result;
    } catch (error) {
      end(resultOf(error));
      throw error;
    }
  }

  private async read(id: string, send: () => Promise<Job | null>): Promise<Job | null> {
    const end = this.options.history.read(id);
    const job = await send();
    end(job);
    return job;
  }
}

/** Codes after which a mutation may have been executed. */
const unclearCodes = ['SERVICE_UNAVAILABLE', 'INTERNAL_SERVER_ERROR', 'TIMEOUT'];

function resultOf(error: unknown): MutationResult {
  return error instanceof ApiError && !unclearCodes.includes(error.code) ? 'refused' : 'lost';
}
