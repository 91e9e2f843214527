import { toGlobalId } from '../core/ids';
import type { Sql } from '../core/sql';
import type { MediaStore, OpenObject } from '../storage/media-store';
import { avatarKey } from './avatar-keys';
import type { AvatarEntity } from './avatar.entity';
import { avatarsOf, deleteAvatarsOf } from './avatar.repository';

/** Erasure and export of a person's avatars. */
export class PersonalAvatarService {
  constructor(private readonly store: Pick<MediaStore, 'open'>) {}

  /**
   * Deletes all avatars of generations or models whose rows this transaction has locked, and schedules deletion of
   * their bytes.
   * @returns the number of avatars
   */
  async eraseOf(sql: Sql, jobs: 'generations' | 'models', ids: readonly string[]): Promise<number> {
    return deleteAvatarsOf(sql, jobs === 'generations' ? 'generation' : 'model', ids);
  }

  /** The person's stored avatars, ordered by generation. */
  readonly list = avatarsOf;

  /** The record of an avatar in the person's export. */
  recordOf(avatar: AvatarEntity): object {
    const { id, generationId, modelId, style, prompt, width, height, byteSize, contentType } = avatar;
    return {
      id: toGlobalId('Avatar', id),
      generation: toGlobalId('Generation', generationId),
      model: modelId && toGlobalId('AvatarModel', modelId),
      file: this.fileOf(avatar),
      ...{ style, prompt, width, height, byteSize, contentType, sha256: avatar.sha256 },
      createdAt: avatar.createdAt,
    };
  }

  /** The name of the avatar's file in a person's archive. */
  fileOf({ id, contentType }: Pick<AvatarEntity, 'id' | 'contentType'>): string {
    const extension = contentType?.replace('image/', '').replace('jpeg', 'jpg') ?? 'jpg';
    return `avatars/${toGlobalId('Avatar', id)}.${extension}`;
  }

  /** Opens the original picture; null if it has been deleted or is damaged. */
  async open(avatar: Pick<AvatarEntity, 'id' | 'mediaToken' | 'damagedAt'>): Promise<OpenObject | null> {
    return avatar.damagedAt === null ? this.store.open(avatarKey(avatar)) : null;
  }
}
