import { DomainError } from '../core/errors';

/** The sequence in cursors of incomplete snapshots: resuming from them sends a new snapshot. */
export const incompleteSnapshot = -1;

const cursorBytes = 24;

/**
 * An opaque cursor of 32 URL-safe characters. It contains the stream's id and the sequence, so that a cursor of one
 * stream is not valid for another.
 * @param sequence - the last event sent to the client, or {@link incompleteSnapshot}
 */
export function encodeEventCursor(streamId: string, sequence: number): string {
  const bytes = Buffer.allocUnsafe(cursorBytes);
  bytes.write(streamId.replaceAll('-', ''), 0, 'hex');
  bytes.writeBigInt64BE(BigInt(sequence), 16);
  return bytes.toString('base64url');
}

/**
 * Decodes a cursor of {@link encodeEventCursor} for the same stream.
 * @throws DomainError INVALID_CURSOR, field `after`
 */
export function decodeEventCursor(cursor: string, streamId: string): number {
  const bytes = Buffer.from(cursor, 'base64url');
  // Node ignores characters that are not base64url; only the canonical encoding is accepted.
  if (bytes.length !== cursorBytes || bytes.toString('base64url') !== cursor) throw invalidCursor();
  const sequence = Number(bytes.readBigInt64BE(16));
  if (!Number.isSafeInteger(sequence) || sequence < incompleteSnapshot) throw invalidCursor();
  if (bytes.toString('hex', 0, 16) !== streamId.replaceAll('-', '')) throw invalidCursor();
  return sequence;
}

/** The error for a cursor that does not belong to the stream. */
export function invalidCursor(): DomainError {
  return new DomainError(
    'INVALID_CURSOR',
    'The cursor in `after` is not a cursor of this subscription. Send the last cursor received, or omit `after` to start with the current state.',
    { field: 'after' },
  );
}
