import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { crc32, deflate } from 'node:zlib';
import sharp from 'sharp';
import { codeOf } from '../core/errors';
import { PictureProblem } from './picture-file';

/** What the worker in heic-worker.ts gets. */
export interface HeicRequest {
  bytes: Buffer;
  maxPixels: number;
}

/** Decoded pixels: four bytes each (RGBA), by rows, upright. */
export interface HeicPixels {
  data: Uint8Array;
  width: number;
  height: number;
}

/**
 * What the worker returns; null if the picture is damaged or has too many pixels, a text if the decoder cannot be loaded,
 * which says why.
 */
export type HeicAnswer = HeicPixels | string | null;

/** The installation lacks the decoder, or has a broken one: no fault of the picture. */
export class HeicDecoderMissing extends Error {
  constructor(cause: unknown) {
    super(`The HEIC decoder cannot be loaded; run npm ci: ${String(cause)}`, { cause });
    this.name = 'HeicDecoderMissing';
  }
}

const extension = extname(__filename);

/** Sources in TypeScript, as under Jest, are compiled when they are loaded. */
const execArgv = extension === '.ts' ? ['-r', '@swc-node/register'] : [];

/** The maximum size of a colour profile, in bytes; cameras write some thousands. A larger one is ignored. */
const maxProfile = 1_000_000;

/**
 * Decodes a HEIC picture (HEVC in a HEIF container), which sharp's own libraries do not, by libheif as WebAssembly: what
 * damaged or hostile files can do to the decoder ends at its memory. It runs in a thread of its own, which is ended with
 * its memory afterwards, or when its time is over.
 * @returns the upright picture as a PNG with the colour profile of the file
 * @throws PictureProblem UNREADABLE, or HeicDecoderMissing
 */
export async function heicToPng(
  bytes: Buffer,
  { maxPixels, timeLimitMs, profile }: { maxPixels: number; timeLimitMs: number; profile?: Buffer },
): Promise<Buffer> {
  const pixels = await decodeInThread({ bytes, maxPixels }, timeLimitMs);
  if (typeof pixels === 'string') throw new HeicDecoderMissing(pixels);
  if (!pixels) throw new PictureProblem('UNREADABLE', 'The picture is damaged or truncated.');
  const png = await encode(pixels);
  return profile && profile.length <= maxProfile ? withProfile(png, profile) : png;
}

function encode({ data, width, height }: HeicPixels): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 4 } })
    .removeAlpha()
    .png({ compressionLevel: 0 })
    .toBuffer();
}

async function decodeInThread(request: HeicRequest, timeLimitMs: number): Promise<HeicAnswer> {
  const worker = new Worker(join(__dirname, `heic-worker${extension}`), {
    workerData: request,
    execArgv,
    env: {},
    // The library reports damaged files there.
    stdout: true,
    stderr: true,
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<HeicAnswer>((resolve, reject) => {
      timer = setTimeout(
        () => reject(new PictureProblem('UNREADABLE', 'The picture takes too long to decode.')),
        timeLimitMs,
      );
      worker.once('message', resolve);
      // Out of memory, or an error in the library, unless the worker's own file is missing.
      worker.once('error', (error) =>
        resolve(codeOf(error)?.endsWith('MODULE_NOT_FOUND') === true ? String(error) : null),
      );
      worker.once('exit', () => resolve(null));
    });
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}

/** The length of a PNG's signature and its IHDR chunk, after which the profile may stand. */
const headLength = 33;

/** Adds a colour profile to a PNG (PNG, third edition, 11.3.2.3): sharp accepts none for raw pixels. */
async function withProfile(png: Buffer, profile: Buffer): Promise<Buffer> {
  const body = Buffer.concat([Buffer.from('iCCPicc\0\0', 'latin1'), await promisify(deflate)(profile)]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length - 4);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([png.subarray(0, headLength), length, body, check, png.subarray(headLength)]);
}
