import { OwnerShares } from '../core/owner-shares';
import type { Downloads } from '../upstream/downloads';
import { DownloadDeferred } from '../upstream/name-resolution';
import { SlowHosts } from '../upstream/slow-hosts';

/** The longest that one download may take, in milliseconds, from the name's resolution to the last byte. */
const downloadMs = 30_000;

/** How many photos of the greatest size fit into the memory for downloads; of smaller ones accordingly more. */
const maxLargest = 12;

/** A host that takes longer for a photo than `slowMs` gets this share. */
const slowHosts = { slowMs: 5_000, maxDownloads: 4 };

/**
 * Downloads photos into memory. The memory is shared between owners like the slots are, as bytes arrive: a photo that
 * does not fit is given up, and its bytes with it, so that downloads never wait for each other.
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
   * Downloads the photo and hands its bytes to `use`; they count as held until that has ended.
   * @throws DownloadError, DownloadDeferred, or what `use` throws
   */
  async run<Result>(
    { owner, sourceUrl }: { owner: string; sourceUrl: string },
    signal: AbortSignal,
    use: (bytes: Buffer) => Promise<Result>,
  ): Promise<Result> {
    const end = this.hosts.begin(owner, sourceUrl);
    if (!end) throw new DownloadDeferred('The host is slow and has its share of the downloads.');
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
      if (!this.memory.tryTake(owner, chunk.length)) {
        throw new DownloadDeferred('The memory for downloads is in use.');
      }
      held.push(chunk);
    }
  }
}

function sizeOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0);
}
