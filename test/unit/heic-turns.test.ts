import sharp from 'sharp';
import { heicToPng } from '../../src/images/heic-decoder';
import { createImageSemaphore, ImageProcessor } from '../../src/images/image-processor';
import { phonePhoto } from '../support/picture-bytes';
import { facePhoto } from '../support/pictures';

describe('HEIC photos', () => {
  it('are decoded one at a time, and leave a place to other pictures while they wait', async () => {
    const images = new ImageProcessor(createImageSemaphore(2));
    const ended: string[] = [];
    const check = async (name: string, photo: Buffer): Promise<void> => {
      await images.prepare(photo, name);
      ended.push(name);
    };
    const slow = ['anna', 'ben', 'carl'].map((name) => check(name, phonePhoto));
    await check('dora', await facePhoto(1));
    expect(ended.indexOf('dora')).toBeLessThan(2);
    await Promise.all(slow);
    expect(ended).toHaveLength(4);
  });

  it('are refused if they have more pixels than their header stated, and keep no profile that is too large', async () => {
    const limits = { maxPixels: 600 * 600, timeLimitMs: 60_000 };
    const [png, refusal] = await Promise.all([
      heicToPng(phonePhoto, { ...limits, profile: Buffer.alloc(1_000_001) }),
      heicToPng(phonePhoto, { ...limits, maxPixels: 600 * 600 - 1 }).catch((error: unknown) => error),
    ]);
    const { width, height, hasAlpha } = await sharp(png).metadata();
    expect({ width, height, hasAlpha }).toEqual({ width: 600, height: 600, hasAlpha: false });
    expect(png.includes('iCCP')).toBe(false);
    expect(refusal).toMatchObject({ code: 'UNREADABLE' });
  });
});
