import type { DataSubject } from '../core/data-subject';
import { mapIterator } from '../core/iterators';
import type { Sql } from '../core/sql';
import { eventsOf } from '../events/event-page.repository';
import { avatarKey } from '../generations/avatar.entity';
import { jobKinds } from '../generations/generation.kind';
import { bulkRetriesOf } from '../jobs/bulk-retry.repository';
import { attemptsOf } from '../jobs/ledger.repository';
import { timelinesOf } from '../jobs/timeline.repository';
import { openPhoto } from '../photos/open-photo';
import { openedFile, storedFile, throttled, watched } from '../storage/archive-files';
import type { MediaStore } from '../storage/media-store';
import type { ZipEntry } from '../storage/zip';
import {
  avatarFile,
  avatarRecord,
  generationRecord,
  modelRecord,
  photoFile,
  photoRecord,
} from './export-records';
import { accountSections, avatarsOf, generationsOf, modelsOf, photosOf } from './export.repository';

export interface ArchiveDeps {
  sql: Sql;
  media: Pick<MediaStore, 'open'>;
  /** Throws if the download must stop. Called about once a second, and at the end. */
  check: () => Promise<void>;
}

/** The format version of `data.json`. Incompatible changes increase it. */
const format = 'likeness-export/1';

/**
 * The files of an owner's archive, read while the archive is written. Memory holds at most a batch of rows and a chunk of
 * a picture.
 *
 * Consistency: rows created after the start are left out; rows deleted during the download may be included. `data.json`
 * comes last, so each avatar or photo in it was still present after its file was written. An archive that ends without
 * an error was read before any erasure.
 */
export async function* archiveOf(source: ArchiveDeps, subject: DataSubject): AsyncGenerator<ZipEntry> {
  const parts = { ...source, check: throttled(source.check) };
  const { sql, check } = parts;
  const at = { modifiedAt: new Date() };
  yield { ...at, path: 'README.txt', isCompressible: true, bytes: text([readme]) };
  for await (const photo of watched(photosOf(sql, subject), check)) {
    const path = photoFile(photo);
    const object = path && (await openPhoto(parts.media, photo));
    if (path && object) yield* openedFile(object, check, { path, modifiedAt: photo.createdAt });
  }
  for await (const avatar of watched(avatarsOf(sql, subject), check)) {
    if (avatar.damagedAt !== null) continue;
    const file = { path: avatarFile(avatar), modifiedAt: avatar.createdAt };
    yield* storedFile(parts, avatarKey(avatar), file);
  }
  yield { ...at, path: 'data.json', isCompressible: true, bytes: text(dataOf(parts, subject)) };
  // The last check may be a second old. Rows that were erased since are missing, and the archive must not end as complete.
  await source.check();
}

const readme = `This archive contains all data stored about you.

photos/    photos that are not deleted yet, as stored: reduced in size and without metadata
avatars/   your avatars
data.json  everything else, in these lists; times are in UTC:

models, generations  with prompts, consents, and how you asked for them to be queued
avatars, photos      with the names of their files in this archive
paidCalls            calls to the avatar service that were paid, or may have been
timelines            the steps of each model and generation
bulkRetries          which jobs a mutation has retried
events               changes, for clients that continue where they stopped
booked               trainings and avatars that count for daily quotas
ledger               money that was reserved, spent and released
erasedSpending       what was spent this month before you deleted your data
audit                paid and deleting mutations, exports, API keys
idempotencyKeys      which requests must not be executed twice
downloads            archives of avatars that you asked for
notices              messages to you
clientTokens         tokens for browsers, without their secrets
webhooks             where your events are sent, without the secrets
webhookDeliveries    what was sent, and the answers
apiKeys              without their secrets
`;

/** All data as JSON, one row per line. */
async function* dataOf({ sql, check }: ArchiveDeps, subject: DataSubject): AsyncGenerator<string> {
  const sections: Record<string, AsyncIterable<object>> = {
    models: mapIterator(modelsOf(sql, subject), modelRecord),
    generations: mapIterator(generationsOf(sql, subject), generationRecord),
    avatars: mapIterator(avatarsOf(sql, subject), avatarRecord),
    photos: mapIterator(photosOf(sql, subject), photoRecord),
    paidCalls: attemptsOf(sql, jobKinds, subject),
    timelines: timelinesOf(sql, jobKinds, subject),
    bulkRetries: bulkRetriesOf(sql, subject),
    events: eventsOf(sql, subject),
    ...accountSections(sql, subject),
  };
  yield `{\n"format": ${JSON.stringify(format)},\n"owner": ${JSON.stringify(subject.owner)},\n"until": ${JSON.stringify(subject.until)}`;
  for (const [name, rows] of Object.entries(sections)) {
    yield `,\n${JSON.stringify(name)}: [`;
    let separator = '\n';
    for await (const row of watched(rows, check)) {
      yield `${separator}${JSON.stringify(row)}`;
      separator = ',\n';
    }
    yield '\n]';
  }
  yield '\n}\n';
}

async function* text(parts: AsyncIterable<string> | Iterable<string>): AsyncGenerator<Buffer> {
  for await (const part of parts) yield Buffer.from(part);
}
