import { DomainError } from './errors';

/** The length of a cursor of events, in bytes: the UUID of a stream, and a sequence of 8 bytes. */
export const cursorBytes = 24;

/** The least sequence in a cursor. */
export const minSequence = -1;

/** What the text of a cursor contains; null for another text. The stream is hexadecimal, without dashes. */
export function readEventCursor(cursor: string): { stream: string; sequence: number } | null {
  const bytes = Buffer.from(cursor, 'base64url');
  // Node ignores characters that are not base64url; only the canonical encoding is accepted.
  if (bytes.length !== cursorBytes || bytes.toString('base64url') !== cursor) return null;
  const sequence = Number(bytes.readBigInt64BE(16));
  if (!Number.isSafeInteger(sequence) || sequence < minSequence) return null;
  return { stream: bytes.toString('hex', 0, 16), sequence };
}

/** The error for a cursor that is not one of the job that is waited for. */
export function notOfThisJob(): DomainError {
  return new DomainError(
    'INVALID_CURSOR',
    'The cursor in `after` is not a cursor of this job. Send the `cursor` that you have read from it, or omit `after` to wait for its next change.',
    { field: 'after' },
  );
}

/** The error for a cursor of the job that is waited for, beyond its last event: the database has lost events. */
export function aheadOfThisJob(): DomainError {
  return new DomainError(
    'INVALID_CURSOR',
    'The cursor in `after` is ahead of this job: the server has lost events, such as in a failover of its database. Read the job without `after`, and continue with its `cursor`.',
    { field: 'after' },
  );
}
