import type { Readable } from 'node:stream';
import { DomainError } from '../core/errors';
import type { ObjectLinks } from './object-links';

/** The size and hash of a stored object. */
export interface StoredObject {
  byteSize: number;
  /** SHA-256 of the bytes, in lower-case hexadecimal. */
  sha256: string;
}

/** Bytes `start` to `end`, both inclusive. */
export interface ByteRange {
  start: number;
  end: number;
}

/** The bytes `start` to `end`, by default to the last one, or the last `suffix` bytes. */
export type RangeRequest = { start: number; end?: number } | { suffix: number };

/**
 * A stored object opened for reading. `byteSize` is the size of the whole object, also for a range. The stream
 * holds a file or a connection: read it to its end or destroy it.
 */
export interface OpenObject {
  byteSize: number;
  /** The bytes that the stream returns; null: none, since the object is empty or the range begins after its end. */
  part: ByteRange | null;
  stream: Readable;
}

/**
 * Stores pictures by key (`photos/<uuid>.jpg`, `avatars/<uuid>.png`), never by a client's name. One contract suite
 * runs against every implementation.
 */
export interface MediaStore {
  /** Absent if clients can reach the objects only through the gateway. */
  readonly links?: ObjectLinks;
  /**
   * Stores the bytes durably: when this returns they survive a power loss; before that nothing can be read. Hashes
   * while writing; a second put of the same key replaces the object atomically.
   * @throws ObjectTooLargeError if there are more than `maxBytes`; StorageUnavailableError; nothing is stored in
   * these cases
   */
  put(key: string, bytes: AsyncIterable<Uint8Array>, maxBytes: number): Promise<StoredObject>;
  /** @returns null if the key has no object */
  open(key: string, range?: RangeRequest): Promise<OpenObject | null>;
  /** Deletes durably. Idempotent. @throws StorageUnavailableError, also if the object is still there afterwards */
  delete(key: string): Promise<void>;
  /**
   * Deletes many objects with fewer syncs. Does not throw for single keys.
   * @param mayDelete - asked BEFORE each deletion; keys that it refuses are not deleted
   * @returns the keys that could not be deleted, each with its error; all others are deleted durably
   */
  deleteMany(keys: readonly string[], mayDelete?: () => boolean): Promise<ReadonlyMap<string, unknown>>;
  /**
   * Keys with a prefix that were written more than `olderThanMs` ago, for the sweep of orphans; unordered. With 0, all, also
   * if the clock of the store is ahead.
   */
  list(prefix: string, olderThanMs: number): AsyncIterable<string>;
  /** Removes what exited processes have not finished storing. */
  removeUnfinished(): Promise<void>;
  /** Throws if the store is not writable; for readiness. */
  check(): Promise<void>;
}

/** The bytes that a request selects from an object of the given size; null: none. */
export function partOf(byteSize: number, range: RangeRequest = { start: 0 }): ByteRange | null {
  const isSuffix = 'suffix' in range;
  const start = isSuffix ? Math.max(byteSize - range.suffix, 0) : range.start;
  const end = Math.min((isSuffix ? undefined : range.end) ?? Infinity, byteSize - 1);
  return start <= end ? { start, end } : null;
}

/** Reads all bytes of an opened object into memory. @throws StorageUnavailableError if they end early */
export function readObject({ stream }: OpenObject): Promise<Buffer> {
  return inStore(async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
    return Buffer.concat(chunks);
  });
}

/** The caller of `deleteMany` has refused a deletion. */
export class DeletionRefused extends Error {}

/** There were more bytes than the limit. */
export class ObjectTooLargeError extends Error {
  constructor(readonly maxBytes: number) {
    super(`The object is larger than ${maxBytes} bytes.`);
    this.name = 'ObjectTooLargeError';
  }
}

/**
 * The store is temporarily unavailable: disk full, not mounted, no permission, not reachable. `cause` has the
 * reason.
 */
export class StorageUnavailableError extends DomainError {
  constructor(
    cause: unknown,
    message = 'Pictures cannot be stored or read at the moment. Retry in a minute.',
  ) {
    super('SERVICE_UNAVAILABLE', message, { cause });
    this.name = 'StorageUnavailableError';
  }
}

/** Runs an operation of files or of a bucket. @throws StorageUnavailableError with its error as the cause */
export async function inStore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new StorageUnavailableError(error);
  }
}

const keyPattern =
  /^(?<folder>[a-z]{1,32})\/(?<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.[a-z0-9]{1,16}){0,3}$/;

/**
 * Parses `photos/<id>.jpg`, where the id is a UUID in lower case; null for an invalid key. A valid one never refers to a path outside its folder or to a file of the
 * store itself.
 */
export function readMediaKey(key: string): { folder: string; id: string } | null {
  const parts = keyPattern.exec(key)?.groups;
  return parts ? { folder: parts.folder!, id: parts.id! } : null;
}

/** The object with the id of the database that the store belongs to. It is not listed, since it is no media key. */
export const storeMarkerKey = '.store';

/** @throws Error unless it is a media key or that of the marker */
export function assertKey(key: string): void {
  if (key !== storeMarkerKey) partsOfKey(key);
}

/** Parses a key as {@link readMediaKey} does. @throws Error if it is invalid */
export function partsOfKey(key: string): { folder: string; id: string } {
  const parts = readMediaKey(key);
  if (!parts) throw new Error('A media key must have the form photos/<uuid>.jpg.');
  return parts;
}
