import { PicsartProvider, type PicsartProviderOptions } from '../picsart/picsart-provider';
import type { AvatarProvider, ProviderStyle } from '../provider';

/** Options of {@link SandboxProvider}. `speed` must be the sandbox's speed. */
export type SandboxProviderOptions = Omit<PicsartProviderOptions, 'name' | 'styles'> &
  Pick<AvatarProvider, 'drawExample'>;

/** The sandbox as a provider: Picsart's wire format with the sandbox's styles. */
export class SandboxProvider extends PicsartProvider {
  readonly drawExample: AvatarProvider['drawExample'];

  constructor({ drawExample, ...options }: SandboxProviderOptions) {
    super({ ...options, name: 'sandbox', styles: sandboxStyles });
    this.drawExample = drawExample;
  }
}

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
