/**
 * Why a picture cannot be used. Stable: clients see these codes in `Photo.problems`.
 * - `UNSUPPORTED_TYPE`: by its content it is something else than what is taken here
 * - `UNREADABLE`: it is damaged, cut off, or takes too long to decode
 * - `TOO_SMALL`: its shorter side has too few pixels
 * - `TOO_MANY_PIXELS`: it would need too much memory
 * - `ANIMATED`: it has several frames
 */
export type PictureProblemCode =
  'UNSUPPORTED_TYPE' | 'UNREADABLE' | 'TOO_SMALL' | 'TOO_MANY_PIXELS' | 'ANIMATED';

/** A picture that is refused for what it is. The message may be shown: it says what is wrong and what to do. */
export class PictureProblem extends Error {
  constructor(
    readonly code: PictureProblemCode,
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause });
    this.name = 'PictureProblem';
  }
}
