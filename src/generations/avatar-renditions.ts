import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Readable } from 'node:stream';
import { LRUCache } from 'lru-cache';
import { DomainError } from '../core/errors';
import { toGlobalId, newId } from '../core/ids';
import type { Logger } from '../core/logger';
import type { OwnerWeights } from '../core/owner-weights';
import { Semaphore } from '../core/semaphore';
import type { Transactions } from '../core/sql';
import type { ImageProcessor } from '../images/image-processor';
import { PictureProblem } from '../images/picture-file';
import { renditionCost, type RenditionSpec } from '../images/rendition';
import { readObject, type MediaStore } from '../storage/media-store';
import { deletedAvatar, reportDamage } from './avatar-damage';
import { avatarKey, type AvatarEntity } from './avatar.entity';
import { renditionKey } from './rendition.entity';
import { deleteRendition, findRendition, insertRendition, type Rendition } from './rendition.repository';

/** Maximum number of renditions of one owner that are made or wait: a page of avatars in two sizes. */
const maxRenditionsPerOwner = 100;
/** Maximum number of renditions of all owners that wait. */
const maxWaiting = 1_000;
/** How long a request waits for its rendition, in milliseconds. The rendition is made nevertheless. */
const maxWaitMs = 10_000;
/** `retryAfterSeconds` of requests that did not wait, or waited too long. */
const busySeconds = 5;
/** How long a rendition that could not be made is not tried again, in milliseconds. */
const failureMs = 600_000;
const maxFailures = 1_000;

/** The picture to make a rendition of. */
export type RenderedAvatar = Pick<
  AvatarEntity,
  'id' | 'owner' | 'mediaToken' | 'sha256' | 'width' | 'height'
>;

/**
 * What became of a demand that no stored rendition answers, except those that wait for the same one.
 * - `made`: it is stored
 * - `failed`: the picture cannot be converted, is damaged, or was deleted
 * - `refused`: too many wait
 */
export type RenditionOutcome = 'made' | 'failed' | 'refused';

/** A rendition: a name that is unique for the avatar, and what it is. */
export interface NamedSpec {
  readonly name: string;
  readonly spec: RenditionSpec;
}

export interface AvatarRenditionsDeps {
  database: Transactions;
  media: Pick<MediaStore, 'open' | 'put'>;
  imageProcessor: Pick<ImageProcessor, 'render'>;
  logger: Logger;
  /** @defaultValue all owners have weight 1 */
  weights?: OwnerWeights;
  /** Called once for each. */
  onEnd: (outcome: RenditionOutcome) => void;
  /**
   * How long {@link AvatarRenditions.get} waits, in milliseconds.
   * @defaultValue 10 seconds
   */
  maxWaitMs?: number;
}

/**
 * Makes renditions of stored pictures on their first demand, and stores them. Concurrent demands for the same one wait
 * for one. Half of the processor cores make renditions, so that uploads and new pictures, which use the same
 * {@link ImageProcessor}, do not wait for them. Owners share the time by their weights: thumbnails do not wait for another
 * owner's large pictures, except one.
 */
export class AvatarRenditions {
  /** Those that are made or wait, by avatar, bytes and name. */
  private readonly pending = new Map<string, { owner: string; rendition: Promise<Rendition> }>();
  private readonly failed = new LRUCache<string, true>({ max: maxFailures, ttl: failureMs });
  private readonly turns: Semaphore;
  private isStopped = false;

  constructor(private readonly deps: AvatarRenditionsDeps) {
    const refuse = (): Error => {
      deps.onEnd('refused');
      return busy();
    };
    const width = Math.max(1, Math.floor(availableParallelism() / 2));
    this.turns = new Semaphore(width, maxWaiting, refuse, deps.weights);
  }

  /**
   * Returns the rendition, which is stored then.
   * @throws DomainError SERVICE_UNAVAILABLE with `retryAfterSeconds` if too many wait or it takes too long; NOT_FOUND if
   * the avatar is deleted meanwhile, or its picture is damaged
   */
  async get(avatar: RenderedAvatar, wanted: NamedSpec): Promise<Rendition> {
    const stored = await findRendition(this.deps.database, avatar, wanted.name);
    return stored ?? within(this.demand(avatar, wanted), this.deps.maxWaitMs ?? maxWaitMs);
  }

  /** Deletes a rendition whose bytes are missing or incomplete. The next demand makes it again. */
  async forget({ id }: Rendition): Promise<void> {
    await this.deps.database.transaction((sql) => deleteRendition(sql, id));
  }

  /** Refuses those that wait, and waits for those that are being made. */
  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.allSettled([...this.pending.values()].map(({ rendition }) => rendition));
  }

  private demand(avatar: RenderedAvatar, wanted: NamedSpec): Promise<Rendition> {
    const { owner } = avatar;
    const key = `${avatar.id} ${avatar.mediaToken} ${wanted.name}`;
    if (this.failed.has(key)) throw unconvertible();
    const known = this.pending.get(key);
    if (known) return known.rendition;
    if (this.countOf(owner) >= maxRenditionsPerOwner) {
      this.deps.onEnd('refused');
      throw busy();
    }
    const rendition = this.turns
      .run(() => this.makeCounted(avatar, wanted), { key: owner, cost: costOf(avatar, wanted.spec) })
      .catch((error: unknown) => {
        if (!(error instanceof PictureProblem)) throw error;
        this.failed.set(key, true);
        this.deps.logger.warn(
          { err: error, avatarId: toGlobalId('Avatar', avatar.id), rendition: wanted.name },
          'a rendition could not be made',
        );
        throw unconvertible();
      })
      .finally(() => this.pending.delete(key));
    this.pending.set(key, { owner, rendition });
    return rendition;
  }

  private countOf(owner: string): number {
    let count = 0;
    for (const pending of this.pending.values()) if (pending.owner === owner) count += 1;
    return count;
  }

  private async makeCounted(avatar: RenderedAvatar, wanted: NamedSpec): Promise<Rendition> {
    let outcome: RenditionOutcome = 'failed';
    try {
      const made = await this.make(avatar, wanted);
      outcome = 'made';
      return made;
    } finally {
      this.deps.onEnd(outcome);
    }
  }

  private async make(avatar: RenderedAvatar, { name, spec }: NamedSpec): Promise<Rendition> {
    const { database, media, imageProcessor } = this.deps;
    if (this.isStopped) throw busy();
    const bytes = await imageProcessor.render(() => this.read(avatar), spec, avatar.owner);
    const id = newId();
    const stored = await media.put(renditionKey({ id }), Readable.from([bytes]), bytes.length);
    const made = { id, ...stored };
    if (await database.transaction((sql) => insertRendition(sql, avatar, { ...made, name }))) return made;
    // Another process was first, or the avatar is gone.
    const first = await findRendition(database, avatar, name);
    if (first) return first;
    throw deletedAvatar();
  }

  private async read(avatar: RenderedAvatar): Promise<Buffer> {
    const object = await this.deps.media.open(avatarKey(avatar));
    const bytes = object && (await readObject(object));
    if (bytes && createHash('sha256').update(bytes).digest('hex') === avatar.sha256) return bytes;
    throw await reportDamage(this.deps.database, avatar);
  }
}

/** The relative duration of making a rendition. */
function costOf({ width, height }: RenderedAvatar, { maxSide, format }: RenditionSpec): number {
  return renditionCost({ maxSide: Math.min(maxSide, Math.max(width ?? maxSide, height ?? 0)), format });
}

/** The result of `work`; rejects after `ms`, while `work` continues. */
async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(busy()), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function busy(): DomainError {
  return new DomainError(
    'SERVICE_UNAVAILABLE',
    'Too many pictures are being converted. Retry in a few seconds.',
    { details: { retryAfterSeconds: busySeconds } },
  );
}

function unconvertible(): DomainError {
  return new DomainError(
    'SERVICE_UNAVAILABLE',
    'The picture cannot be converted to this size and format. Use another one, or the original.',
    { details: { retryAfterSeconds: failureMs / 1_000 } },
  );
}
