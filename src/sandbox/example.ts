import sharp from 'sharp';
import { makePicture } from './picture';

/** Pixels of a side. */
const size = 512;

/** A drawn face, since an example must not show a person. */
const drawing = `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 512 512">
  <linearGradient id="b" x2="0" y2="1"><stop stop-color="#a9c4d8"/><stop offset="1" stop-color="#6b8196"/></linearGradient>
  <path d="M0 0h512v512h-512z" fill="url(#b)"/>
  <ellipse cx="256" cy="500" rx="190" ry="130" fill="#44638f"/>
  <path d="M218 330h76v90q-38 34-76 0z" fill="#c98f6b"/>
  <ellipse cx="256" cy="205" rx="126" ry="138" fill="#4a2f1d"/>
  <ellipse cx="256" cy="243" rx="100" ry="128" fill="#dda37c"/>
  <path d="M154 226q-6-118 102-120 108 2 102 120-28-66-102-64-74-2-102 64z" fill="#4a2f1d"/>
  <g fill="#fff"><ellipse cx="216" cy="232" rx="19" ry="12"/><ellipse cx="296" cy="232" rx="19" ry="12"/></g>
  <g fill="#2e2018"><circle cx="216" cy="232" r="9"/><circle cx="296" cy="232" r="9"/></g>
  <g fill="none" stroke-linecap="round" stroke-width="7">
    <path d="M194 206q22-13 44-2M274 204q22-11 44 2" stroke="#4a2f1d"/>
    <path d="M256 244l-12 42h22" stroke="#b87a56"/>
    <path d="M218 318q38 28 76 0" stroke="#a8483f"/>
  </g>
</svg>`;

/**
 * Makes the example picture of a style: a JPEG of a drawing, with the sandbox mark. Equal styles give equal bytes.
 * @throws Error if the style is unknown
 */
export async function makeExample(style: string): Promise<Buffer> {
  const source = await sharp(Buffer.from(drawing)).png().toBuffer();
  return makePicture({ source, style, prompt: '', variant: 0, size });
}
