/*
 * Letters drawn as strokes, so that a sandbox can write on its pictures on a machine without a single font.
 * Units: capitals stand from y = 0 to the base line at y = 7, small letters begin at 2.2, tails end at 9.
 */

/** Width, then the strokes as an SVG path. */
type Glyph = readonly [width: number, strokes: string];

const bowl = 'M4.2 4.6A2.1 2.4 0 1 0 0 4.6A2.1 2.4 0 1 0 4.2 4.6';
const oval = 'M2.8 0A2.8 3.5 0 1 0 2.8 7A2.8 3.5 0 1 0 2.8 0';

const glyphs: ReadonlyMap<string, Glyph> = new Map<string, Glyph>([
  ['A', [5, 'M0 7L2.5 0L5 7M.9 4.6H4.1']],
  ['B', [4.4, 'M2.3 3.3H0M0 0V7H2.6A1.85 1.85 0 0 0 2.6 3.3H2.3A1.65 1.65 0 0 0 2.3 0H0']],
  ['C', [4.9, 'M4.9 1.5A2.7 3.5 0 1 0 4.9 5.5']],
  ['D', [4.9, 'M0 0V7H1.8A3.1 3.5 0 0 0 1.8 0Z']],
  ['E', [3.9, 'M3.9 0H0V7H3.9M0 3.4H3.3']],
  ['F', [3.8, 'M3.8 0H0V7M0 3.4H3.2']],
  ['G', [5.2, 'M4.9 1.5A2.7 3.5 0 1 0 5.2 4.4V3.8H3.2']],
  ['H', [4.7, 'M0 0V7M4.7 0V7M0 3.4H4.7']],
  ['I', [0, 'M0 0V7']],
  ['J', [3.4, 'M3.4 0V5A1.7 2 0 0 1 0 5']],
  ['K', [4.5, 'M0 0V7M4.3 0L0 4.4M1.6 2.9L4.5 7']],
  ['L', [3.7, 'M0 0V7H3.7']],
  ['M', [5.8, 'M0 7V0L2.9 5L5.8 0V7']],
  ['N', [4.7, 'M0 7V0L4.7 7V0']],
  ['O', [5.6, oval]],
  ['P', [4.4, 'M0 7V0H2.4A2 2 0 0 1 2.4 4H0']],
  ['Q', [5.6, `${oval}M3.5 5L5.6 7.3`]],
  ['R', [4.6, 'M0 7V0H2.4A2 2 0 0 1 2.4 4H0M2.2 4L4.6 7']],
  [
    'S',
    [
      4.4,
      'M4.2 1.3C3.8 .4 3.1 0 2.2 0C1 0 .2 .7 .2 1.7C.2 4.1 4.4 2.8 4.4 5.3C4.4 6.4 3.5 7 2.3 7C1.2 7 .4 6.5 0 5.5',
    ],
  ],
  ['T', [5, 'M0 0H5M2.5 0V7']],
  ['U', [4.8, 'M0 0V4.6A2.4 2.4 0 0 0 4.8 4.6V0']],
  ['V', [5, 'M0 0L2.5 7L5 0']],
  ['W', [7, 'M0 0L1.75 7L3.5 1L5.25 7L7 0']],
  ['X', [4.6, 'M0 0L4.6 7M4.6 0L0 7']],
  ['Y', [4.8, 'M0 0L2.4 3.4V7M4.8 0L2.4 3.4']],
  ['Z', [4.4, 'M0 0H4.4L0 7H4.4']],
  ['a', [4.2, `${bowl}M4.2 2.3V7`]],
  ['b', [4.2, `${bowl}M0 0V7`]],
  ['c', [3.9, 'M3.9 3.2A2.1 2.4 0 1 0 3.9 6']],
  ['d', [4.2, `${bowl}M4.2 0V7`]],
  ['e', [4.2, 'M0 4.6H4.2A2.1 2.4 0 1 0 3.7 6.2']],
  ['f', [2.8, 'M2.8 .2C1.6 -.3 1 .5 1 1.8V7M0 2.4H2.6']],
  ['g', [4.2, `${bowl}M4.2 2.3V7.2A2.1 2 0 0 1 .4 8.2`]],
  ['h', [4, 'M0 0V7M0 4.3A2 2.1 0 0 1 4 4.3V7']],
  ['i', [0, 'M0 2.3V7M0 .3V.4']],
  ['j', [1, 'M1 2.3V7.4C1 8.6 .4 9 -.4 8.9M1 .3V.4']],
  ['k', [3.8, 'M0 0V7M3.6 2.3L0 5.2M1.4 4.2L3.8 7']],
  ['l', [0, 'M0 0V7']],
  ['m', [6.4, 'M0 2.3V7M0 4A1.6 1.8 0 0 1 3.2 4V7M3.2 4A1.6 1.8 0 0 1 6.4 4V7']],
  ['n', [4, 'M0 2.3V7M0 4.3A2 2.1 0 0 1 4 4.3V7']],
  ['o', [4.2, bowl]],
  ['p', [4.2, `${bowl}M0 2.3V9`]],
  ['q', [4.2, `${bowl}M4.2 2.3V9`]],
  ['r', [2.6, 'M0 2.3V7M0 4.3C.2 2.9 1.2 2 2.6 2.3']],
  [
    's',
    [
      3.6,
      'M3.4 3.1C3.1 2.5 2.5 2.2 1.8 2.2C.8 2.2 .2 2.7 .2 3.4C.2 5.1 3.6 4.1 3.6 5.8C3.6 6.6 2.8 7 1.8 7C.9 7 .3 6.7 0 6',
    ],
  ],
  ['t', [2.8, 'M1 .6V5.6C1 6.8 1.8 7.2 2.8 6.8M0 2.3H2.6']],
  ['u', [4, 'M0 2.3V5A2 2 0 0 0 4 5M4 2.3V7']],
  ['v', [4, 'M0 2.3L2 7L4 2.3']],
  ['w', [6, 'M0 2.3L1.5 7L3 2.9L4.5 7L6 2.3']],
  ['x', [3.6, 'M0 2.3L3.6 7M3.6 2.3L0 7']],
  ['y', [4, 'M0 2.3L2 7M4 2.3L1.6 8C1.2 8.8 .6 9 0 8.9']],
  ['z', [3.4, 'M0 2.3H3.4L0 7H3.4']],
  ['0', [4.4, 'M2.2 0A2.2 3.5 0 1 0 2.2 7A2.2 3.5 0 1 0 2.2 0']],
  ['1', [1.8, 'M0 1.4L1.8 0V7']],
  ['2', [4.4, 'M.2 1.8C.3 .6 1.1 0 2.2 0C3.4 0 4.2 .8 4.2 1.9C4.2 3.4 2.4 4.2 0 7H4.4']],
  ['3', [4.4, 'M.2 0H4.2L2 2.8C3.6 2.8 4.4 3.8 4.4 4.9C4.4 6.2 3.4 7 2.1 7C1.1 7 .4 6.6 0 5.8']],
  ['4', [4.6, 'M3.4 7V0L0 4.9H4.6']],
  [
    '5',
    [
      4.4,
      'M4 0H.6L.3 3C.8 2.6 1.4 2.4 2.1 2.4C3.5 2.4 4.4 3.3 4.4 4.7C4.4 6.1 3.4 7 2.1 7C1.1 7 .4 6.6 0 5.8',
    ],
  ],
  ['6', [4.4, 'M3.9 .6C1.8 -.6 0 1.4 0 4.7A2.2 2.3 0 1 0 4.4 4.7A2.2 2.3 0 1 0 0 4.7']],
  ['7', [4.4, 'M0 0H4.4L1.6 7']],
  [
    '8',
    [
      4.4,
      'M2.2 0A1.8 1.6 0 1 0 2.2 3.2A1.8 1.6 0 1 0 2.2 0M2.2 3.2A2.2 1.9 0 1 0 2.2 7A2.2 1.9 0 1 0 2.2 3.2',
    ],
  ],
  ['9', [4.4, 'M.5 6.4C2.6 7.6 4.4 5.6 4.4 2.3A2.2 2.3 0 1 0 0 2.3A2.2 2.3 0 1 0 4.4 2.3']],
  ['.', [0, 'M0 6.9V7']],
  [',', [0.4, 'M.4 6.8L0 8.2']],
  [':', [0, 'M0 3.2V3.3M0 6.9V7']],
  [';', [0.4, 'M.4 3.2V3.3M.4 6.8L0 8.2']],
  ['!', [0, 'M0 0V4.8M0 6.9V7']],
  ['?', [4, 'M0 1.5C.2 .5 1 0 2 0C3.2 0 4 .8 4 1.8C4 3.2 2.1 3.2 2.1 4.9M2.1 6.9V7']],
  ["'", [0, 'M0 0V1.6']],
  ['"', [1.4, 'M0 0V1.6M1.4 0V1.6']],
  ['-', [2.6, 'M0 4.2H2.6']],
  ['_', [4, 'M0 7.6H4']],
  ['(', [1.6, 'M1.6 -.6C-.5 2 -.5 5.6 1.6 8.2']],
  [')', [1.6, 'M0 -.6C2.1 2 2.1 5.6 0 8.2']],
  ['/', [3.2, 'M3.2 -.4L0 7.6']],
  ['&', [4.8, 'M4.8 7L1.3 2.4C.5 1.2 1 0 2.2 0C3.4 0 3.9 1.3 3 2.2L1 3.8C-.5 5 0 7 2 7C3.6 7 4.6 5.8 4.8 4']],
  ['+', [4, 'M0 4H4M2 2V6']],
  ['=', [3.6, 'M0 3.2H3.6M0 5.2H3.6']],
  ['#', [4.6, 'M1.6 .4L1 6.6M3.6 .4L3 6.6M.2 2.4H4.6M0 4.6H4.4']],
  [
    '%',
    [
      5,
      'M4.4 0L.6 7M1.2 0A1.2 1.4 0 1 0 1.2 2.8A1.2 1.4 0 1 0 1.2 0M3.8 4.2A1.2 1.4 0 1 0 3.8 7A1.2 1.4 0 1 0 3.8 4.2',
    ],
  ],
  ['·', [0.6, 'M.3 3.9V4']],
  ['…', [4, 'M0 6.9V7M2 6.9V7M4 6.9V7']],
  [' ', [1.6, '']],
]);

/** What is drawn for a character that there is no glyph for: an empty box. */
const box: Glyph = [3.6, 'M0 .6H3.6V7H0Z'];

const gap = 1.7;

/** A line of text as strokes. */
export interface Lettering {
  /** For an SVG `path` with a stroke and no fill. */
  readonly path: string;
  readonly width: number;
}

/**
 * Draws a line of text. Accents are dropped; what has no glyph becomes a box.
 * @param unit - pixels of one unit; a capital is 7 units high
 * @param widest - pixels; a longer text ends in an ellipsis
 */
export function letter(text: string, x: number, y: number, unit: number, widest: number): Lettering {
  const plain = [
    ...text
      .normalize('NFKD')
      .replace(/\p{M}+/gu, '')
      .replace(/[\s\p{C}]+/gu, ' ')
      .replace(/[’‘]/g, "'")
      .trim(),
  ];
  const fits = cut(plain, widest / unit);
  let at = 0;
  const strokes = fits.map((character) => {
    const [width, path] = glyphs.get(character) ?? box;
    const placed = place(path, x + at * unit, y, unit);
    at += width + gap;
    return placed;
  });
  return { path: strokes.join(''), width: Math.max(0, at - gap) * unit };
}

function cut(characters: readonly string[], widest: number): readonly string[] {
  const advance = (character: string): number => (glyphs.get(character) ?? box)[0] + gap;
  const total = characters.reduce((sum, character) => sum + advance(character), -gap);
  if (total <= widest) return characters;
  let room = widest - advance('…');
  const end = characters.findIndex((character) => (room -= advance(character)) < 0);
  return [...characters.slice(0, end), '…'];
}

/** Moves and scales a glyph's path; every command in it is absolute. */
function place(path: string, x: number, y: number, unit: number): string {
  return path.replace(/([MLHVCAZ])([^MLHVCAZ]*)/g, (_, command: string, numbers: string) => {
    const values = (numbers.match(/-?\d*\.?\d+/g) ?? []).map(Number);
    const placed = values.map((value, index) => {
      const kind = kindOf(command, index);
      if (kind === 'flag') return value;
      return Number((value * unit + (kind === 'x' ? x : kind === 'y' ? y : 0)).toFixed(2));
    });
    return command + placed.join(' ');
  });
}

/** What the number at a place of a command is. */
function kindOf(command: string, index: number): 'x' | 'y' | 'length' | 'flag' {
  if (command === 'H') return 'x';
  if (command === 'V') return 'y';
  if (command === 'A') return arc[index]!;
  return index % 2 === 0 ? 'x' : 'y';
}

/** Radii, rotation, two flags, and where the arc ends. */
const arc = ['length', 'length', 'flag', 'flag', 'flag', 'x', 'y'] as const;
