import type { PictureProblemCode } from '../images/picture-file';

/** The codes of `Photo.problems`, with their descriptions. They are stable; docs/errors.md describes each. */
export const photoProblemCodes = {
  UNSUPPORTED_TYPE: 'It is not JPEG, PNG, WebP, AVIF or HEIC, by its bytes or by its declared type.',
  UNREADABLE: 'It is damaged, truncated, or takes too long to decode.',
  TOO_SMALL: 'Its shorter side has too few pixels.',
  TOO_MANY_PIXELS: 'It has too many pixels.',
  ANIMATED: 'It has several frames.',
  PHOTO_TOO_LARGE: 'It has too many bytes.',
  PHOTO_UNREACHABLE: 'Its URL returned no photo.',
  INVALID_FILE: 'Its declared name or size is invalid.',
} as const satisfies Record<PictureProblemCode, string> & Record<string, string>;

/** A code of {@link photoProblemCodes}. */
export type PhotoProblemCode = keyof typeof photoProblemCodes;
