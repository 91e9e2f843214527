import { thumbHashOfBlurHash } from '../images/thumbhash';
import type { AvatarEntity } from './avatar.entity';

/** The columns that {@link thumbhashOf} needs. */
export type ThumbhashColumns = 'thumbhash' | 'placeholder' | 'width' | 'height';

/** The ThumbHash of a stored avatar; an approximate one if it is not known yet. */
export function thumbhashOf({
  thumbhash,
  placeholder,
  width,
  height,
}: Pick<AvatarEntity, ThumbhashColumns>): string {
  return thumbhash ?? thumbHashOfBlurHash(placeholder!, { width: width!, height: height! });
}
