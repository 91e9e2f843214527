import { notFound, type DomainError } from '../core/errors';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import type { StoredEvent } from '../events/event';
import type { StreamPosition } from '../events/event-log.repository';
import type { EventFeed } from '../events/feed';
import {
  follow,
  withPresent,
  type Change,
  type CurrentState,
  type Followed,
  type PresentChange,
} from '../events/follow';
import { PresentRows } from '../events/present-rows';
import { findOwnedJobs } from '../jobs/job-row.repository';
import type { AvatarEntity } from './avatar.entity';
import { findOwnedAvatars } from './avatar.repository';
import type { GenerationEntity } from './generation.entity';
import {
  avatarPayload,
  generationKind,
  generationPayload,
  streamOfGeneration,
  type AvatarEventPayload,
  type GenerationEventPayload,
  type PresentGeneration,
} from './generation.kind';
import { findAvatarsInStream, findGenerationInStream, type PresentAvatars } from './generation.repository';
import { unfinishedGenerationStates } from './generation.state';

const isEnd = (status: string): boolean =>
  !(unfinishedGenerationStates as readonly string[]).includes(status);

/** A change of a generation, with the generation as it is when the change is sent. */
export type GenerationChange = PresentChange<GenerationEventPayload, PresentGeneration>;

/** A stored avatar, as it is when it is sent. */
export type StoredAvatar = PresentChange<AvatarEventPayload, AvatarEventPayload>;

/** A stored avatar; null for the end of its generation, which is not sent. */
type AvatarNews = Change<AvatarEventPayload | null, AvatarEventPayload>;

const ended: AvatarNews = { past: null, row: null };

/** The streams of `generationProgress` and `avatarCompleted`. */
export class GenerationSubscriptions {
  private readonly generations: PresentRows<PresentGeneration>;
  private readonly avatars: PresentRows<AvatarEntity>;

  constructor(
    private readonly sql: Sql,
    private readonly feed: EventFeed,
  ) {
    this.generations = new PresentRows((keys) => findOwnedJobs(sql, generationKind, keys));
    this.avatars = new PresentRows((keys) => findOwnedAvatars(sql, keys));
  }

  /**
   * Sends the generation's current state, then every change until it has ended.
   * @throws DomainError NOT_FOUND, also when the generation is deleted during the stream; INVALID_CURSOR
   */
  async generation(
    viewer: Viewer,
    id: string,
    after: string | null,
  ): Promise<AsyncIterableIterator<GenerationChange>> {
    const found = await this.find(viewer, id);
    const following = await follow<Change<GenerationEventPayload, PresentGeneration>>(this.feed, {
      streamId: streamOfGeneration(found),
      subjectId: id,
      after,
      present: async () => {
        const generation = await this.find(viewer, id);
        return present(generation, [{ past: generation, row: generation }], isEnd(generation.status));
      },
      read: (event) => {
        refuseDeleted(event, 'generation', id);
        return event.kind === 'GENERATION' && event.subjectId === id
          ? { past: generationPayload.read(event.payload), row: null }
          : null;
      },
      isLast: ({ past }) => isEnd(past.status),
    });
    return withPresent(following, async () => {
      const generation = await this.generations.find({ owner: viewer.owner, id });
      if (!generation) throw deleted('generation');
      return generation;
    });
  }

  /** Sends each stored avatar of a generation: the existing ones, then new ones until the generation has ended. */
  async avatarsOfGeneration(
    viewer: Viewer,
    id: string,
    after: string | null,
  ): Promise<AsyncIterableIterator<StoredAvatar>> {
    const found = await this.find(viewer, id);
    const following = await follow<AvatarNews>(this.feed, {
      streamId: streamOfGeneration(found),
      subjectId: id,
      after,
      present: async () => {
        const generation = await this.find(viewer, id);
        return present(generation, avatarsOf(generation), isEnd(generation.status));
      },
      read: (event) => {
        refuseDeleted(event, 'generation', id);
        if (event.generationId !== id) return null;
        if (event.kind === 'AVATAR') return storedIn(event);
        return event.kind === 'GENERATION' && isEnd(generationPayload.read(event.payload).status)
          ? ended
          : null;
      },
      isLast: (news) => news === ended,
    });
    return this.withAvatars(viewer, following);
  }

  /** Sends each stored avatar of a model: the newest existing ones, then new ones until the model is deleted. */
  async avatarsOfModel(
    viewer: Viewer,
    modelId: string,
    after: string | null,
  ): Promise<AsyncIterableIterator<StoredAvatar>> {
    const following = await follow<AvatarNews>(this.feed, {
      streamId: modelId,
      after,
      present: async () => {
        const found = await findAvatarsInStream(this.sql, viewer.owner, modelId);
        if (!found) throw deleted('model');
        return present(found, avatarsOf(found), false);
      },
      read: (event) => {
        refuseDeleted(event, 'model', modelId);
        return event.kind === 'AVATAR' ? storedIn(event) : null;
      },
      isLast: () => false,
    });
    return this.withAvatars(viewer, following);
  }

  private async find(viewer: Viewer, id: string): Promise<GenerationEntity & PresentAvatars> {
    const found = await findGenerationInStream(this.sql, viewer.owner, id);
    if (!found) throw deleted('generation');
    return found;
  }

  /** Avatars that have been deleted since are skipped. */
  private withAvatars(
    { owner }: Viewer,
    following: AsyncIterable<Followed<AvatarNews>>,
  ): AsyncIterableIterator<StoredAvatar> {
    return withPresent(following, async (past) =>
      past === null ? undefined : ((await this.avatars.find({ owner, id: past.id })) ?? undefined),
    ) as AsyncIterableIterator<StoredAvatar>;
  }
}

function avatarsOf({ avatars }: PresentAvatars): AvatarNews[] {
  return avatars.map((payload) => {
    const avatar = avatarPayload.read(payload);
    return { past: avatar, row: avatar };
  });
}

function storedIn({ payload }: StoredEvent): AvatarNews {
  return { past: avatarPayload.read(payload), row: null };
}

function present<T>({ sequence, oldest }: StreamPosition, items: T[], ended: boolean): CurrentState<T> {
  return { sequence, oldest, items, ended };
}

/** Ends a stream when its generation or model is deleted, or the model of its generation. */
function refuseDeleted(event: StoredEvent, what: 'generation' | 'model', id: string): void {
  const isWhole = event.subjectId === event.streamId || event.subjectId === id;
  if (event.kind === 'DELETED' && isWhole) throw deleted(what);
}

function deleted(what: 'generation' | 'model'): DomainError {
  return notFound(what, `${what}Id`);
}
