import type { Transactions } from '../core/sql';
import { scheduleDeletion } from '../storage/media-deletion.repository';
import { photoKey } from './photo.entity';
import { lockExpired, purgePhotos } from './training-photo.repository';

/** Purges photos at the end of their retention. */
export class PhotoPurgeWork {
  constructor(private readonly database: Transactions) {}

  /**
   * Purges due photos: schedules deletion of their bytes in the same transaction, and clears personal data. Deletes
   * unused slots, and after 30 days the rows of purged photos that no model or generation refers to. Safe to run
   * concurrently in several processes.
   * @returns the number of due photos; if it equals `limit`, more may be due
   */
  async purgeDue(limit: number): Promise<number> {
    return this.database.transaction(async (sql) => {
      const ids = await lockExpired(sql, limit);
      if (ids.length > 0) await scheduleDeletion(sql, (await purgePhotos(sql, ids)).map(photoKey));
      return ids.length;
    });
  }
}
