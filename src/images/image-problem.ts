/**
 * Why a picture cannot be used. The codes are stable; clients see them in `Photo.problems`.
 * - `UNSUPPORTED_TYPE`: its content has a format that is not accepted
 * - `UNREADABLE`: it is damaged, truncated, or takes too long to decode
 * - `TOO_SMALL`: its shorter side has too few pixels
 * - `TOO_MANY_PIXELS`: it would need too much memory
 * - `ANIMATED`: it has several frames
 */
export type PictureProblemCode =
  'UNSUPPORTED_TYPE' | 'UNREADABLE' | 'TOO_SMALL' | 'TOO_MANY_PIXELS' | 'ANIMATED';

/**
 * A picture that is rejected because of its content. The message is for clients: it states the problem and what to
 * do.
 */
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
