import type { ProviderStyle } from '../provider';

/** The styles of the sandbox; each id is implemented in src/sandbox/picture.ts. */
export const sandboxStyles: readonly ProviderStyle[] = [
  {
    id: 'realistic',
    name: 'Realistic',
    description: 'The photo itself, lit and framed like a studio portrait.',
  },
  { id: 'anime', name: 'Anime', description: 'Flat bands of strong colour inside inked outlines.' },
  { id: 'watercolor', name: 'Watercolor', description: 'Wet edges on grained paper.' },
  { id: 'noir', name: 'Noir', description: 'Black and white, with hard light through a blind.' },
  { id: 'pop-art', name: 'Pop Art', description: 'Four flat inks and a screen of dots.' },
  { id: 'pixel', name: 'Pixel', description: 'Sixty-four cells a side, as on an old console.' },
  { id: 'sketch', name: 'Sketch', description: 'Pencil on toned paper.' },
  { id: 'neon', name: 'Neon', description: 'Glowing outlines on a dark street.' },
];
