import { thumbHashOf, thumbHashOfBlurHash } from '../../src/images/thumbhash';

/** Opaque pixels that vary in all channels. */
function pattern(width: number, height: number): { data: Uint8Array; width: number; height: number } {
  const data = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1)
      data.set([x * 37 + y * 11, x * 5 + y * 91, x * x + y * 3, 255], (x + y * width) * 4);
  }
  return { data, width, height };
}

describe('the ThumbHash of a picture', () => {
  it.each([
    [32, 24, 'XggGJYIwY7lVdoh2h2R3du+Z14QH'],
    [24, 32, 'nggGJQABpUR3WWdnd3V2Z/+7p7A5'],
    [32, 32, 'XggGHwAgUclFd4h1d2ZnaIZ29756GvYG'],
    [32, 2, 'm/gNIY5QdXhzh3eI2oD39og='],
    [1, 1, 'AAgCBwAAAAAAAAAAAAAAAAAAAAAAAAAA'],
  ])('is that of the reference implementation for %i × %i pixels', (width, height, expected) => {
    expect(thumbHashOf(pattern(width, height))).toBe(expected);
  });

  it('is derived from a blur hash, with the proportions of the picture', () => {
    const blurHash = 'LEHV6nWB2yk8pyo0adR*.7kCMdnj';
    const landscape = Buffer.from(thumbHashOfBlurHash(blurHash, { width: 600, height: 400 }), 'base64');
    const portrait = Buffer.from(thumbHashOfBlurHash(blurHash, { width: 400, height: 600 }), 'base64');
    expect([landscape[4]! >> 7, portrait[4]! >> 7]).toEqual([1, 0]);
    // The mean luminance is in the lowest six bits.
    expect(Math.abs((landscape[0]! & 63) - (portrait[0]! & 63))).toBeLessThanOrEqual(1);
  });

  it.each(['', 'L0', 'not a blur hash'])('is grey for a text that is not a blur hash: %j', (text) => {
    expect(thumbHashOfBlurHash(text, { width: 512, height: 512 })).toBe(
      thumbHashOf({ data: Uint8Array.of(128, 128, 128, 255), width: 1, height: 1 }),
    );
  });
});
