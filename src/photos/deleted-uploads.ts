import { findDeletedPhotos } from '../accounts/audit.repository';
import { durationUnits, timeText } from '../core/clock';
import { firstIdAt, fromGlobalId, timeOfId, toGlobalId } from '../core/ids';
import type { Sql } from '../core/sql';
import { photoUrlMs } from './photo-urls';

/** The global ids of deleted photos whose upload URLs are valid: files that are sent there are in the bucket for an hour. */
export function findWithUrl(sql: Sql, owner: string): Promise<string[]> {
  const after = toGlobalId('Photo', firstIdAt(Date.now() - photoUrlMs));
  return findDeletedPhotos(sql, owner, { sinceMs: 2 * photoUrlMs, after });
}

/** When the upload URL of a photo ends, to the next minute. */
export function endOfUrl(globalId: string): string {
  const createdMs = timeOfId(fromGlobalId('Photo', globalId));
  return timeText(new Date(createdMs + photoUrlMs + durationUnits.m));
}
