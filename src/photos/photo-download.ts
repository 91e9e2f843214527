import { OwnerShares } from '../core/owner-shares';
import { type Downloads, SlowHosts } from '../upstream/downloads';
import { DownloadDeferred } from '../upstream/name-resolution';

/** Maximum duration of one download, in milliseconds, from DNS resolution to the last byte. */
const downloadMs = 30_000;

/** The memory for downloads, as a number of photos of maximum size. */
const maxLargest = 12;

/** A host that takes longer than `slowMs` for a photo gets at most `maxDownloads`. */
const slowHosts = { slowMs: 5_000, maxDownloads: 4 };

/**
 * Downloads photos into memory. Memory is allocated as bytes arrive and, like the slots, shared fairly between
 * owners. A photo that does not fit is aborted and its memory released, so that downloads never wait for each
 * other.
 */
export class PhotoDownload {
  private readonly memory: OwnerShares;
  private readonly hosts = new SlowHosts(slowHosts);

  constructor(
    private readonly downloads: Pick<Downloads, 'photo'>,
    private readonly maxBytes: number,
  ) {
    this.memory = new OwnerShares(maxLargest * maxBytes);
  }

  /**
   * Downloads the photo and passes its bytes to `use`. Their memory is released when `use` has ended.
   * @throws DownloadError, DownloadDeferred, or what `use` throws
   */
  async run<Result>(
    { owner, sourceUrl }: { owner: string; sourceUrl: string },
    signal: AbortSignal,
    use: (bytes: Buffer) => Promise<Result>,
  ): Promise<Result> {
    const end = this.hosts.begin(owner, sourceUrl);
    if (!end) throw new DownloadDeferred('The host is slow and has reached its limit of downloads.');
    const held: Uint8Array[] = [];
    try {
      await this.read(owner, sourceUrl, signal, held).finally(end);
      return await use(Buffer.concat(held));
    } finally {
      this.memory.release(owner, sizeOf(held));
    }
  }

  private async read(owner: string, url: string, signal: AbortSignal, held: Uint8Array[]): Promise<void> {
    const limits = { maxBytes: this.maxBytes, timeoutMs: downloadMs, signal, owner };
    const { bytes } = await this.downloads.photo(url, limits);
    for await (const chunk of bytes) {
      if (!this.memory.tryAcquire(owner, chunk.length)) {
        throw new DownloadDeferred('The memory for downloads is in use.');
      }
      held.push(chunk);
    }
  }
}

function sizeOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0);
}
