// Pictures, made by the product's image library, and that library alone as a process: the limit of decoding photos.
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { answerCommands, productFolder } from './processes.mjs';

const sharp = createRequire(join(productFolder, 'package.json'))('sharp');

/** A JPEG of random coloured areas with some detail. */
export function makeJpeg(width, height) {
  const [rows, columns] = [Math.ceil(height / 24), Math.ceil(width / 24)];
  const areas = { width: columns, height: rows, channels: 3 };
  return sharp(randomBytes(columns * rows * 3), { raw: areas })
    .resize(width, height, { fit: 'fill' })
    .jpeg({ quality: 85 })
    .toBuffer();
}

answerCommands({
  /** Reduces a photo to 512 × 512 pixels, again and again, two at a time. */
  async decode({ base64, count }) {
    const photo = Buffer.from(base64, 'base64');
    const startedAt = Date.now();
    let left = count;
    const work = async () => {
      while (left-- > 0) await sharp(photo).rotate().resize(512, 512).jpeg({ quality: 90 }).toBuffer();
    };
    await Promise.all([work(), work()]);
    return { perSecond: (count / (Date.now() - startedAt)) * 1000 };
  },
});
