import sharp from 'sharp';
import { renderPicture } from '../../src/images/rendition';

const paint = (width: number, height: number): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 4, background: { r: 200, g: 0, b: 0, alpha: 0 } } })
    .png()
    .toBuffer();

describe('renderPicture', () => {
  it.each([
    { size: [600, 300], maxSide: 128, expected: [128, 64] },
    { size: [300, 600], maxSide: 128, expected: [64, 128] },
    { size: [100, 50], maxSide: 128, expected: [100, 50] },
  ])('fits $size into $maxSide pixels without enlarging', async ({ size, maxSide, expected }) => {
    const bytes = await renderPicture(await paint(size[0]!, size[1]!), { maxSide, format: 'webp' });
    const { width, height } = await sharp(bytes).metadata();
    expect([width, height]).toEqual(expected);
  });

  it('keeps transparency in WebP and AVIF, and makes it white in JPEG', async () => {
    const picture = await paint(64, 64);
    for (const format of ['webp', 'avif'] as const)
      expect((await sharp(await renderPicture(picture, { maxSide: 64, format })).metadata()).hasAlpha).toBe(
        true,
      );
    const jpeg = await renderPicture(picture, { maxSide: 64, format: 'jpeg' });
    const { channels } = await sharp(jpeg).stats();
    expect(channels.map(({ mean }) => Math.round(mean))).toEqual([255, 255, 255]);
  });

  it('refuses what the gateway does not store', async () => {
    const spec = { maxSide: 64, format: 'jpeg' } as const;
    await expect(renderPicture(Buffer.from('<svg/>'), spec)).rejects.toMatchObject({
      code: 'UNSUPPORTED_TYPE',
    });
  });

  it('ends after the time limit', async () => {
    const noise = await sharp({
      create: {
        ...{ width: 3_000, height: 3_000, channels: 3, background: '#888' },
        noise: { type: 'gaussian', mean: 128, sigma: 60 },
      },
    })
      .jpeg()
      .toBuffer();
    await expect(renderPicture(noise, { maxSide: 3_000, format: 'webp' }, 1)).rejects.toMatchObject({
      code: 'UNREADABLE',
    });
  });
});
