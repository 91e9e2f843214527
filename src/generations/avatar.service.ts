import { audit } from '../accounts/audit.repository';
import { writeTransaction } from '../accounts/write-admission.repository';
import { DomainError, notFound } from '../core/errors';
import { failpoint } from '../core/failpoint';
import { toGlobalId, uuidOf, type InputId } from '../core/ids';
import { ProblemCollector } from '../core/input-problems';
import { OwnedList } from '../core/owned-list';
import { groupsOf, type Sql, type Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { appendEvents, eraseEvents, type NewEvent } from '../events/event-log.repository';
import type { OwnedKey } from '../events/present-rows';
import { findOrigins } from './avatar-origin.repository';
import type { AvatarOrigin } from './avatar-provenance';
import type { AvatarEntity } from './avatar.entity';
import {
  avatarTable,
  countAvatarsOfGenerations,
  deleteAvatar,
  findAvatars,
  findOwnedAvatars,
  generationOf,
  listAvatarsOfGenerations,
  listMissing,
  lockAvatar,
  markFavorites,
  newestAvatarsOfModels,
  type AvatarFilter,
} from './avatar.repository';
import type { GenerationCompletion } from './generation-completion';
import type { GenerationEntity } from './generation.entity';
import { avatarPayload } from './generation.kind';
import { groupMissing, hasMissing, type MissingGroup } from './missing-avatars';

/** The maximum number of avatars of one `setFavorite`. */
export const maxFavorites = 100;

/** Reads and deletes stored avatars. Avatars in other states are not visible. */
export class AvatarService {
  /** Lists of stored avatars. */
  readonly list: OwnedList<AvatarEntity, AvatarFilter>;

  constructor(
    private readonly database: Transactions,
    private readonly completion: GenerationCompletion,
  ) {
    this.list = new OwnedList(database, avatarTable);
  }

  /** @returns null if the id is null, or if it does not exist, is not stored, or belongs to another owner */
  async find(viewer: Viewer, id: string | null): Promise<AvatarEntity | null> {
    const [found] = id === null ? [] : await this.findMany(viewer, [id]);
    return found ?? null;
  }

  /** The viewer's stored avatars with the given ids, in the order of the ids. */
  findMany({ owner }: Viewer, ids: readonly string[]): Promise<(AvatarEntity | null)[]> {
    return findAvatars(this.database, owner, ids);
  }

  /** The stored avatars of several owners, in any order; one statement. */
  findOwned(keys: readonly OwnedKey[]): Promise<AvatarEntity[]> {
    return findOwnedAvatars(this.database, keys);
  }

  /**
   * The stored avatars of each generation, in the order of the request; one statement.
   * @param first - how many of each generation, from the first on; null: all
   */
  async ofGenerations(
    { owner }: Viewer,
    generationIds: readonly string[],
    first: number | null = null,
  ): Promise<AvatarEntity[][]> {
    const avatars = await listAvatarsOfGenerations(this.database, owner, generationIds, first);
    return groupsOf(generationIds, avatars, ({ generationId }) => generationId);
  }

  /** The number of stored avatars of each generation, in their order; one statement. */
  countsOf({ owner }: Viewer, generationIds: readonly string[]): Promise<number[]> {
    return countAvatarsOfGenerations(this.database, owner, generationIds);
  }

  /** The missing avatars of each generation, in the order of the generations; at most one statement. */
  async missing({ owner }: Viewer, generations: readonly GenerationEntity[]): Promise<MissingGroup[][]> {
    const ids = generations.filter(hasMissing).map(({ id }) => id);
    const pictures = await listMissing(this.database, owner, ids);
    const byGeneration = groupsOf(
      generations.map(({ id }) => id),
      pictures,
      ({ generationId }) => generationId,
    );
    return generations.map((row, index) => (hasMissing(row) ? groupMissing(row, byGeneration[index]!) : []));
  }

  /** Who made each avatar, in the order of the ids; one statement. */
  origins({ owner }: Viewer, ids: readonly string[]): Promise<(AvatarOrigin | null)[]> {
    return findOrigins(this.database, owner, ids);
  }

  /** The newest stored avatar of each model, in the order of the models; one statement. */
  async covers({ owner }: Viewer, modelIds: readonly string[]): Promise<(AvatarEntity | null)[]> {
    const avatars = await newestAvatarsOfModels(this.database, owner, modelIds);
    const byModel = new Map(avatars.map((avatar) => [avatar.modelId, avatar]));
    return modelIds.map((id) => byModel.get(id) ?? null);
  }

  /**
   * Marks avatars as favorites, or removes the mark. Idempotent.
   * @returns the avatars in the order of the ids
   * @throws DomainError NOT_FOUND, INVALID_INPUT, with all problems; nothing is changed
   */
  async setFavorite(viewer: Viewer, targets: readonly InputId[], favorite: boolean): Promise<AvatarEntity[]> {
    checkFavoriteCount(targets.length);
    const ids = targets.flatMap(({ uuid }) => uuid ?? []);
    const { avatars, changed } = await writeTransaction(this.database, viewer, async (sql) => {
      const { avatars: rows, changedIds } = await markFavorites(sql, viewer.owner, ids, favorite);
      const marked = new Map(rows.map((row) => [row.id, row]));
      const problems = new ProblemCollector();
      const avatars = targets.map((target) =>
        problems.check(() => {
          const avatar = marked.get(uuidOf(target));
          if (!avatar) throw notFound('avatar', target.field);
          return avatar;
        }),
      );
      problems.throwIfAny();
      const changed = changedIds.map((id) => marked.get(id)!);
      await appendEvents(sql, changed.map(changedEventOf));
      return { avatars: avatars.flatMap((avatar) => avatar ?? []), changed };
    });
    for (const avatar of changed) this.completion.notify(avatar);
    return avatars;
  }

  /**
   * Deletes an avatar and its bytes. Idempotent.
   * @param guard - called when no one else can change the avatar; throws an error to prevent the deletion
   * @returns whether it existed
   */
  async delete(viewer: Viewer, id: string, guard?: (sql: Sql) => Promise<void>): Promise<boolean> {
    const { database, completion } = this;
    const removed = await writeTransaction(database, viewer, async (sql) => {
      const generationId = await generationOf(sql, viewer.owner, id);
      if (generationId === null) return null;
      await completion.lock(sql, generationId);
      await lockAvatar(sql, viewer.owner, id);
      await guard?.(sql);
      const avatar = await deleteAvatar(sql, viewer.owner, id);
      if (!avatar) return null;
      await eraseEvents(sql, avatar.modelId ?? avatar.generationId, {
        generationId: avatar.generationId,
        avatarId: id,
      });
      await audit(sql, viewer, { action: 'deleteAvatar', subject: toGlobalId('Avatar', id) });
      return avatar;
    });
    if (!removed) return false;
    await failpoint('delete:marked');
    completion.notify(removed);
    return true;
  }
}

function changedEventOf(avatar: AvatarEntity): NewEvent {
  return {
    ...{ streamId: avatar.modelId ?? avatar.generationId, kind: 'AVATAR_CHANGED' },
    ...{ subjectId: avatar.id, generationId: avatar.generationId, payload: avatarPayload.write(avatar) },
  };
}

function checkFavoriteCount(given: number): void {
  if (given >= 1 && given <= maxFavorites) return;
  throw new DomainError('INVALID_INPUT', `Send 1 to ${maxFavorites} avatarIds; ${given} were given.`, {
    field: 'input.avatarIds',
    details: { given, minimum: 1, maximum: maxFavorites },
  });
}
