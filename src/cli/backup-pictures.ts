import { join } from 'node:path';
import { z } from 'zod';
import { toGlobalId } from '../core/ids';
import type { Sql } from '../core/sql';
import { avatarKey } from '../generations/avatar.entity';
import { mediaPath } from '../storage/disk-store';
import type { CopiedFile } from './backup-files';
import { findStoredAvatars } from './backup-tables.repository';

const avatarLine = z.object({
  id: z.string(),
  media_token: z.string().nullable(),
  status: z.string(),
  sha256: z.string().nullable(),
});

/** Compares the copies of pictures with the hashes in their rows. */
export class PictureComparison {
  /** The SHA-256 and the id of each stored picture, by the path of its file. */
  private readonly expected = new Map<string, { sha256: string; id: string }>();

  /** Adds lines of the table `avatars`. */
  add(lines: readonly string[]): void {
    for (const line of lines) {
      const { id, media_token: mediaToken, status, sha256 } = avatarLine.parse(JSON.parse(line));
      if (status === 'STORED' && sha256 !== null)
        this.expected.set(join('media', mediaPath(avatarKey({ id, mediaToken }))), { sha256, id });
    }
  }

  /**
   * The global ids of avatars whose picture is missing or another, and that were not deleted during the backup. Avatars that
   * are known to be damaged are left out.
   */
  async findDamaged(sql: Sql, copies: readonly CopiedFile[]): Promise<string[]> {
    for (const { path, sha256 } of copies)
      if (this.expected.get(path)?.sha256 === sha256) this.expected.delete(path);
    const ids = [...this.expected.values()].map(({ id }) => id);
    const stored = ids.length === 0 ? [] : await findStoredAvatars(sql, ids);
    return stored.map((id) => toGlobalId('Avatar', id));
  }
}
