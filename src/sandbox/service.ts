import { randomBytes, randomUUID } from 'node:crypto';
import { z } from 'zod';
import {
  failureMessages,
  type Generation,
  type Model,
  type Outcome,
  resultCount,
  type Status,
  statusAt,
  type Tempo,
} from './jobs';
import type { PhotoFetcher } from './photo-fetcher';
import { makePicture, styles } from './picture';
import { PictureQueue } from './picture-queue';
import { ErrorReply, type Reply } from './replies';
import type { SandboxStore } from './store';

/** Picsart's documented limits: 5 to 30 photos, five types. The limit on avatars is set by the sandbox. */
const trainSchema = z.object({
  images: z.array(z.string().max(4_096)).min(5).max(30),
  type: z.enum(['man', 'woman', 'couple', 'dog', 'cat']),
});
const prompt = z.string().max(2_000);
const maxAvatars = 100;
const style = z.string().refine((id) => styles.has(id), 'is not a style of this sandbox');
const generateSchema = z.object({
  prompts: z
    .array(z.object({ style, prompt: prompt.optional(), count: z.int().min(1).max(maxAvatars).default(1) }))
    .min(1)
    .max(maxAvatars),
});
const instantSchema = z.object({
  images: z.array(z.string().max(4_096)).length(1),
  prompt,
  negative_prompt: prompt.optional(),
  count: z.int().min(1).max(maxAvatars).default(1),
});

/** Prices in credits. The real prices are not public. */
const trainingPrice = 20;
const avatarPrice = 1;

/** Sizes of results as from Picsart: 512 pixels from a model, 2048 from one photo. */
const trainedSize = 512;
const instantSize = 2_048;
const instantSourceSize = 1_024;

/** The maximum number of reduced photos kept per model. */
const maxCopies = 6;

/** The effect of a fault on a submission. */
export interface FaultEffect {
  readonly outcome: Outcome;
  readonly signal: AbortSignal;
}

/** An executed paid call with its request body. */
export interface ExecutedCall {
  readonly operation: 'train' | 'generate' | 'instant';
  readonly body: unknown;
}

/** What a sandbox may do differently from Picsart's service. */
export interface ServiceOptions {
  /** The largest side of a picture in pixels: small pictures cost less. @defaultValue as from Picsart: 512 or 2048 */
  readonly maxPictureSize?: number;
  /** Called for each executed paid call, independent of the response. Only in the process that serves. */
  readonly onExecuted?: (call: ExecutedCall) => void;
}

/** The parameters of a new generation. */
type GenerationSpec = Pick<Generation, 'modelId' | 'avatars' | 'size' | 'outcome'> & {
  readonly pictures: readonly Buffer[];
};

/**
 * The operations of Picsart's service. No model is trained: avatars are made from the photos by image filters. Errors are
 * thrown as {@link ErrorReply}.
 */
export class SandboxService {
  private readonly results = new PictureQueue();

  constructor(
    private readonly store: SandboxStore,
    private readonly photos: PhotoFetcher,
    private readonly tempo: Tempo,
    private readonly options: ServiceOptions = {},
  ) {}

  async train(body: unknown, effect: FaultEffect): Promise<Reply> {
    const { images } = read(trainSchema, body);
    const { pictures, invalid } = await this.photos.take(images, this.size(trainedSize), effect.signal);
    this.pay(trainingPrice);
    const nowMs = Date.now();
    const model: Model = {
      id: randomUUID(),
      startedAtMs: nowMs,
      doneAtMs: nowMs + this.tempo.trainingMs,
      outcome: outcomeWith(invalid, effect),
      pictures: await this.store.keepPictures(pictures.slice(0, maxCopies)),
    };
    this.store.addModel(model);
    this.options.onExecuted?.({ operation: 'train', body });
    await this.store.save();
    return { status: 202, body: { model_id: model.id, status: 'ACCEPTED' } };
  }

  model(id: string): Reply {
    const model = this.modelOf(id);
    return jobReply({ model_id: id }, statusAt(model, Date.now()));
  }

  async generate(modelId: string, body: unknown, effect: FaultEffect): Promise<Reply> {
    const model = this.modelOf(modelId);
    const { prompts } = read(generateSchema, body);
    if (statusAt(model, Date.now()).status !== 'DONE') throw new ErrorReply(422, 'The model is not trained.');
    const avatars = prompts.flatMap(({ count, ...wanted }) =>
      Array.from({ length: count }, () => ({ style: wanted.style, prompt: wanted.prompt ?? '' })),
    );
    const spec = { modelId, avatars, pictures: [], size: this.size(trainedSize), outcome: effect.outcome };
    return this.start(spec, { operation: 'generate', body });
  }

  async instant(body: unknown, effect: FaultEffect): Promise<Reply> {
    const request = read(instantSchema, body);
    const { pictures, invalid } = await this.photos.take(
      request.images,
      this.size(instantSourceSize),
      effect.signal,
    );
    const words = request.prompt.toLowerCase();
    const named = [...styles.keys()].find((id) => words.includes(id)) ?? 'realistic';
    const avatars = Array.from({ length: request.count }, () => ({ style: named, prompt: request.prompt }));
    const outcome = outcomeWith(invalid, effect);
    const spec = { modelId: null, avatars, pictures, size: this.size(instantSize), outcome };
    return this.start(spec, { operation: 'instant', body });
  }

  private size(usual: number): number {
    return Math.min(usual, this.options.maxPictureSize ?? usual);
  }

  /** @param origin - the origin of the results' URLs */
  inference(modelId: string | null, id: string, origin: string): Reply {
    const generation = this.store.generations.get(id);
    if (generation?.modelId !== modelId) throw new ErrorReply(404, 'The inference does not exist.');
    const status = statusAt(generation, Date.now());
    const names = { inference_id: id, ...(modelId !== null && { model_id: modelId }) };
    if (status.status !== 'DONE') return jobReply(names, status);
    const urls = Array.from({ length: resultCount(generation) }, (_, index) => ({
      id: `${id}-${index}`,
      url: `${origin}/results/${generation.token}/${index}.jpg`,
    }));
    // Picsart uses both formats: a list for models, `data.urls` for instant avatars.
    const data = modelId === null ? { urls: urls.map(({ url }) => url) } : urls;
    return { status: 200, body: { ...names, ...status, data } };
  }

  balance(): Reply {
    return { status: 200, body: { credits: this.store.credits } };
  }

  /**
   * The picture of a result. It is made when it is requested.
   * @param disconnected - aborted when the client has disconnected
   */
  async result(token: string, index: number, disconnected: AbortSignal): Promise<Reply> {
    const generation = this.store.generationOfToken(token);
    const nowMs = Date.now();
    const isAvailable =
      generation && statusAt(generation, nowMs).status === 'DONE' && nowMs < generation.expiresAtMs;
    if (!isAvailable || index >= resultCount(generation))
      throw new ErrorReply(404, 'The picture does not exist or has expired.');
    const picture = await this.results.get(
      `${token}/${index}`,
      () => this.draw(generation, index),
      disconnected,
    );
    return { status: 200, body: picture, headers: { 'content-type': 'image/jpeg' } };
  }

  private async draw(generation: Generation, index: number): Promise<Buffer> {
    const model = generation.modelId === null ? undefined : this.store.models.get(generation.modelId);
    const names = model?.pictures ?? generation.pictures;
    const name = names[index % names.length];
    if (name === undefined) throw new ErrorReply(404, 'The model has been deleted.');
    const { style, prompt } = generation.avatars[index]!;
    const source = await this.store.picture(name);
    // Generations of the same prompt differ.
    const variant = parseInt(generation.id.slice(0, 6), 16) + index;
    return makePicture({ source, style, prompt, variant, size: generation.size });
  }

  private async start(job: GenerationSpec, call: ExecutedCall): Promise<Reply> {
    if (job.avatars.length > maxAvatars)
      throw new ErrorReply(422, `prompts: at most ${maxAvatars} avatars at once`);
    this.pay(avatarPrice * job.avatars.length);
    const startedAtMs = Date.now();
    const doneAtMs = startedAtMs + this.tempo.generationMs;
    const generation: Generation = {
      ...job,
      id: randomUUID(),
      pictures: await this.store.keepPictures(job.pictures),
      token: randomBytes(24).toString('base64url'),
      startedAtMs,
      doneAtMs,
      expiresAtMs: doneAtMs + this.tempo.resultTtlMs,
    };
    this.store.addGeneration(generation);
    this.options.onExecuted?.(call);
    await this.store.save();
    return { status: 202, body: { inference_id: generation.id, status: 'ACCEPTED' } };
  }

  private modelOf(id: string): Model {
    const model = this.store.models.get(id);
    if (!model) throw new ErrorReply(404, 'The model does not exist.');
    return model;
  }

  private pay(price: number): void {
    if (this.store.credits < price) throw new ErrorReply(402, 'Not enough credits.');
    this.store.credits -= price;
  }
}

function read<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new ErrorReply(422, `${path.join('.') || 'body'}: ${message}`);
}

function outcomeWith(invalidPhotos: number, { outcome }: FaultEffect): Outcome {
  return invalidPhotos > 0 && outcome === 'done' ? 'image-not-valid' : outcome;
}

/** Responds with 202 while the job runs and 200 when it has ended, as related Picsart services do. */
function jobReply(names: object, { status, progress }: Status): Reply {
  const isOver = status !== 'ACCEPTED' && status !== 'IN_PROGRESS';
  return {
    status: isOver ? 200 : 202,
    body: { ...names, status, progress, message: failureMessages[status] },
  };
}
