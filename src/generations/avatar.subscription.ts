import { uuidOf, type InputId } from '../core/ids';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { oncePerEvent, type StoredEvent } from '../events/event';
import type { EventFeed } from '../events/feed';
import { follow, type CurrentState, type Following } from '../events/follow';
import { withPresent, type Change, type PresentChange } from '../events/present-changes';
import { PresentRows, type OwnedKey } from '../events/present-rows';
import { deletedJob, hasEnded, refuseDeleted } from '../jobs/job.subscription';
import type { AvatarEntity } from './avatar.entity';
import { findOwnedAvatars } from './avatar.repository';
import type { GenerationEntity } from './generation.entity';
import {
  avatarPayload,
  generationKind,
  generationPayload,
  streamOfGeneration,
  type AvatarEventPayload,
} from './generation.kind';
import { findAvatarsInStreams, findGenerationsInStreams, type PresentAvatars } from './generation.repository';

/** A stored avatar, as it is when it is sent. */
export interface StoredAvatar extends Pick<PresentChange<unknown, unknown>, 'cursor' | 'isSnapshot'> {
  readonly avatar: AvatarEventPayload;
  readonly occurredAt: Date;
}

/** A stored avatar; null for the end of its generation, which is not sent. */
type AvatarChange = Change<AvatarEventPayload | null, AvatarEventPayload>;

/** Each snapshot has up to 100 avatars. The client retries while the database is unavailable. */
const snapshotLimits = { maxRetries: 0, maxKeys: 20 } as const;

const ended: AvatarChange = { past: null, row: null };

/** The streams of `avatarCompleted`. */
export class AvatarSubscriptions {
  private readonly generations: PresentRows<GenerationEntity & PresentAvatars>;
  private readonly models: PresentRows<OwnedKey & PresentAvatars>;
  private readonly avatars: PresentRows<AvatarEntity>;

  constructor(
    sql: Sql,
    private readonly feed: EventFeed,
  ) {
    this.generations = new PresentRows((keys) => findGenerationsInStreams(sql, keys), snapshotLimits);
    this.models = new PresentRows((keys) => findAvatarsInStreams(sql, keys), snapshotLimits);
    this.avatars = new PresentRows((keys) => findOwnedAvatars(sql, keys));
  }

  /**
   * Sends each stored avatar of a generation: the existing ones, then new ones until the generation has ended.
   * @throws DomainError NOT_FOUND, also when the generation is deleted during the stream; INVALID_CURSOR
   */
  async ofGeneration(
    viewer: Viewer,
    target: InputId,
    after: string | null,
  ): Promise<AsyncIterableIterator<StoredAvatar>> {
    const id = uuidOf(target);
    const found = await this.generations.find({ owner: viewer.owner, id });
    if (!found) throw deletedJob('generation', target.field);
    const following = await follow<AvatarChange>(this.feed, {
      streamId: streamOfGeneration(found),
      subjectId: id,
      after,
      present: () => Promise.resolve(presentOf(found, hasEnded(generationKind, found.status))),
      read: readerOf(id, target.field),
      isLast: (change) => change === ended,
    });
    return this.withAvatars(viewer, following);
  }

  /**
   * Sends each stored avatar of a model: the newest existing ones, then new ones until the model is deleted.
   * @throws DomainError NOT_FOUND, also when the model is deleted during the stream; INVALID_CURSOR
   */
  async ofModel(
    viewer: Viewer,
    target: InputId,
    after: string | null,
  ): Promise<AsyncIterableIterator<StoredAvatar>> {
    const modelId = uuidOf(target);
    const { field } = target;
    const following = await follow<AvatarChange>(this.feed, {
      streamId: modelId,
      after,
      present: async () => {
        const found = await this.models.find({ owner: viewer.owner, id: modelId });
        if (!found) throw deletedJob('model', field);
        return presentOf(found, false);
      },
      read: (event) => {
        refuseDeleted(event, 'model', modelId, field);
        return event.kind === 'AVATAR' ? storedIn(event) : null;
      },
      isLast: () => false,
    });
    return this.withAvatars(viewer, following);
  }

  /** Avatars that have been deleted since are skipped. */
  private withAvatars(
    { owner }: Viewer,
    following: Following<AvatarChange>,
  ): AsyncIterableIterator<StoredAvatar> {
    return withPresent(following, {
      find: async (past) =>
        past === null ? undefined : ((await this.avatars.find({ owner, id: past.id })) ?? undefined),
      show: storedAvatarOf,
    });
  }
}

function storedAvatarOf({
  row,
  cursor,
  isSnapshot,
  occurredAt,
}: PresentChange<unknown, AvatarEventPayload>): StoredAvatar {
  return { avatar: row, cursor, isSnapshot, occurredAt: occurredAt ?? row.createdAt };
}

/** Created here, because functions of `ofGeneration` would keep the avatars that it has read. */
function readerOf(generationId: string, field: string): (event: StoredEvent) => AvatarChange | null {
  return (event) => {
    refuseDeleted(event, 'generation', generationId, field);
    if (event.generationId !== generationId) return null;
    if (event.kind === 'AVATAR') return storedIn(event);
    const isEnd =
      event.kind === 'GENERATION' && hasEnded(generationKind, generationPayload.read(event.payload).status);
    return isEnd ? ended : null;
  };
}

function presentOf(
  { sequence, oldest, avatars }: PresentAvatars,
  hasEnded: boolean,
): CurrentState<AvatarChange> {
  const items = avatars.map((payload) => {
    const avatar = avatarPayload.read(payload);
    return { past: avatar, row: avatar };
  });
  return { sequence, oldest, items, ended: hasEnded };
}

const storedIn = oncePerEvent(({ payload }): AvatarChange => ({
  past: avatarPayload.read(payload),
  row: null,
}));
