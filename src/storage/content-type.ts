/** Of which bytes, in Latin-1, objects begin. */
const signatures: readonly (readonly [contentType: string, start: RegExp])[] = [
  ['image/jpeg', /^\xff\xd8\xff/],
  ['image/png', /^\x89PNG/],
  ['image/webp', /^RIFF[^]{4}WEBP/],
  ['image/avif', /^[^]{4}ftypavi[fs]/],
];

/** The media type of a picture with these first bytes; that of any bytes if it is not recognised. */
export function contentTypeOf(start: Uint8Array): string {
  const text = Buffer.from(start.subarray(0, 12)).toString('latin1');
  return signatures.find(([, pattern]) => pattern.test(text))?.[0] ?? 'application/octet-stream';
}
