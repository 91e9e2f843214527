import { notFound } from '../core/errors';
import { mapIterator } from '../core/iterators';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import type { StoredEvent } from '../events/event';
import type { StreamPosition } from '../events/event-log.repository';
import type { EventFeed } from '../events/feed';
import { follow, type Followed, type CurrentState } from '../events/follow';
import type { GenerationEntity } from './generation.entity';
import {
  avatarPayload,
  generationPayload,
  streamOfGeneration,
  type AvatarEventPayload,
  type GenerationEventPayload,
} from './generation.job';
import { findAvatarsInStream, findGenerationInStream, type PresentAvatars } from './generation.repository';
import { unfinishedGenerationStates } from './generation.state';

const isEnd = (status: string): boolean =>
  !(unfinishedGenerationStates as readonly string[]).includes(status);

/** An avatar, or the end of its generation. */
type AvatarNews = AvatarEventPayload | 'ended';

/** The streams of `generationProgress` and `avatarCompleted`. */
export class GenerationSubscriptions {
  constructor(
    private readonly sql: Sql,
    private readonly feed: EventFeed,
  ) {}

  /**
   * Sends the generation's current state, then every change until it has ended.
   * @throws DomainError NOT_FOUND, also when the generation is deleted during the stream; INVALID_CURSOR
   */
  async generation(
    viewer: Viewer,
    id: string,
    after: string | null,
  ): Promise<AsyncIterableIterator<Followed<GenerationEventPayload>>> {
    const found = await this.find(viewer, id);
    return follow<GenerationEventPayload>(this.feed, {
      streamId: streamOfGeneration(found),
      subjectId: id,
      after,
      present: async () => {
        const generation = await this.find(viewer, id);
        return present(generation, [generation], isEnd(generation.status));
      },
      read: (event) => {
        refuseDeleted(event, 'generation', id);
        return event.kind === 'GENERATION' && event.subjectId === id
          ? generationPayload.read(event.payload)
          : null;
      },
      isLast: (generation) => isEnd(generation.status),
    });
  }

  /** Sends each stored avatar of a generation: the existing ones, then new ones until the generation has ended. */
  async avatarsOfGeneration(
    viewer: Viewer,
    id: string,
    after: string | null,
  ): Promise<AsyncIterableIterator<Followed<AvatarEventPayload>>> {
    const found = await this.find(viewer, id);
    const following = await follow<AvatarNews>(this.feed, {
      streamId: streamOfGeneration(found),
      subjectId: id,
      after,
      present: async () => {
        const generation = await this.find(viewer, id);
        return present<AvatarNews>(generation, avatarsOf(generation), isEnd(generation.status));
      },
      read: (event) => {
        refuseDeleted(event, 'generation', id);
        if (event.generationId !== id) return null;
        if (event.kind === 'AVATAR') return avatarPayload.read(event.payload);
        return event.kind === 'GENERATION' && isEnd(generationPayload.read(event.payload).status)
          ? 'ended'
          : null;
      },
      isLast: (news) => news === 'ended',
    });
    return mapIterator(following, avatarIn);
  }

  /** Sends each stored avatar of a model: the newest existing ones, then new ones until the model is deleted. */
  async avatarsOfModel(
    viewer: Viewer,
    modelId: string,
    after: string | null,
  ): Promise<AsyncIterableIterator<Followed<AvatarEventPayload>>> {
    const following = await follow<AvatarNews>(this.feed, {
      streamId: modelId,
      after,
      present: async () => {
        const found = await findAvatarsInStream(this.sql, viewer.owner, modelId);
        if (!found) throw notFound('model', 'modelId');
        return present<AvatarNews>(found, avatarsOf(found), false);
      },
      read: (event) => {
        refuseDeleted(event, 'model', modelId);
        return event.kind === 'AVATAR' ? avatarPayload.read(event.payload) : null;
      },
      isLast: () => false,
    });
    return mapIterator(following, avatarIn);
  }

  private async find(viewer: Viewer, id: string): Promise<GenerationEntity & PresentAvatars> {
    const found = await findGenerationInStream(this.sql, viewer.owner, id);
    if (!found) throw notFound('generation', 'generationId');
    return found;
  }
}

function avatarsOf({ avatars }: PresentAvatars): AvatarEventPayload[] {
  return avatars.map((avatar) => avatarPayload.read(avatar));
}

function present<T>({ sequence, oldest }: StreamPosition, items: T[], ended: boolean): CurrentState<T> {
  return { sequence, oldest, items, ended };
}

/** Ends a stream when its generation or model is deleted, or the model of its generation. */
function refuseDeleted(event: StoredEvent, what: 'generation' | 'model', id: string): void {
  const isWhole = event.subjectId === event.streamId || event.subjectId === id;
  if (event.kind === 'DELETED' && isWhole) throw notFound(what, `${what}Id`);
}

/** The avatar in a message; undefined for the end marker, with which the iterator ends. */
function avatarIn({ item, ...event }: Followed<AvatarNews>): Followed<AvatarEventPayload> | undefined {
  return item === 'ended' ? undefined : { ...event, item };
}
