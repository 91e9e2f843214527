import type {
  ActivityEvent,
  AvatarEvent,
  AvatarPage,
  AvatarsVariables,
  GenerateAvatarsInput,
  GenerateInstantAvatarsInput,
  Generation,
  GenerationProgressEvent,
  Model,
  RetryGenerationInput,
  TrainingProgressEvent,
  TrainModelInput,
  WatchActivity,
} from './api.ts';
import { documents, type TypedDocument } from './documents.ts';
import { ClientClosedError, ConnectionFailedError, LikenessError } from './errors.ts';
import { sendOperation, textOf, type CallOptions, type Transport } from './http.ts';
import { Socket } from './socket.ts';
import { uploadPhotos, type UploadFile, type UploadOptions, type UploadResult } from './uploads.ts';
import { defaultRetryDelayMs, type RetryPolicy } from './waiting.ts';
import { watchEvents, type Watch, type WatchOptions } from './watch.ts';

export interface ClientOptions {
  /** The URL of the gateway, such as `https://avatars.example.com`. */
  url: string;
  /**
   * A token or API key; a function is called for each request and connection, so that it can renew the token. If it fails, it
   * is called again, as after a lost connection; a LikenessError ends the call at once.
   */
  token?: string | (() => string | Promise<string>);
  /** Further headers, for example `x-likeness-owner`. Over WebSocket they are connection parameters. */
  headers?: Record<string, string>;
  /**
   * A WebSocket class. Node before 22 has none: pass that of the package ws.
   * @defaultValue the global one
   */
  webSocketImpl?: unknown;
  /** @defaultValue the global one */
  fetch?: typeof fetch;
  /**
   * How long to wait for an answer, or for progress of an upload, in milliseconds.
   * @defaultValue 30000
   */
  timeoutMs?: number;
  /**
   * For how long calls are repeated while the server is unavailable, in milliseconds.
   * @defaultValue 60000
   */
  retryForMs?: number;
  /** The delay before a repetition, in milliseconds. @defaultValue exponential, with jitter, up to 15 seconds */
  retryDelayMs?: RetryPolicy['retryDelayMs'];
  /** After this time without a message, the socket is checked, in milliseconds. @defaultValue 10000 */
  keepAliveMs?: number;
  /** Called when the server stops answering, with the error, and when it answers again, with null. */
  onConnectionChange?: (error: LikenessError | null) => void;
}

/** Codes of errors that no server has sent that is available. */
const unansweredCodes: ReadonlySet<string> = new Set([
  ...['CONNECTION_FAILED', 'NO_ANSWER', 'SERVICE_UNAVAILABLE', 'TIMEOUT'],
  ...['UNEXPECTED_ANSWER', 'PHOTO_UNREADABLE', 'CLIENT_CLOSED'],
]);

/** What can be watched. */
export type WatchTarget = string | { activity: WatchActivity } | { avatarsOf: string };

/** A client of one gateway. */
export class LikenessClient {
  private readonly transport: Transport;
  private readonly socket: Socket;
  private readonly closing = new AbortController();

  constructor(private readonly options: ClientOptions) {
    const { retryDelayMs = defaultRetryDelayMs, keepAliveMs = 10_000, onConnectionChange } = options;
    let isAvailable = true;
    const change = (error: LikenessError | null): void => {
      if (isAvailable === (error === null)) return;
      isAvailable = error === null;
      onConnectionChange?.(error);
    };
    this.transport = {
      url: options.url.replace(/\/+$/, ''),
      // Called without the object, since browsers refuse `this.fetch(…)`.
      fetch: options.fetch ?? ((...request) => fetch(...request)),
      headers: () => headersOf(options),
      timeoutMs: options.timeoutMs ?? 30_000,
      retryForMs: options.retryForMs ?? 60_000,
      policy: {
        retryDelayMs,
        onFailure: (error) => {
          if (!unansweredCodes.has(error.code)) change(null);
          else if (error.isTemporary) change(error);
        },
      },
      onAnswer: () => change(null),
      closed: this.closing.signal,
    };
    this.socket = new Socket(this.transport, { keepAliveMs, webSocketImpl: options.webSocketImpl });
  }

  /**
   * Sends any query or mutation.
   * @throws LikenessError of the class of its code, for the first error of the answer; the reason of the signal
   */
  query<Data, Variables = Record<string, unknown>>(
    document: string | TypedDocument<Data, Variables>,
    variables?: Variables,
    options?: CallOptions,
  ): Promise<Data> {
    return sendOperation(this.transport, document, variables, options);
  }

  /**
   * Uploads photos, which are checked at once.
   * @returns one result for each file: the id of the photo, or why it was refused
   * @throws LikenessError if no photo can be uploaded; the reason of the signal
   */
  upload(files: readonly UploadFile[], options: UploadOptions = {}): Promise<UploadResult[]> {
    return uploadPhotos(this.transport, files, options);
  }

  /** Starts a training. Follow it with `watch(model.id, { after: model.cursor })`. */
  train(input: TrainModelInput, options?: CallOptions): Promise<Model> {
    return this.create(documents.trainModel, input, options);
  }

  /** Requests avatars from a READY model. */
  generate(input: GenerateAvatarsInput, options?: CallOptions): Promise<Generation> {
    return this.create(documents.generateAvatars, input, options);
  }

  /** Requests avatars from one photo, without a model. */
  generateInstant(input: GenerateInstantAvatarsInput, options?: CallOptions): Promise<Generation> {
    return this.create(documents.generateInstantAvatars, input, options);
  }

  /** Retries a model or generation, which is charged again. Pass the `attempt` that you show. */
  async retry(input: RetryGenerationInput, options?: CallOptions): Promise<Model | Generation> {
    return isModel(input.id)
      ? this.create(documents.retryModel, input, options)
      : this.create(documents.retryGeneration, input, options);
  }

  /** Pages of avatars: `for await (const { nodes } of client.avatars({ filter: { modelId } }))`. */
  async *avatars(variables: AvatarsVariables = {}, options?: CallOptions): AsyncGenerator<AvatarPage> {
    for (let { after = null } = variables; ;) {
      const { avatars } = await this.query(documents.avatars, { ...variables, after }, options);
      yield avatars;
      if (!avatars.pageInfo.hasNextPage) return;
      after = avatars.pageInfo.endCursor;
    }
  }

  /**
   * The changes of a model or generation by its id, until it has ended.
   * @throws by `next()`: LikenessError, for example NotFoundError when the job is deleted
   */
  watch(id: string, options?: WatchOptions): Watch<TrainingProgressEvent | GenerationProgressEvent>;
  /** Each avatar of a generation or model by its id, as soon as it can be opened. That of a model does not end. */
  watch(target: { avatarsOf: string }, options?: WatchOptions): Watch<AvatarEvent>;
  /** Everything that happens to the owner's models, generations and avatars. It does not end. */
  watch(target: { activity: WatchActivity }, options?: WatchOptions): Watch<ActivityEvent>;
  watch(target: WatchTarget, options?: WatchOptions): Watch<unknown> {
    if (typeof target === 'string') {
      const { trainingProgress, generationProgress } = documents;
      const document = isModel(target) ? trainingProgress : generationProgress;
      return this.subscribe(document.toString(), { id: target }, options);
    }
    if ('activity' in target) {
      return this.subscribe(documents.activity.toString(), { ...target.activity }, options);
    }
    const id = target.avatarsOf;
    const select = isModel(id) ? { modelId: id } : { generationId: id };
    return this.subscribe(documents.avatarCompleted.toString(), { select }, options);
  }

  /**
   * Follows your own subscription, which has the variable `after` and one field with `cursor`.
   * @returns the values of that field, resumed like those of `watch`
   */
  subscribe<Event>(
    document: string | TypedDocument<Record<string, Event>, never>,
    variables: Record<string, unknown>,
    options: WatchOptions = {},
  ): Watch<Event> {
    const renewsToken = typeof this.options.token === 'function';
    return watchEvents(this.socket, { ...options, query: textOf(document), variables, renewsToken });
  }

  /** Ends every call with ClientClosedError and every iteration, and closes the socket. */
  async close(): Promise<void> {
    this.closing.abort(new ClientClosedError());
    await this.socket.close();
  }

  private async create<Job, Input extends { idempotencyKey?: string | null }>(
    document: TypedDocument<{ payload: { job: Job } }, { input: Input }>,
    given: Input,
    options?: CallOptions,
  ): Promise<Job> {
    const idempotencyKey = given.idempotencyKey ?? newKey();
    try {
      const input = { ...given, idempotencyKey };
      return (await this.query(document, { input }, options)).payload.job;
    } catch (error) {
      // `close` ends all calls with one error, but each has its key.
      const own = error instanceof ClientClosedError ? new ClientClosedError() : error;
      if (own instanceof LikenessError) own.idempotencyKey = idempotencyKey;
      throw own;
    }
  }
}

/** Creates a client of a gateway. */
export function createClient(options: ClientOptions): LikenessClient {
  return new LikenessClient(options);
}

async function headersOf({ token, headers }: ClientOptions): Promise<Record<string, string>> {
  const value = typeof token === 'function' ? await renewed(token) : token;
  return value === undefined ? { ...headers } : { ...headers, authorization: `Bearer ${value}` };
}

/** An earlier attempt of the same call may have been executed: its error must have the key, as that of any other failure. */
async function renewed(token: () => string | Promise<string>): Promise<string> {
  try {
    return await token();
  } catch (error) {
    if (error instanceof LikenessError) throw error;
    throw new ConnectionFailedError('The token could not be renewed.', { cause: error });
  }
}

const isModel = (id: string): boolean => id.startsWith('model_');

/** `crypto.randomUUID` is missing on pages that are not served over HTTPS. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
