import sharp from 'sharp';
import { withSignal } from '../core/clock';
import { type ExchangeAnswer, ExchangeError, HttpExchange } from '../upstream/http-exchange';

/** Limits of fetching one photo. Generous, since a sandbox is handed small ones. */
const fetchTimeoutMs = 5_000;
/** Of all photos of a request. */
const intakeTimeoutMs = 60_000;
const maxPhotoBytes = 15_000_000;
const maxPhotoPixels = 50_000_000;

/** Photos fetched and decoded at once; bounds memory. */
const width = 3;

/** A photo's URL that gives no photo; said to the caller as Picsart says it, with a 422. */
export class PhotoRefusal extends Error {}

/** What became of the photos. */
export interface Intake {
  /** Small square JPEGs of those that could be decoded, in the order of the URLs. */
  readonly pictures: readonly Buffer[];
  /** How many could not. */
  readonly invalid: number;
}

/**
 * Fetches photos and makes small copies of them; nothing else of a photo is kept. Being a test double, it fetches any
 * http or https address that it is given, with limits on time and bytes, and follows no redirect.
 */
export class PhotoIntake {
  private readonly exchange = new HttpExchange(width);

  /**
   * @param side - pixels of a copy's side
   * @throws PhotoRefusal if an address does not give a picture; all others are given up then
   */
  async take(urls: readonly string[], side: number, signal: AbortSignal): Promise<Intake> {
    const copies: (Buffer | null)[] = [];
    let next = 0;
    const work = async (limited: AbortSignal): Promise<void> => {
      while (next < urls.length) {
        const index = next++;
        copies[index] = await this.copyOf(urls[index]!, index + 1, side, limited);
      }
    };
    await withSignal(signal, intakeTimeoutMs, (limited) =>
      Promise.all(Array.from({ length: Math.min(width, urls.length) }, () => work(limited))),
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
    try {
      return await smallCopy(bytes, side);
    } catch {
      return null;
    }
  }

  private async fetch(url: string, number: number, signal: AbortSignal): Promise<Buffer> {
    const address = URL.canParse(url) ? new URL(url) : null;
    if (!address || !/^https?:$/.test(address.protocol))
      throw new PhotoRefusal(`Image ${number} has no http or https URL.`);
    const answer = await this.exchange
      .get({
        url: address,
        headers: { accept: 'image/jpeg, image/png' },
        timeoutMs: fetchTimeoutMs,
        maxBytes: maxPhotoBytes,
        signal,
      })
      .catch((error: unknown) => {
        const problem = error instanceof ExchangeError ? error.message : 'could not be fetched';
        throw new PhotoRefusal(`Failed to download image ${number}: its URL ${problem}.`, { cause: error });
      });
    const problem = problemOf(answer);
    if (problem) throw new PhotoRefusal(`Failed to download image ${number}: its URL ${problem}.`);
    return answer.body;
  }
}

function problemOf({ status, headers, cut }: ExchangeAnswer): string | null {
  if (status !== 200) return `answered ${status}`;
  if (cut) return `gave only a part (${cut})`;
  const type = headers['content-type'] ?? 'application/octet-stream';
  return /^(image\/|application\/octet-stream)/i.test(type) ? null : 'gave no picture';
}

/** A square copy, upright and without metadata. Faces stand in the upper part of an upright picture. */
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
