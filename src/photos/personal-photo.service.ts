import { toGlobalId } from '../core/ids';
import type { Person } from '../core/person';
import type { Sql } from '../core/sql';
import { scheduleDeletion } from '../storage/media-deletion.repository';
import type { MediaStore, OpenObject } from '../storage/media-store';
import { photoKey } from './photo-lifetime';
import type { PhotoEntity } from './photo.entity';
import { deletePhotosOf, photosOf } from './photo.repository';

/** Erasure and export of a person's photos. */
export class PersonalPhotoService {
  constructor(private readonly store: Pick<MediaStore, 'open'>) {}

  /**
   * Deletes photos and schedules deletion of their bytes. Call it after the jobs that used them have been deleted.
   * @returns the number of photos, at most `limit`
   */
  async eraseSome(sql: Sql, person: Person, limit: number): Promise<number> {
    const gone = await deletePhotosOf(sql, person, limit);
    await scheduleDeletion(sql, gone.map(photoKey));
    return gone.length;
  }

  /** The person's photos, oldest first. */
  list(sql: Sql, person: Person): AsyncGenerator<PhotoEntity> {
    return photosOf(sql, person);
  }

  /** The record of a photo in the person's export. */
  recordOf(photo: PhotoEntity): object {
    const { id, status, filename, sourceUrl, width, height, byteSize, problems, purgeAt, createdAt } = photo;
    const file = this.fileOf(photo);
    return {
      id: toGlobalId('Photo', id),
      status,
      file,
      filename,
      fetchedFrom: sourceUrl,
      ...{ width, height, byteSize, problems },
      keptUntil: purgeAt,
      createdAt,
    };
  }

  /** The name of the photo's file in a person's archive; null if the photo has no bytes. */
  fileOf({ id, status }: Pick<PhotoEntity, 'id' | 'status'>): string | null {
    return status === 'READY' ? `photos/${toGlobalId('Photo', id)}.jpg` : null;
  }

  /** Opens the bytes of a photo; null if they have been deleted. */
  open({ id }: Pick<PhotoEntity, 'id'>): Promise<OpenObject | null> {
    return this.store.open(photoKey(id));
  }
}
