import { notFound } from '../core/errors';
import { mapIterator } from '../core/map-iterator';
import { camelRow, type Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import type { EventFeed } from '../events/feed';
import { follow, type Followed, type CurrentState } from '../events/follow';
import type { StoredEvent } from '../events/stored-event';
import type { GenerationEntity } from './generation.entity';
import {
  readAvatarPayload,
  readGenerationPayload,
  streamOfGeneration,
  type AvatarPayload,
  type GenerationEventPayload,
} from './generation.job';
import { unfinishedGenerationStates } from './generation.state';

/** Maximum number of stored avatars of a model that are sent at the start. */
const maxPresentAvatars = 100;

const isEnd = (status: string): boolean =>
  !(unfinishedGenerationStates as readonly string[]).includes(status);

/** An avatar, or the end of its generation. */
type AvatarNews = AvatarPayload | 'ended';

/** The start of a subscription: the position in the stream, and the avatars at that position. */
interface Place {
  streamSequence: string;
  oldest: string | null;
  /** Rows as JSON; null if there are no rows. */
  avatars: Record<string, unknown>[] | null;
}

/** One statement, so that avatars and position are consistent. */
const place = (column: 'generation_id' | 'model_id', id: string): string => `
  s.sequence AS stream_sequence, (SELECT min(sequence) FROM events WHERE stream_id = s.id) AS oldest,
  (SELECT jsonb_agg(to_jsonb(newest) ORDER BY newest.id)
     FROM (SELECT * FROM avatars WHERE ${column} = ${id} AND status = 'STORED' ORDER BY id DESC LIMIT ${maxPresentAvatars}) newest) AS avatars`;

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
    const following = follow<GenerationEventPayload>(this.feed, {
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
          ? readGenerationPayload(event.payload)
          : null;
      },
      isLast: (generation) => isEnd(generation.status),
    });
    await following.opened;
    return following;
  }

  /** Sends each stored avatar of a generation: the existing ones, then new ones until the generation has ended. */
  async avatarsOfGeneration(
    viewer: Viewer,
    id: string,
    after: string | null,
  ): Promise<AsyncIterableIterator<Followed<AvatarPayload>>> {
    const found = await this.find(viewer, id);
    const following = follow<AvatarNews>(this.feed, {
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
        if (event.kind === 'AVATAR') return readAvatarPayload(event.payload);
        return event.kind === 'GENERATION' && isEnd(readGenerationPayload(event.payload).status)
          ? 'ended'
          : null;
      },
      isLast: (news) => news === 'ended',
    });
    await following.opened;
    return mapIterator(following, avatarIn);
  }

  /** Sends each stored avatar of a model: the newest existing ones, then new ones until the model is deleted. */
  async avatarsOfModel(
    viewer: Viewer,
    modelId: string,
    after: string | null,
  ): Promise<AsyncIterableIterator<Followed<AvatarPayload>>> {
    const following = follow<AvatarNews>(this.feed, {
      streamId: modelId,
      after,
      present: async () => {
        const [row] = await this.sql.rows<Record<string, unknown>>(
          `SELECT ${place('model_id', 'm.id')} FROM models m JOIN streams s ON s.id = m.id WHERE m.id = $1 AND m.owner = $2`,
          [modelId, viewer.owner],
        );
        if (!row) throw notFound('model', 'modelId');
        const found = camelRow<Place>(row);
        return present<AvatarNews>(found, avatarsOf(found), false);
      },
      read: (event) => {
        refuseDeleted(event, 'model', modelId);
        return event.kind === 'AVATAR' ? readAvatarPayload(event.payload) : null;
      },
      isLast: () => false,
    });
    await following.opened;
    return mapIterator(following, avatarIn);
  }

  private async find(viewer: Viewer, id: string): Promise<GenerationEntity & Place> {
    const [row] = await this.sql.rows<Record<string, unknown>>(
      `SELECT g.*, ${place('generation_id', 'g.id')}
         FROM generations g JOIN streams s ON s.id = coalesce(g.model_id, g.id) WHERE g.id = $1 AND g.owner = $2`,
      [id, viewer.owner],
    );
    if (!row) throw notFound('generation', 'generationId');
    return camelRow<GenerationEntity & Place>(row);
  }
}

function avatarsOf({ avatars }: Place): AvatarPayload[] {
  return (avatars ?? []).map((row) => readAvatarPayload(camelRow(row)));
}

function present<T>(stream: Place, items: T[], ended: boolean): CurrentState<T> {
  const sequence = Number(stream.streamSequence);
  return { sequence, oldest: stream.oldest === null ? sequence + 1 : Number(stream.oldest), items, ended };
}

/** Ends a stream when its generation or model is deleted, or the model of its generation. */
function refuseDeleted(event: StoredEvent, what: 'generation' | 'model', id: string): void {
  const isWhole = event.subjectId === event.streamId || event.subjectId === id;
  if (event.kind === 'DELETED' && isWhole) throw notFound(what, `${what}Id`);
}

/** The avatar in a message; undefined for the end marker, with which the iterator ends. */
function avatarIn({ item, ...event }: Followed<AvatarNews>): Followed<AvatarPayload> | undefined {
  return item === 'ended' ? undefined : { ...event, item };
}
