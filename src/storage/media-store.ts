import type { Readable } from 'node:stream';
import { DomainError } from '../core/errors';

/** What was stored. */
export interface StoredObject {
  byteSize: number;
  /** SHA-256 of the bytes, lower-case hex. */
  sha256: string;
}

/**
 * A stored object opened for reading. `byteSize` is of the whole object, whatever range was asked for. The stream holds
 * a file or a connection: read it to its end or destroy it.
 */
export interface OpenObject {
  byteSize: number;
  stream: Readable;
}

/** Bytes `start` to `end`, both included. */
export interface ByteRange {
  start: number;
  end: number;
}

/**
 * Where pictures are kept: by key (`photos/<uuid>.jpg`, `avatars/<uuid>.png`), never by a name from outside.
 * One contract suite runs over every implementation.
 */
export interface MediaStore {
  /**
   * Stores the bytes durably: when this returns they survive a power cut, and until then nothing can be read.
   * Hashes while writing; a second put of the same key replaces the first whole.
   * @throws ObjectTooLargeError once `maxBytes` is passed; StorageUnavailableError; nothing is left behind
   */
  put(key: string, bytes: AsyncIterable<Uint8Array>, maxBytes: number): Promise<StoredObject>;
  /** @returns null if there is nothing under the key */
  open(key: string, range?: ByteRange): Promise<OpenObject | null>;
  /** Deleting what is not there is no error. Gone for good when this returns. */
  delete(key: string): Promise<void>;
  /**
   * Deletes many objects at a fraction of the cost of each alone. Never throws for a single key.
   * @returns the keys that could not be deleted, each with the reason; all others are gone for good
   */
  deleteMany(keys: readonly string[]): Promise<ReadonlyMap<string, unknown>>;
  /** Keys below a prefix that were written before `olderThanMs` ago, for the sweep of orphans; in no order. */
  list(prefix: string, olderThanMs: number): AsyncIterable<string>;
  /** Throws if the store cannot take bytes now; for readiness. */
  check(): Promise<void>;
}

/** All bytes of an opened object, which must be small enough for memory. */
export async function readObject({ stream }: OpenObject): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The bytes went past the limit. */
export class ObjectTooLargeError extends Error {
  constructor(readonly maxBytes: number) {
    super(`The object is larger than ${maxBytes} bytes.`);
    this.name = 'ObjectTooLargeError';
  }
}

/** The store cannot be used now: disk full, not mounted, not permitted, not reachable. `cause` says which. */
export class StorageUnavailableError extends DomainError {
  constructor(cause: unknown) {
    super('SERVICE_UNAVAILABLE', 'Pictures cannot be stored or read at the moment; try again in a minute.', {
      cause,
    });
    this.name = 'StorageUnavailableError';
  }
}
