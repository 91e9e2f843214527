import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { StorageUnavailableError } from './media-store';

/**
 * Holds uploads on the disk while they come in and wait for their check, so that slow and many clients take no memory.
 * The files have no name: each is unlinked as soon as it is open, so that nothing of a photo is left behind when the
 * process ends, however it ends.
 */
export class UploadSpool {
  /** @param folder - made when it is first needed; may be shared by processes of one machine */
  constructor(private readonly folder: string) {}

  /** Opens one, and removes names that a process has left between opening and unlinking a file. They hold no bytes. */
  static async open(folder: string): Promise<UploadSpool> {
    await onDisk(async () => {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      for (const name of await readdir(folder)) await rm(join(folder, name), { force: true });
    });
    return new UploadSpool(folder);
  }

  /**
   * Gives `work` an empty file, and frees it afterwards.
   * @throws StorageUnavailableError, also out of the file's methods
   */
  async use<Result>(work: (file: SpooledUpload) => Promise<Result>): Promise<Result> {
    const handle = await onDisk(() => this.openNameless());
    try {
      return await work(new SpooledUpload(handle));
    } finally {
      await handle.close();
    }
  }

  private async openNameless(): Promise<FileHandle> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
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

  /** In bytes, so far. */
  get byteSize(): number {
    return this.size;
  }

  /** SHA-256 of all bytes, lower-case hex. Nothing can be written afterwards. */
  get sha256(): string {
    this.digest ??= this.hash.digest('hex');
    return this.digest;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.hash.update(chunk);
    for (let at = 0; at < chunk.length;) {
      const { bytesWritten } = await onDisk(() =>
        this.handle.write(chunk, at, chunk.length - at, this.size + at),
      );
      at += bytesWritten;
    }
    this.size += chunk.length;
  }

  /** All bytes. They are in memory from then on, so this is called when they are needed and not before. */
  async read(): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(this.size);
    for (let at = 0; at < bytes.length;) {
      const { bytesRead } = await onDisk(() => this.handle.read(bytes, at, bytes.length - at, at));
      if (bytesRead === 0) throw new StorageUnavailableError(new Error('A spooled upload was cut short.'));
      at += bytesRead;
    }
    return bytes;
  }
}

async function onDisk<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw new StorageUnavailableError(error);
  }
}
