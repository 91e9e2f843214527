import { DomainError } from '../core/errors';
import { Gate } from '../core/gate';
import { preparePhoto, type PreparedPhoto } from './picture';
import { defaultTimeLimitSeconds, type PictureSource } from './picture-decoding';
import { verifyResult, type VerifiedResult } from './result-picture';

/** How many pictures may wait for a place in the workshop. */
export const workshopQueue = 64;

/**
 * The gate for a {@link PictureWorkshop}.
 * @param width - pictures worked on at once; the number of cores, so that the API keeps its share of each
 */
export function createWorkshopGate(width: number): Gate {
  return new Gate(
    width,
    workshopQueue,
    () =>
      new DomainError(
        'SERVICE_UNAVAILABLE',
        'Too many photos are being checked; send it again in a few seconds.',
      ),
  );
}

/**
 * The one place where strangers' pictures are decoded: a bounded number at once, each within a time limit, on one
 * thread each, beside the event loop. Give paths rather than buffers: a file is read only when its turn has come.
 */
export class PictureWorkshop {
  constructor(
    private readonly gate: Gate,
    private readonly timeLimitSeconds = defaultTimeLimitSeconds,
  ) {}

  /**
   * {@link preparePhoto} when there is a place.
   * @throws PictureProblem, or DomainError SERVICE_UNAVAILABLE when too many are waiting
   */
  prepare(source: PictureSource): Promise<PreparedPhoto> {
    return this.gate.run(() => preparePhoto(source, this.timeLimitSeconds));
  }

  /**
   * {@link verifyResult} when there is a place.
   * @throws PictureProblem, or DomainError SERVICE_UNAVAILABLE when too many are waiting
   */
  verify(source: PictureSource): Promise<VerifiedResult> {
    return this.gate.run(() => verifyResult(source, this.timeLimitSeconds));
  }
}
