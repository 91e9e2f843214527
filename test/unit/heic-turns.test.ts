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
});
