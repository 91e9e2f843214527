import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { HeicAnswer, HeicPixels, HeicRequest } from './heic-decoder';

/** The part of libheif-js that is used; its own types describe the interface of C. */
interface HeifImage {
  is_primary(): boolean;
  /** In pixels, upright. */
  get_width(): number;
  get_height(): number;
  /** Decodes into `target`, as RGBA; passes null if that fails. */
  display(target: HeifTarget, done: (target: HeifTarget | null) => void): void;
}

interface HeifTarget {
  data: Uint8ClampedArray;
  width: number;
  height: number;
}

interface Libheif {
  /** Its method reads the structure, and returns no image if the file is not a HEIF picture. */
  HeifDecoder: new () => { decode: (file: Uint8Array) => HeifImage[] };
}

/** The part of WebAssembly that is used, which TypeScript declares for browsers only. */
interface WebAssemblyMemory {
  readonly buffer: ArrayBuffer;
  grow: (pages: number) => number;
}

/** The memory of the decoder, in bytes: enough for 25 million pixels. */
const maxMemory = 400_000_000;

const pageBytes = 65_536;

/** WebAssembly's memory may grow to 2 GB otherwise. The decoder handles a refusal as it does a lack of memory. */
function limitMemory(): void {
  const { WebAssembly } = globalThis as unknown as {
    WebAssembly: { Memory: { prototype: WebAssemblyMemory } };
  };
  const memory = WebAssembly.Memory.prototype;
  const grow = memory.grow;
  memory.grow = function (this: WebAssemblyMemory, pages) {
    if (this.buffer.byteLength + pages * pageBytes > maxMemory) throw new RangeError('too much memory');
    return grow.call(this, pages);
  };
}

function pixelsOf(image: HeifImage): Promise<HeicPixels | null> {
  const [width, height] = [image.get_width(), image.get_height()];
  const target = { data: new Uint8ClampedArray(width * height * 4), width, height };
  return new Promise((resolve) => {
    image.display(target, (shown) =>
      resolve(shown && { data: new Uint8Array(target.data.buffer), width, height }),
    );
  });
}

function loadLibrary(): Libheif | string {
  try {
    return createRequire(__filename)('libheif-js/wasm-bundle') as Libheif;
  } catch (error) {
    return String(error);
  }
}

async function decode({ bytes, maxPixels }: HeicRequest): Promise<HeicAnswer> {
  const library = loadLibrary();
  if (typeof library === 'string') return library;
  const { HeifDecoder } = library;
  const image = new HeifDecoder().decode(bytes).find((each) => each.is_primary());
  // The dimensions in the header were checked, but other boxes may contradict it.
  if (!image || image.get_width() * image.get_height() > maxPixels) return null;
  return pixelsOf(image);
}

limitMemory();
void decode(workerData as HeicRequest).then((answer) => {
  const pixels = answer === null || typeof answer === 'string' ? null : answer;
  parentPort!.postMessage(answer, pixels ? [pixels.data.buffer as ArrayBuffer] : []);
});
