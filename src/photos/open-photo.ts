import type { MediaStore, OpenObject, RangeRequest } from '../storage/media-store';
import { earlierKeysOf, photoKey, type PhotoName } from './photo.entity';

/** Opens the bytes of a READY photo; null if they are deleted. */
export async function openPhoto(
  media: Pick<MediaStore, 'open'>,
  photo: PhotoName,
  range?: RangeRequest,
): Promise<OpenObject | null> {
  const object = await media.open(photoKey(photo), range);
  const [firstKey] = earlierKeysOf(photo);
  if (object || firstKey === undefined) return object;
  // A process of an earlier version, which knows no tokens, has stored the photo after others had failed to.
  return media.open(firstKey, range);
}
