import type { Person } from '../core/person';
import type { Sql } from '../core/sql';
import { eventsOf } from '../events/personal-events';
import type { AvatarEntity } from '../generations/avatar.entity';
import { attemptsOf } from '../jobs/submission.ledger';
import type { PhotoEntity } from '../photos/photo.entity';
import type { OpenObject } from '../storage/media-store';
import type { PersonalData } from './erasure-steps';
import type { ZipEntry } from './zip';

/** What an archive is made of. */
export interface ArchiveParts {
  sql: Sql;
  data: PersonalData;
  /** Throws if the archive must not be made any more. Asked again and again. */
  check: () => Promise<unknown>;
}

/** The form of `data.json`; another number where a reader would not understand it any more. */
const format = 'likeness-export/1';

/** After how many pictures, and rows, it is asked whether the archive may go on. */
const picturesPerCheck = 1;
const rowsPerCheck = 500;

/**
 * A person's archive, file by file, read while it is written: at no time is more of it in memory than a portion of rows
 * and a piece of a picture.
 *
 * It is as consistent as something can be that changes meanwhile: what was made after the beginning is left out; what is
 * deleted meanwhile may be there or not; and `data.json` comes last, so that what it names was there after its picture.
 */
export async function* archiveOf(parts: ArchiveParts, person: Person): AsyncGenerator<ZipEntry> {
  const { sql, data } = parts;
  const { photos, avatars } = data;
  const at = { modifiedAt: new Date() };
  yield { ...at, path: 'README.txt', isPackable: true, bytes: text([readme]) };
  for await (const photo of watched(photos.list(sql, person), picturesPerCheck, parts.check)) {
    const path = photos.fileOf(photo);
    if (path !== null) yield* picture(path, photo, photos.open(photo));
  }
  for await (const avatar of watched(avatars.list(sql, person), picturesPerCheck, parts.check)) {
    yield* picture(avatars.fileOf(avatar), avatar, avatars.open(avatar));
  }
  yield { ...at, path: 'data.json', isPackable: true, bytes: text(dataOf(parts, person)) };
}

/** None if its bytes have gone meanwhile. */
async function* picture(
  path: string,
  { createdAt }: Pick<PhotoEntity | AvatarEntity, 'createdAt'>,
  opening: Promise<OpenObject | null>,
): AsyncGenerator<ZipEntry> {
  const object = await opening;
  if (!object) return;
  try {
    yield { path, modifiedAt: createdAt, isPackable: false, bytes: object.stream };
  } finally {
    // It was not read to its end if the client has left.
    object.stream.destroy();
  }
}

const readme = `This archive holds everything that is kept of you.

data.json  all data: models, generations and what they were asked for, avatars, photos, events, consents, usage,
           and what was done in your name; times are UTC
photos/    the photos that are not deleted yet, as they are kept: without metadata, reduced
avatars/   your avatars, as they were made
`;

/** All data as JSON, a row on a line. */
async function* dataOf({ sql, data, check }: ArchiveParts, person: Person): AsyncGenerator<string> {
  const { account, photos, models, generations, avatars } = data;
  const sections: Record<string, AsyncIterable<object>> = {
    models: mapped(models.list(sql, person), (row) => models.recordOf(row)),
    generations: mapped(generations.list(sql, person), (row) => generations.recordOf(row)),
    avatars: mapped(avatars.list(sql, person), (row) => avatars.recordOf(row)),
    photos: mapped(photos.list(sql, person), (row) => photos.recordOf(row)),
    paidCalls: attemptsOf(sql, person),
    events: eventsOf(sql, person),
    booked: account.bookings(sql, person),
    audit: account.audit(sql, person),
    idempotencyKeys: account.keys(sql, person),
    apiKeys: account.apiKeys(sql, person),
  };
  yield `{\n"format": ${JSON.stringify(format)},\n"owner": ${JSON.stringify(person.owner)},\n"until": ${JSON.stringify(person.until)}`;
  for (const [name, rows] of Object.entries(sections)) {
    yield `,\n${JSON.stringify(name)}: [`;
    let separator = '\n';
    for await (const row of watched(rows, rowsPerCheck, check)) {
      yield `${separator}${JSON.stringify(row)}`;
      separator = ',\n';
    }
    yield '\n]';
  }
  yield '\n}\n';
}

async function* mapped<Row>(
  rows: AsyncIterable<Row>,
  recordOf: (row: Row) => object,
): AsyncGenerator<object> {
  for await (const row of rows) yield recordOf(row);
}

/** Asks before the first item and after every so many. */
async function* watched<Item>(
  items: AsyncIterable<Item>,
  every: number,
  check: () => Promise<unknown>,
): AsyncGenerator<Item> {
  let count = 0;
  for await (const item of items) {
    if (count % every === 0) await check();
    count += 1;
    yield item;
  }
}

async function* text(parts: AsyncIterable<string> | Iterable<string>): AsyncGenerator<Buffer> {
  for await (const part of parts) yield Buffer.from(part);
}
