import fc from 'fast-check';
import sharp from 'sharp';
import { letter } from '../../src/sandbox/lettering';

/** Only what a path may hold: a machine without fonts can draw it. */
const pathPattern = /^([MLHVCAZ][-\d. ]*)*$/;

describe('lettering', () => {
  it('draws any text as a path that is no wider than it may be', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const { path, width } = letter(text, 10, 10, 2, 400);
        expect(path).toMatch(pathPattern);
        expect(width).toBeLessThanOrEqual(400);
      }),
      { numRuns: 200 },
    );
  });

  it('drops accents and draws a box for what it does not know', () => {
    expect(letter('Élan', 0, 0, 1, 100).path).toBe(letter('Elan', 0, 0, 1, 100).path);
    expect(letter('漢', 0, 0, 1, 100).path).toBe(letter('Ж', 0, 0, 1, 100).path);
    expect(letter('漢', 0, 0, 1, 100).path).not.toBe('');
  });

  it('ends what is too long in an ellipsis', () => {
    const short = letter('abc', 0, 0, 1, 100);
    expect(letter('a'.repeat(100), 0, 0, 1, 60).width).toBeLessThanOrEqual(60);
    expect(short.width).toBeLessThan(20);
  });

  it('moves and grows', async () => {
    const at = async (x: number, unit: number): Promise<[left: number, width: number]> => {
      const { path } = letter('SANDBOX', x, 20, unit, 900);
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="600" height="100"><rect width="600" height="100"/><path d="${path}" stroke="#fff" fill="none"/></svg>`;
      const { info } = await sharp(await sharp(Buffer.from(svg)).png().toBuffer())
        .trim()
        .toBuffer({ resolveWithObject: true });
      return [-info.trimOffsetLeft!, info.width];
    };
    const [[left, width], [, double], [moved]] = [await at(10, 2), await at(10, 4), await at(110, 2)];
    expect(moved - left).toBe(100);
    expect(double / width).toBeCloseTo(2, 1);
  });
});
