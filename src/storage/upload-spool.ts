import { createHash, randomUUID } from 'node:crypto';
import { open, readdir, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { createFolder } from '../core/folders';
import { inStore, StorageUnavailableError } from './media-store';

/**
 * Stores uploads on disk while they arrive and wait for their check, so that many slow clients use no memory. Each
 * file is unlinked as soon as it is open, so that no photo is left behind when the process ends, even by a crash.
 */
export class UploadSpool {
  /** @param folder - created when first needed; may be shared by processes of one machine */
  constructor(private readonly folder: string) {}

  /** Opens a spool, and removes empty files of processes that ended between opening and unlinking one. */
  static async open(folder: string): Promise<UploadSpool> {
    await inStore(async () => {
      await createFolder(folder);
      for (const name of await readdir(folder)) await rm(join(folder, name), { force: true });
    });
    return new UploadSpool(folder);
  }

  /**
   * Passes an empty file to `work`, and closes it afterwards.
   * @throws StorageUnavailableError, also from the file's methods
   */
  async use<Result>(work: (file: SpooledUpload) => Promise<Result>): Promise<Result> {
    const handle = await inStore(() => this.openNameless());
    try {
      return await work(new SpooledUpload(handle));
    } finally {
      await handle.close();
    }
  }

  private async openNameless(): Promise<FileHandle> {
    await createFolder(this.folder);
    const path = join(this.folder, randomUUID());
    const handle = await open(path, 'wx+', 0o600);
    await rm(path, { force: true });
    return handle;
  }
}

/** The bytes of one upload. */
export class SpooledUpload {
  private readonly hash = createHash('sha256');
  private digest: string | null = null;
  private size = 0;

  constructor(private readonly handle: FileHandle) {}

  /** The number of bytes written so far. */
  get byteSize(): number {
    return this.size;
  }

  /** SHA-256 of all bytes, in lower-case hexadecimal. No writes are allowed after this. */
  get sha256(): string {
    this.digest ??= this.hash.digest('hex');
    return this.digest;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.hash.update(chunk);
    for (let at = 0; at < chunk.length;) {
      const { bytesWritten } = await inStore(() =>
        this.handle.write(chunk, at, chunk.length - at, this.size + at),
      );
      at += bytesWritten;
    }
    this.size += chunk.length;
  }

  /** Reads all bytes into memory. */
  async read(): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(this.size);
    for (let at = 0; at < bytes.length;) {
      const { bytesRead } = await inStore(() => this.handle.read(bytes, at, bytes.length - at, at));
      if (bytesRead === 0) throw new StorageUnavailableError(new Error('A spooled upload is truncated.'));
      at += bytesRead;
    }
    return bytes;
  }
}
