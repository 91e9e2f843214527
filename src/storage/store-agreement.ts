import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Logger } from '../core/logger';
import type { Sql, Transactions } from '../core/sql';
import { inStore, type MediaStore, readObject, StorageUnavailableError, storeMarkerKey } from './media-store';
import {
  createStoreId,
  findNewestKeys,
  lockStoreRecord,
  readStoreRecord,
  recordStore,
  type StoreRecord,
} from './store-agreement.repository';

type Store = Pick<MediaStore, 'open' | 'put' | 'delete'>;

/** More of a marker is not read, in bytes. */
const maxMarkerBytes = 64;

/**
 * - `SAME`: the store has the id of the database
 * - `NEW`: it may get it: no store has it yet, or the newest pictures are in this one, as after a move or a restore
 * - `OTHER`: the pictures are in another store, or this one belongs to another database
 */
export type StoreRelation = 'SAME' | 'NEW' | 'OTHER';

/** What {@link compareStore} has found. */
export interface StoreComparison {
  readonly relation: StoreRelation;
  readonly marker: string | null;
  /** Whether the newest pictures and photos of the database are in the store. False without pictures and photos. */
  readonly hasNewest: boolean;
}

/**
 * Compares the store with the database, and changes nothing.
 * @throws StorageUnavailableError
 */
export async function compareStore(sql: Sql, store: Store): Promise<StoreComparison> {
  // In this order: another process writes the marker before the record.
  const record = await readStoreRecord(sql);
  const marker = await readMarker(store);
  const hasNewest = marker !== record.id && (await holdsNewest(sql, store));
  return { relation: relate(record, marker, hasNewest), marker, hasNewest };
}

function relate({ id, isMarked }: StoreRecord, marker: string | null, hasNewest: boolean): StoreRelation {
  if (marker === id) return isMarked ? 'SAME' : 'NEW';
  // An installation of an earlier version is accepted as it is.
  return (marker === null && !isMarked) || hasNewest ? 'NEW' : 'OTHER';
}

/** Whether it gets the id of the database. Pictures that were copied have left another store, which must be refused from now on. */
function isOfDatabase({ id, isMarked }: StoreRecord, marker: string | null): boolean {
  return marker === id || !isMarked;
}

async function holdsNewest(sql: Sql, store: Store): Promise<boolean> {
  const keys = await findNewestKeys(sql);
  const parts = await Promise.all(keys.map((key) => readPart(store, key, 1)));
  return keys.length > 0 && !parts.includes(null);
}

async function readMarker(store: Store): Promise<string | null> {
  return (await readPart(store, storeMarkerKey, maxMarkerBytes))?.toString().trim() ?? null;
}

/** The first bytes of an object; null if it does not exist. */
async function readPart(store: Store, key: string, byteSize: number): Promise<Buffer | null> {
  const object = await store.open(key, { start: 0, end: byteSize - 1 });
  return object && readObject(object);
}

async function writeMarker(store: Store, id: string): Promise<void> {
  await store.put(storeMarkerKey, Readable.from([Buffer.from(id)]), maxMarkerBytes);
}

/**
 * Makes sure that the store is that of the database, and marks a new one.
 * @param name - names the store at the beginning of a message
 * @throws Error with advice if it is another one; StorageUnavailableError
 */
async function agreeOnStore(database: Transactions, store: Store, name: string): Promise<void> {
  const found = await compareStore(database, store);
  if (found.relation === 'SAME') return;
  // Before the marker has it, so that a start that ends in between can be repeated.
  await createStoreId(database);
  // Only one of several new stores becomes that of the database.
  await changeRecord(database, async (sql, record) => {
    const marker = await readMarker(store);
    if (relate(record, marker, found.hasNewest) === 'OTHER') return mismatch(name, marker);
    const id = isOfDatabase(record, marker) ? record.id! : randomUUID();
    await writeMarker(store, id);
    await recordStore(sql, id);
    return null;
  });
}

function mismatch(name: string, marker: string | null): Error {
  const { problem, cure } = describeMismatch(marker);
  return new Error(`${name} ${problem}. ${cure}`);
}

/** What is wrong with a store that is not that of the database, and what to do. */
export function describeMismatch(marker: string | null): { problem: string; cure: string } {
  const problem =
    marker === null
      ? 'is not the store of this database, whose pictures are in another one'
      : 'is that of another database, or was replaced by another store; pictures that this database does not know would be deleted';
  const cure =
    'Give all processes of a database the same S3_BUCKET and S3_ENDPOINT, or the same folder as DATA_DIR/media. ' +
    '`likeness media move` moves pictures to another store. If this is the right store, such as after the loss of the ' +
    'former one, run `likeness media adopt` with the settings of this process.';
  return { problem, cure };
}

/**
 * Makes the store that of the database, with a new id, so that the former one is refused from now on.
 * @param name - names the store in a message
 * @throws Error with advice if another process has changed the store of the database meanwhile; StorageUnavailableError
 */
export async function adoptStore(database: Transactions, store: Store, name: string): Promise<void> {
  const before = await readStoreRecord(database);
  await changeRecord(database, async (sql, record) => {
    if (record.id !== before.id) return changedMeanwhile(name);
    const id = randomUUID();
    await writeMarker(store, id);
    await recordStore(sql, id);
    return null;
  });
}

function changedMeanwhile(name: string): Error {
  return new Error(
    `Another process has just changed the store of this database, so nothing was changed. If ${name} is the right store, run the command again.`,
  );
}

/** A store with its name in messages. */
export interface NamedStore {
  readonly store: Store;
  readonly name: string;
}

/**
 * Makes sure that pictures may be deleted from the first store once they are in the other one.
 * @throws Error with advice if the first one is not the store of the database; StorageUnavailableError
 */
export async function checkMove(sql: Sql, from: NamedStore, to: NamedStore): Promise<void> {
  const { relation, marker } = await compareStore(sql, from.store);
  if (relation === 'SAME') return;
  const { id } = await readStoreRecord(sql);
  if (id !== null && (await readMarker(to.store)) === id) {
    throw new Error(
      `${to.name} is already the store of this database. Leave out --delete to copy what it lacks, and delete the former store yourself.`,
    );
  }
  if (relation === 'OTHER') {
    throw new Error(
      `${from.name} ${describeMismatch(marker).problem}. Leave out --delete to copy its pictures, or move those of the store of this database.`,
    );
  }
}

/** Moves the marker, after all pictures were moved. One that the other store has got from the database meanwhile is kept. */
export async function moveMarker(database: Transactions, from: Store, to: Store): Promise<void> {
  await changeRecord(database, async (_, record) => {
    const marker = await readMarker(from);
    if (marker === null) return null;
    if ((await readMarker(to)) !== record.id) await writeMarker(to, marker);
    await from.delete(storeMarkerKey);
    return null;
  });
}

/**
 * Runs `change` while the record is locked, so that only one process at a time changes which store is that of the database. What
 * is done in a store can be repeated.
 * @param change - returns an error to be thrown
 */
async function changeRecord(
  database: Transactions,
  change: (sql: Sql, record: StoreRecord) => Promise<Error | null>,
): Promise<void> {
  const failure = await database.transaction(async (sql) => {
    try {
      return await change(sql, await lockStoreRecord(sql));
    } catch (error) {
      // Thrown in a transaction, it would count as an outage of the database.
      if (error instanceof StorageUnavailableError) return error;
      throw error;
    }
  });
  if (failure) throw failure;
}

/** What {@link StoreAgreement} needs. */
export interface StoreAgreementDeps {
  readonly database: Transactions;
  readonly store: Store & Pick<MediaStore, 'links'>;
  /** Names the store at the beginning of a message. */
  readonly name: string;
  readonly logger: Logger;
}

/** Makes sure that the store of this process is that of its database, once. */
export class StoreAgreement {
  private isReached = false;
  /** That of the last comparison. */
  private marker: string | null = null;
  private isReported = false;

  constructor(private readonly deps: StoreAgreementDeps) {}

  /**
   * Call it at the start, and again for readiness: while the store is unavailable, it returns, and the next call tries again.
   * @throws Error with advice if it is another store
   */
  async check(): Promise<void> {
    if (this.isReached) return;
    const { database, store, name, logger } = this.deps;
    try {
      await agreeOnStore(database, store, name);
      this.isReached = true;
    } catch (error) {
      if (!(error instanceof StorageUnavailableError)) throw error;
      if (!this.isReported)
        logger.warn({ err: error }, 'the store of pictures could not be compared with the database yet');
      this.isReported = true;
    }
  }

  /**
   * For what stores pictures: the other processes could not read them in another store. Compares once, and again when another
   * disk has been mounted in the place of the first one.
   * @throws StorageUnavailableError unless it is known that the store is that of the database
   */
  async requireForPut(): Promise<void> {
    await this.requireOnce();
    const { store } = this.deps;
    if (store.links === undefined && (await readMarker(store)) !== this.marker)
      await inStore(() => this.require());
  }

  private async requireOnce(): Promise<void> {
    await inStore(() => this.check());
    if (!this.isReached) throw new StorageUnavailableError(new Error('It is not known whose store it is.'));
  }

  /**
   * For what destroys pictures of another database or store. Compares each time: since the start, another store may have
   * become that of the database, or this one that of another database.
   * @throws Error with advice if it is another store; StorageUnavailableError
   */
  async require(): Promise<void> {
    await this.requireOnce();
    const { database, store, name } = this.deps;
    const { relation, marker } = await compareStore(database, store);
    if (relation !== 'SAME') throw mismatch(name, marker);
    this.marker = marker;
  }
}
