import { DomainError } from '../core/errors';

/** @throws DomainError INVALID_INPUT if the moment has passed */
export function checkStartBy(startBy: Date | null): void {
  if (startBy === null || startBy.getTime() > Date.now()) return;
  throw new DomainError('INVALID_INPUT', 'startBy must be in the future. Omit it to wait without a limit.', {
    field: 'input.startBy',
  });
}
