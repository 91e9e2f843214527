import { DomainError } from '../core/errors';

/** The place of a client that has not yet seen a whole snapshot: on resuming it is given the present anew. */
export const snapshotUnfinished = -1;

const cursorBytes = 24;

/**
 * Where a client stands in a stream, as an opaque word of 32 URL-safe characters. It holds the stream's id besides the
 * sequence, so that a cursor of one stream is never taken for a place in another.
 * @param sequence - the last event that the client was told of, or {@link snapshotUnfinished}
 */
export function encodeEventCursor(streamId: string, sequence: number): string {
  const bytes = Buffer.allocUnsafe(cursorBytes);
  bytes.write(streamId.replaceAll('-', ''), 0, 'hex');
  bytes.writeBigInt64BE(BigInt(sequence), 16);
  return bytes.toString('base64url');
}

/**
 * The sequence in a cursor made by {@link encodeEventCursor} for the same stream.
 * @throws DomainError INVALID_CURSOR, field `after`
 */
export function decodeEventCursor(cursor: string, streamId: string): number {
  const bytes = Buffer.from(cursor, 'base64url');
  // Node skips what is not base64url; only the word that we would write is taken.
  if (bytes.length !== cursorBytes || bytes.toString('base64url') !== cursor) throw invalidCursor();
  const sequence = Number(bytes.readBigInt64BE(16));
  if (!Number.isSafeInteger(sequence) || sequence < snapshotUnfinished) throw invalidCursor();
  if (bytes.toString('hex', 0, 16) !== streamId.replaceAll('-', '')) throw invalidCursor();
  return sequence;
}

/** The refusal of a cursor that names no place of the stream. */
export function invalidCursor(): DomainError {
  return new DomainError(
    'INVALID_CURSOR',
    'The cursor in `after` is not a cursor of this subscription. Send the last cursor that it gave, or leave `after` out to start with the present.',
    { field: 'after' },
  );
}
