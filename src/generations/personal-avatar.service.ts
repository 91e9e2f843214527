import { toGlobalId } from '../core/ids';
import { inBatches, type Person } from '../core/person';
import { camelRow, type Sql } from '../core/sql';
import type { MediaStore, OpenObject } from '../storage/media-store';
import { avatarKey } from './avatar-keys';
import type { AvatarEntity } from './avatar.entity';
import { deleteAvatarsOf } from './avatar.repository';

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

  /**
   * The person's stored avatars, ordered by generation. Each batch continues both indexes at the end of the
   * previous one.
   */
  list(sql: Sql, { owner, until }: Person): AsyncGenerator<AvatarEntity> {
    return inBatches<AvatarEntity>(async (last, limit) => {
      const rows = await sql.rows<Record<string, unknown>>(
        `SELECT a.* FROM generations g JOIN avatars a ON a.generation_id = g.id
          WHERE g.owner = $1 AND a.created_at <= $2 AND a.status = 'STORED'
            AND ($3::uuid IS NULL OR (g.id >= $3 AND (a.generation_id, a.position) > ($3, $4::integer)))
          ORDER BY a.generation_id, a.position LIMIT $5`,
        [owner, until, last?.generationId ?? null, last?.position ?? null, limit],
      );
      return rows.map((row) => camelRow<AvatarEntity>(row));
    });
  }

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
