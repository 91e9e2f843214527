import sharp from 'sharp';
import { withSignal } from '../core/clock';
import type { ExchangeAnswer } from '../upstream/exchange-answer';
import { ExchangeError, HttpExchange } from '../upstream/http-exchange';
import { ErrorReply } from './replies';

/** Limits per photo. */
const fetchTimeoutMs = 5_000;
/** The time limit for all photos of a request. */
const allPhotosTimeoutMs = 60_000;
const maxPhotoBytes = 15_000_000;
const maxPhotoPixels = 50_000_000;

/** The number of photos that are fetched and decoded at once. Bounds memory. */
const concurrency = 3;

/** The result of fetching the photos of a request. */
export interface FetchedPhotos {
  /** Reduced square JPEGs of the photos that could be decoded, in the order of the URLs. */
  readonly pictures: readonly Buffer[];
  /** The number of photos that could not be decoded. */
  readonly invalid: number;
}

/**
 * Fetches photos and reduces them; the originals are not kept. As a test double it fetches any http or https URL, with
 * limits on time and size, and does not follow redirects.
 */
export class PhotoFetcher {
  private readonly exchange = new HttpExchange(concurrency);

  /**
   * @param side - the side of the reduced photos in pixels
   * @throws ErrorReply 422, as from Picsart, if a URL does not return a picture; the other downloads are cancelled
   */
  async take(urls: readonly string[], side: number, signal: AbortSignal): Promise<FetchedPhotos> {
    const copies: (Buffer | null)[] = [];
    let next = 0;
    const work = async (limited: AbortSignal): Promise<void> => {
      while (next < urls.length) {
        const index = next++;
        copies[index] = await this.copyOf(urls[index]!, index + 1, side, limited);
      }
    };
    await withSignal(signal, allPhotosTimeoutMs, (limited) =>
      Promise.all(Array.from({ length: Math.min(concurrency, urls.length) }, () => work(limited))),
    );
    const pictures = copies.filter((copy) => copy !== null);
    return { pictures, invalid: copies.length - pictures.length };
  }

  async stop(): Promise<void> {
    await this.exchange.stop();
  }

  private async copyOf(
    url: string,
    number: number,
    side: number,
    signal: AbortSignal,
  ): Promise<Buffer | null> {
    const bytes = await this.fetch(url, number, signal);
    return smallCopy(bytes, side).catch(() => null);
  }

  private async fetch(text: string, number: number, signal: AbortSignal): Promise<Buffer> {
    const url = URL.canParse(text) ? new URL(text) : null;
    if (!url || !/^https?:$/.test(url.protocol))
      throw new ErrorReply(422, `Image ${number} has no http or https URL.`);
    const headers = { accept: 'image/jpeg, image/png' };
    const limits = { timeoutMs: fetchTimeoutMs, maxBytes: maxPhotoBytes, signal };
    const answer = await this.exchange.get({ url, headers, ...limits }).catch((error: unknown) => {
      throw notFetched(number, error instanceof ExchangeError ? error.message : 'could not be fetched');
    });
    const problem = problemOf(answer);
    if (problem) throw notFetched(number, problem);
    return answer.body;
  }
}

function notFetched(number: number, problem: string): ErrorReply {
  return new ErrorReply(422, `Failed to download image ${number}: its URL ${problem}.`);
}

function problemOf({ status, headers, cut }: ExchangeAnswer): string | null {
  if (status !== 200) return `answered ${status}`;
  if (cut) return `sent an incomplete response (${cut})`;
  const type = headers['content-type'] ?? 'application/octet-stream';
  return /^(image\/|application\/octet-stream)/i.test(type) ? null : 'did not return a picture';
}

/** A square, upright copy without metadata. In portrait photos the face is expected in the upper part. */
async function smallCopy(bytes: Buffer, side: number): Promise<Buffer> {
  const options = { failOn: 'error', limitInputPixels: maxPhotoPixels } as const;
  const { format, width: w, height: h, pages = 1 } = await sharp(bytes, options).metadata();
  if ((format !== 'jpeg' && format !== 'png') || pages > 1) throw new Error('neither JPEG nor PNG');
  return sharp(bytes, options)
    .rotate()
    .resize(side, side, { fit: 'cover', position: h > w ? 'top' : 'attention' })
    .flatten({ background: '#fff' })
    .jpeg({ quality: 84 })
    .toBuffer();
}
