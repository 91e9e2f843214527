import { DomainError } from '../core/errors';
import type { OwnerWeights } from '../core/owner-weights';
import { Semaphore } from '../core/semaphore';
import { traced } from '../core/tracing';
import { defaultTimeLimitSeconds, type PictureSource } from './decoding';
import { HeicDecoderMissing } from './heic-decoder';
import { HeicWithoutTurn, preparePhoto, type PreparedPhoto } from './photo-image';
import { PictureProblem } from './picture-file';
import { renderPicture, type RenditionSpec } from './rendition';
import { verifyResult, type VerifiedResult } from './result-image';

/** Maximum number of waiting pictures besides uploads. */
export const maxWaitingImages = 64;

/** `retryAfterSeconds` while too many pictures wait. */
const busySeconds = 5;

/** `retryAfterSeconds` while the installation lacks a decoder. */
const missingSeconds = 600;

/**
 * The semaphore for {@link ImageProcessor}.
 * @param width - maximum number of pictures processed concurrently: the number of cores
 * @param maxUploads - maximum number of concurrent uploads, all of which may wait
 */
export function createImageSemaphore(width: number, maxUploads = 0, weights?: OwnerWeights): Semaphore {
  return new Semaphore(width, maxWaitingImages + maxUploads, tooMany, weights);
}

/** Maximum number of HEIC photos that wait for their turn. */
const maxWaitingHeic = 1_000;

function tooMany(): DomainError {
  return new DomainError(
    'SERVICE_UNAVAILABLE',
    'Too many photos are being checked; send it again in a few seconds.',
    { details: { retryAfterSeconds: busySeconds } },
  );
}

function cannotDecode(cause: HeicDecoderMissing): DomainError {
  return new DomainError(
    'SERVICE_UNAVAILABLE',
    'The server cannot read HEIC photos at this time. The photo is not damaged: send it as JPEG, or again later.',
    { details: { retryAfterSeconds: missingSeconds }, cause },
  );
}

/** A picture that was decoded. */
export interface Decoding {
  readonly work: 'photo' | 'result' | 'rendition';
  /** `refused`: the picture cannot be used. */
  readonly outcome: 'ok' | 'refused' | 'failed';
  /** Without the time that it waited. */
  readonly seconds: number;
  /** Why it has failed: not because of the picture. */
  readonly error?: unknown;
}

/**
 * The only code that decodes pictures from outside: at most a fixed number concurrently, each within a time limit and
 * on one thread, outside the event loop. Owners are served round-robin. Pass paths or functions instead of buffers, so
 * that a file is read only when its processing starts.
 */
export class ImageProcessor {
  /**
   * One at a time, since each may need 400 MB for 25 million pixels. Photos wait for it before they take a place among all
   * pictures, which would have to wait for them otherwise.
   */
  private readonly heicTurns = new Semaphore(1, maxWaitingHeic, tooMany);

  constructor(
    private readonly gate: Semaphore,
    private readonly timeLimitSeconds = defaultTimeLimitSeconds,
    private readonly onDecoded: (decoding: Decoding) => void = () => undefined,
  ) {}

  /**
   * Runs {@link preparePhoto} within the concurrency limit.
   * @param owner - the owner of the photo, for the fair order
   * @throws PictureProblem, or DomainError SERVICE_UNAVAILABLE if too many are waiting, or if a decoder is missing
   */
  async prepare(source: PictureSource, owner?: string): Promise<PreparedPhoto> {
    const run = (decodesHeic: boolean): Promise<PreparedPhoto> =>
      this.decode('photo', owner, () => preparePhoto(source, this.timeLimitSeconds, decodesHeic));
    try {
      return await run(false);
    } catch (error) {
      if (!(error instanceof HeicWithoutTurn)) throw error;
      return this.heicTurns.run(() => run(true), { key: owner });
    }
  }

  /**
   * Runs {@link verifyResult} within the concurrency limit.
   * @param owner - the owner of the picture, for the fair order
   * @throws PictureProblem, or DomainError SERVICE_UNAVAILABLE if too many are waiting
   */
  verify(source: PictureSource, owner?: string): Promise<VerifiedResult> {
    return this.decode('result', owner, () => verifyResult(source, this.timeLimitSeconds));
  }

  /**
   * Runs {@link renderPicture} within the concurrency limit.
   * @param owner - the owner of the picture, for the fair order
   * @throws PictureProblem, or DomainError SERVICE_UNAVAILABLE if too many are waiting
   */
  render(source: PictureSource, spec: RenditionSpec, owner?: string): Promise<Buffer> {
    return this.decode('rendition', owner, () => renderPicture(source, spec, this.timeLimitSeconds));
  }

  private decode<Result>(
    work: Decoding['work'],
    owner: string | undefined,
    run: () => Promise<Result>,
  ): Promise<Result> {
    const measured = async (): Promise<Result> => {
      const startedMs = performance.now();
      let outcome: Decoding['outcome'] | null = 'failed';
      let failure: unknown;
      try {
        const result = await run();
        outcome = 'ok';
        return result;
      } catch (error) {
        if (error instanceof PictureProblem) outcome = 'refused';
        if (error instanceof HeicWithoutTurn) outcome = null;
        failure = error;
        throw error instanceof HeicDecoderMissing ? cannotDecode(error) : error;
      } finally {
        const seconds = (performance.now() - startedMs) / 1_000;
        if (outcome) this.onDecoded({ work, outcome, seconds, error: failure });
      }
    };
    return this.gate.run(() => traced(`decode ${work}`, {}, measured), { key: owner });
  }
}
