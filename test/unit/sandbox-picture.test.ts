import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import sharp from 'sharp';
import { makePicture, type PictureSpec, styles } from '../../src/sandbox/picture';
import { facePhoto } from '../support/pictures';

let spec: PictureSpec;

beforeAll(async () => {
  const source = await sharp(await facePhoto(1))
    .resize(512, 512, { fit: 'cover' })
    .toBuffer();
  spec = { source, style: 'realistic', prompt: 'at the sea', variant: 0, size: 512 };
});

describe('makePicture', () => {
  it('returns equal bytes for equal specifications and other bytes for another style, prompt or variant', async () => {
    for (const style of styles.keys()) {
      const made = await Promise.all(
        [{}, {}, { prompt: 'in the rain' }, { variant: 1 }].map((change) =>
          makePicture({ ...spec, style, ...change }),
        ),
      );
      expect(made[0]).toEqual(made[1]);
      expect(new Set(made.map((bytes) => bytes.toString('base64'))).size).toBe(3);
    }
  });

  it('accepts any prompt and marks the picture in the same way', async () => {
    const mark = (picture: Buffer): Promise<Buffer> =>
      sharp(picture).extract({ left: 0, top: 480, width: 300, height: 32 }).threshold(150).raw().toBuffer();
    const expected = await mark(await makePicture(spec));
    expect(expected.filter((value) => value === 255).length).toBeGreaterThan(1_000);
    const prompts = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.constant('"/><script>&'));
    await fc.assert(
      fc.asyncProperty(prompts, async (prompt) => {
        const found = await mark(await makePicture({ ...spec, prompt }));
        const differing = found.filter((value, index) => value !== expected[index]).length;
        expect(differing).toBeLessThan(found.length / 50);
      }),
      { numRuns: 5 },
    );
  });

  it('shows the prompt in the caption, also accents and characters of markup', async () => {
    const caption = (picture: Buffer): Promise<Buffer> =>
      sharp(picture).extract({ left: 0, top: 452, width: 512, height: 28 }).greyscale().raw().toBuffer();
    const black = await sharp({ create: { width: 512, height: 512, channels: 3, background: '#000' } })
      .png()
      .toBuffer();
    const captions = await Promise.all(
      ['elan', 'Élan', 'elan &', 'elan <b>'].map(async (prompt) =>
        caption(await makePicture({ ...spec, source: black, style: 'noir', prompt })),
      ),
    );
    expect(new Set(captions.map((bytes) => bytes.toString('base64'))).size).toBe(captions.length);
  });

  it('needs no font of the machine', async () => {
    const code = `const { makePicture } = require('./src/sandbox/picture');
      const spec = ${JSON.stringify({ ...spec, source: spec.source.toString('base64') })};
      makePicture({ ...spec, source: Buffer.from(spec.source, 'base64') }).then((picture) => process.stdout.write(picture.toString('base64')));`;
    // Without fonts or settings, but writable: Fontconfig reports a missing cache.
    const home = await mkdtemp(join(tmpdir(), 'home-'));
    try {
      const { stdout, stderr } = await promisify(execFile)(
        process.execPath,
        ['-r', '@swc-node/register', '-e', code],
        {
          env: { PATH: process.env.PATH, HOME: home, FONTCONFIG_PATH: '/nonexistent' },
          maxBuffer: 10_000_000,
        },
      );
      expect(stderr).toBe('');
      expect(Buffer.from(stdout, 'base64')).toEqual(await makePicture(spec));
    } finally {
      await rm(home, { recursive: true });
    }
  });

  it('rejects an unknown style', async () => {
    await expect(makePicture({ ...spec, style: 'oil' })).rejects.toThrow('Unknown style: oil');
  });
});
