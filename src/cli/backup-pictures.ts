import { join } from 'node:path';
import { z } from 'zod';
import { toGlobalId } from '../core/ids';
import type { Sql } from '../core/sql';
import { avatarKey } from '../generations/avatar.entity';
import { mediaPath } from '../storage/disk-store';
import type { S3Store } from '../storage/s3-store';
import type { CopiedFile } from './backup-files';
import { findStoredAvatars } from './backup-tables.repository';

const avatarLine = z.object({
  id: z.string(),
  media_token: z.string().nullable(),
  status: z.string(),
  sha256: z.string().nullable(),
  byte_size: z.number().nullable(),
});

/** Compares pictures with their rows: copies by their hashes, objects of a bucket by their sizes. */
export class PictureComparison {
  /** How many pictures {@link findDamagedIn} has found in the bucket that no line has. */
  unknownCount = 0;
  /** Each stored picture, by the path of its file. */
  private readonly expected = new Map<string, { sha256: string; byteSize: number | null; id: string }>();

  /** Adds lines of the table `avatars`. */
  add(lines: readonly string[]): void {
    for (const line of lines) {
      const { id, media_token, status, sha256, byte_size } = avatarLine.parse(JSON.parse(line));
      if (status === 'STORED' && sha256 !== null)
        this.expected.set(pathOf(avatarKey({ id, mediaToken: media_token })), {
          sha256,
          byteSize: byte_size,
          id,
        });
    }
  }

  /**
   * The global ids of avatars whose picture is missing or another, and that were not deleted during the backup. Avatars that
   * are known to be damaged are left out.
   */
  async findDamaged(sql: Sql, copies: readonly CopiedFile[]): Promise<string[]> {
    for (const { path, sha256 } of copies)
      if (this.expected.get(path)?.sha256 === sha256) this.expected.delete(path);
    return this.findLeft(sql);
  }

  /** The same of pictures in a bucket, of which only the sizes are compared. */
  async findDamagedIn(bucket: Pick<S3Store, 'listSizes'>, sql: Sql): Promise<string[]> {
    for await (const { key, byteSize } of bucket.listSizes('avatars/', 0)) {
      const expected = this.expected.get(pathOf(key));
      if (expected === undefined && key.endsWith('.picture')) this.unknownCount += 1;
      if (expected?.byteSize === byteSize) this.expected.delete(pathOf(key));
    }
    return this.findLeft(sql);
  }

  private async findLeft(sql: Sql): Promise<string[]> {
    const ids = [...this.expected.values()].map(({ id }) => id);
    const stored = ids.length === 0 ? [] : await findStoredAvatars(sql, ids);
    return stored.map((id) => toGlobalId('Avatar', id));
  }
}

const pathOf = (key: string): string => join('media', mediaPath(key));

const maxNamed = 10;

/** Names damaged pictures, of which at most ten. */
export function nameSome(ids: readonly string[]): string {
  return ids.slice(0, maxNamed).join(', ') + (ids.length > maxNamed ? ', …' : '');
}
