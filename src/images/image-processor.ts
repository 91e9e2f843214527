import { DomainError } from '../core/errors';
import { Semaphore } from '../core/semaphore';
import { defaultTimeLimitSeconds, type PictureSource } from './decoding';
import { preparePhoto, type PreparedPhoto } from './photo-image';
import { verifyResult, type VerifiedResult } from './result-image';

/** How many pictures besides uploads may wait for a place in the workshop. */
export const workshopQueue = 64;

/**
 * The gate for a {@link ImageProcessor}.
 * @param width - pictures worked on at once; the number of cores, so that the API keeps its share of each
 * @param maxUploads - how many uploads there may be at once, each of which finds a place in the queue
 */
export function createWorkshopGate(width: number, maxUploads = 0): Semaphore {
  return new Semaphore(
    width,
    workshopQueue + maxUploads,
    () =>
      new DomainError(
        'SERVICE_UNAVAILABLE',
        'Too many photos are being checked; send it again in a few seconds.',
      ),
  );
}

/**
 * The one place where strangers' pictures are decoded: a bounded number at once, each within a time limit, on one
 * thread each, beside the event loop. Owners are served in turn. Give paths or functions rather than buffers: a file is
 * read only when its turn has come.
 */
export class ImageProcessor {
  constructor(
    private readonly gate: Semaphore,
    private readonly timeLimitSeconds = defaultTimeLimitSeconds,
  ) {}

  /**
   * {@link preparePhoto} when there is a place.
   * @param owner - whose photo it is
   * @throws PictureProblem, or DomainError SERVICE_UNAVAILABLE when too many are waiting
   */
  prepare(source: PictureSource, owner?: string): Promise<PreparedPhoto> {
    return this.gate.run(() => preparePhoto(source, this.timeLimitSeconds), owner);
  }

  /**
   * {@link verifyResult} when there is a place.
   * @throws PictureProblem, or DomainError SERVICE_UNAVAILABLE when too many are waiting
   */
  verify(source: PictureSource): Promise<VerifiedResult> {
    return this.gate.run(() => verifyResult(source, this.timeLimitSeconds));
  }
}
