/**
 * A built-in 5×7 bitmap font: SVG text needs fonts that a minimal machine does not have. Each glyph is five columns of
 * two hexadecimal digits; the lowest bit is the top row.
 */
const glyphs: ReadonlyMap<string, string> = new Map(
  `A7e1111117e B7f49494936 C3e41414122 D7f4141221c E7f49494941 F7f09090901 G3e4149497a H7f0808087f I00417f4100
   J2040413f01 K7f08142241 L7f40404040 M7f020c027f N7f0408107f O3e4141413e P7f09090906 Q3e4151215e R7f09192946
   S2649494932 T01017f0101 U3f4040403f V1f2040201f W3f4038403f X6314081463 Y0708700807 Z6151494543 03e5149453e
   100427f4000 24261514946 32141454b31 41814127f10 52745454539 63c4a494930 70171090503 83649494936 9064949291e
   -0808080808 .0060600000 ,0050300000 '0000070000 !00005f0000 ?0201510906 :0036360000`
    .split(/\s+/)
    .map((glyph) => [glyph.slice(0, 1), glyph.slice(1)]),
);
const unknownGlyph = '7f4141417f';
const spaceGlyph = '0000000000';

/** The distance from one character to the next, in font pixels. */
const advance = 6;

/**
 * The SVG path of a line of text, in capitals and without accents. A longer text is cut at `maxWidth`; a character
 * without a glyph becomes a box.
 * @param pixel - the side of one font pixel; a capital is seven of them high
 */
export function textPath(text: string, x: number, y: number, pixel: number, maxWidth: number): string {
  const plain = text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .replace(/[\s\p{C}]+/gu, ' ')
    .toUpperCase();
  const shown = [...plain].slice(0, Math.floor(maxWidth / (advance * pixel)));
  return shown
    .map((character, index) => glyphPath(character, x + index * advance * pixel, y, pixel))
    .join('');
}

function glyphPath(character: string, x: number, y: number, pixel: number): string {
  const columns = Buffer.from(
    character === ' ' ? spaceGlyph : (glyphs.get(character) ?? unknownGlyph),
    'hex',
  );
  const square = (column: number, row: number): string =>
    `M${x + column * pixel} ${y + row * pixel}h${pixel}v${pixel}h-${pixel}z`;
  return [...columns]
    .flatMap((bits, column) => rows.filter((row) => bits & (1 << row)).map((row) => square(column, row)))
    .join('');
}

const rows = [0, 1, 2, 3, 4, 5, 6];
