import { createHash } from 'node:crypto';
import { ObjectTooLargeError, type StoredObject } from './media-store';

/** Bytes that are measured while they are read. */
export class MeasuredSource {
  private readonly hash = createHash('sha256');
  private byteSize = 0;
  private failure: { readonly error: unknown } | null = null;
  /** Whether the reader has a chunk: an error is then its own. */
  private isRead = false;

  constructor(
    private readonly bytes: AsyncIterable<Uint8Array>,
    private readonly maxBytes: number,
  ) {}

  /** When all chunks have been read. */
  get stored(): StoredObject {
    return { byteSize: this.byteSize, sha256: this.hash.digest('hex') };
  }

  /** @throws the error of the source, or ObjectTooLargeError, if that ended it */
  rethrow(): void {
    if (this.failure) throw this.failure.error;
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of this.bytes) {
        this.byteSize += chunk.length;
        if (this.byteSize > this.maxBytes) throw new ObjectTooLargeError(this.maxBytes);
        this.hash.update(chunk);
        this.isRead = true;
        yield chunk;
        this.isRead = false;
      }
    } catch (error) {
      if (!this.isRead) this.failure = { error };
      throw error;
    }
  }
}
