import { DomainError } from '../core/errors';
import type { Sql } from '../core/sql';
import { requestCheck } from './avatar-check.repository';
import type { AvatarBytes } from './avatar.entity';

/**
 * Requests a check of an avatar whose stored bytes are missing or changed.
 * @returns the error to respond with
 */
export async function reportDamage(sql: Sql, avatar: AvatarBytes): Promise<DomainError> {
  return (await requestCheck(sql, avatar)) ? damagedAvatar(true) : deletedAvatar();
}

/** The stored bytes of a picture are missing or changed. */
export class DamagedAvatarError extends DomainError {}

/** The error of a request for an avatar that no longer exists. */
export function deletedAvatar(): DomainError {
  return new DomainError('NOT_FOUND', 'The avatar has been deleted.');
}

/**
 * The error of a request for a damaged picture.
 * @param isRepaired - whether the picture is checked or fetched again
 */
export function damagedAvatar(isRepaired: boolean): DomainError {
  return isRepaired
    ? new DamagedAvatarError('SERVICE_UNAVAILABLE', 'The picture is being checked. Retry in a minute.')
    : new DamagedAvatarError(
        'NOT_FOUND',
        'The stored picture is damaged, and the avatar service no longer has it. The operator may have a backup.',
      );
}
