import { DomainError } from '../core/errors';
import type { Transfer } from '../core/transfer';
import type { TransferErrors } from '../core/transfer-slots';

/** An archive during its download. */
export interface Archive {
  fileName: string;
  bytes: AsyncIterable<Uint8Array>;
  /** The sender must stop when its signal is aborted. */
  transfer: Transfer;
}

/** `retryAfterSeconds` of refused downloads. */
const busySeconds = 30;

/** The errors of downloads of archives. */
export const archiveTransferErrors: TransferErrors = {
  tooSlow: () => new DomainError('TIMEOUT', 'The archive was read too slowly. Download it again.'),
  ownerFull: () => busy('Your archive is already being downloaded.'),
  full: () => busy('Too many archives are being downloaded.'),
  displaced: () => busy('Too many archives are being downloaded, and this one was read most slowly.'),
};

function busy(why: string): DomainError {
  return new DomainError('SERVICE_UNAVAILABLE', `${why} Retry in ${busySeconds} seconds.`, {
    details: { retryAfterSeconds: busySeconds },
  });
}
