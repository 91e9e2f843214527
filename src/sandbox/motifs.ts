import type { Mood } from './looks';
import { colourOf } from './pixels';

/** Draws something around the face, in an SVG of 512 units a side; the middle is left free. */
type Motif = (colour: string, random: () => number) => string;

const rays: Motif = (colour, random) => {
  const count = 20;
  const turn = random() * 18;
  const wedge = (index: number): string => {
    const from = ((index * 360) / count + turn) * (Math.PI / 180);
    const to = from + Math.PI / count;
    return `M${spot(from, 150)}L${spot(from, 520)}L${spot(to, 520)}L${spot(to, 150)}Z`;
  };
  const wedges = Array.from({ length: count }, (_, index) => wedge(index));
  return `<radialGradient id="fade" gradientUnits="userSpaceOnUse" cx="256" cy="240" r="360">
      <stop offset=".5" stop-color="${colour}" stop-opacity="0"/><stop offset="1" stop-color="${colour}" stop-opacity=".85"/>
    </radialGradient><path d="${wedges.join('')}" fill="url(#fade)"/>`;
};

const bubbles: Motif = (colour, random) =>
  scattered(26, random)
    .map(
      ([x, y]) =>
        `<circle cx="${x}" cy="${y}" r="${(6 + random() * 22).toFixed(1)}" fill="${colour}" fill-opacity="${(0.18 + random() * 0.4).toFixed(2)}"/>`,
    )
    .join('');

const stars: Motif = (colour, random) =>
  scattered(24, random)
    .map(([x, y]) => {
      const r = 6 + random() * 13;
      const s = r * 0.22;
      return `<path d="M${x} ${y - r}L${x + s} ${y - s}L${x + r} ${y}L${x + s} ${y + s}L${x} ${y + r}L${x - s} ${y + s}L${x - r} ${y}L${x - s} ${y - s}Z" fill="${colour}" fill-opacity=".85"/>`;
    })
    .join('');

const rings: Motif = (colour, random) => {
  const widths = [252, 276, 304, 336].map((radius) => ({ radius, width: 3 + random() * 8 }));
  return widths
    .map(
      ({ radius, width }) =>
        `<circle cx="256" cy="240" r="${radius}" fill="none" stroke="${colour}" stroke-opacity=".6" stroke-width="${width.toFixed(1)}"/>`,
    )
    .join('');
};

const frame: Motif = (colour) =>
  `<rect x="12" y="12" width="488" height="488" rx="6" fill="none" stroke="${colour}" stroke-width="4"/>
   <rect x="21" y="21" width="470" height="470" rx="3" fill="none" stroke="${colour}" stroke-opacity=".6" stroke-width="1.5"/>`;

const motifs: readonly Motif[] = [rays, bubbles, stars, rings, frame];

/** Styles that look best with nothing around, or only with a frame. */
const plain: ReadonlySet<string> = new Set(['realistic', 'noir']);

/** Styles that are full of the prompt's colour already, so that its partner is seen better. */
const bright: ReadonlySet<string> = new Set(['pop-art', 'neon']);

/** What this prompt's pictures have around the face. */
export function motif(style: string, { hue, accent, random }: Mood): string {
  const chosen = plain.has(style) ? frame : motifs[(hue + accent) % motifs.length]!;
  const isBright = bright.has(style);
  const [red, green, blue] = colourOf(isBright ? accent : hue, plain.has(style) ? 0.2 : 0.8, 0.7).map(
    Math.round,
  );
  return chosen(`rgb(${red},${green},${blue})`, random);
}

/** Places outside the oval in the middle. */
function scattered(count: number, random: () => number): [number, number][] {
  return Array.from({ length: count }, () => {
    const angle = random() * Math.PI * 2;
    const away = 205 + random() * 130;
    return [Math.round(256 + Math.cos(angle) * away), Math.round(240 + Math.sin(angle) * away)];
  });
}

function spot(angle: number, radius: number): string {
  return `${(256 + Math.cos(angle) * radius).toFixed(1)} ${(240 + Math.sin(angle) * radius).toFixed(1)}`;
}
