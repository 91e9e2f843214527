import type { Person } from '../core/person';
import type { Sql } from '../core/sql';
import { eventsOf } from '../events/personal-events';
import { attemptsOf } from '../jobs/submission.ledger';
import type { OpenObject } from '../storage/media-store';
import type { PersonalData } from './erasure-steps';
import type { ZipEntry } from './zip';

/** What an archive is made of. */
export interface ArchiveDeps {
  sql: Sql;
  data: PersonalData;
  /** Throws if the archive must not be sent any longer. Called once a second. */
  check: () => Promise<void>;
}

/** The form of `data.json`; another number where a reader would not understand it any more. */
const format = 'likeness-export/1';

/** How often it is checked whether the archive may go on, in milliseconds. */
const checkEveryMs = 1_000;

/**
 * A person's archive, file by file, read while it is written: at no time is more of it in memory than a portion of rows
 * and a piece of a picture.
 *
 * It is as consistent as something can be that changes meanwhile: what was made after the beginning is left out; what is
 * deleted meanwhile may be there or not; and `data.json` comes last, so that what it names was there after its picture.
 */
export async function* archiveOf(source: ArchiveDeps, person: Person): AsyncGenerator<ZipEntry> {
  const parts = { ...source, check: rarely(source.check) };
  const { sql, data, check } = parts;
  const { photos, avatars } = data;
  const at = { modifiedAt: new Date() };
  yield { ...at, path: 'README.txt', isPackable: true, bytes: text([readme]) };
  for await (const photo of watched(photos.list(sql, person), check)) {
    const path = photos.fileOf(photo);
    if (path !== null) yield* picture({ path, modifiedAt: photo.createdAt }, photos.open(photo), check);
  }
  for await (const avatar of watched(avatars.list(sql, person), check)) {
    const path = avatars.fileOf(avatar);
    yield* picture({ path, modifiedAt: avatar.createdAt }, avatars.open(avatar), check);
  }
  yield { ...at, path: 'data.json', isPackable: true, bytes: text(dataOf(parts, person)) };
}

/** None if its bytes have gone meanwhile. */
async function* picture(
  file: Pick<ZipEntry, 'path' | 'modifiedAt'>,
  opening: Promise<OpenObject | null>,
  check: () => Promise<void>,
): AsyncGenerator<ZipEntry> {
  const object = await opening;
  if (!object) return;
  try {
    yield { ...file, isPackable: false, bytes: watched(object.stream, check) };
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
async function* dataOf({ sql, data, check }: ArchiveDeps, person: Person): AsyncGenerator<string> {
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
    for await (const row of watched(rows, check)) {
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

/** Checks before each item. */
async function* watched<Item>(items: AsyncIterable<Item>, check: () => Promise<void>): AsyncGenerator<Item> {
  for await (const item of items) {
    await check();
    yield item;
  }
}

/** Makes a check cheap enough to stand before every row and piece of a picture: it is carried out once a second. */
function rarely(check: () => Promise<void>): () => Promise<void> {
  let dueMs = 0;
  return async () => {
    if (performance.now() < dueMs) return;
    await check();
    dueMs = performance.now() + checkEveryMs;
  };
}

async function* text(parts: AsyncIterable<string> | Iterable<string>): AsyncGenerator<Buffer> {
  for await (const part of parts) yield Buffer.from(part);
}
