import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { codeOf } from '../core/errors';

/** Why the body of an answer is incomplete. */
export type CutReason = 'too-large' | 'timeout' | 'aborted' | 'reset' | 'encoding';

/** The answer. A 3xx is returned like any other status: redirects are not followed. */
export interface ExchangeAnswer {
  readonly status: number;
  /** By lower-case name; the values of repeated headers are joined with commas. */
  readonly headers: Readonly<Record<string, string>>;
  /** Decompressed; incomplete if `cut` is set. */
  readonly body: Buffer;
  /** Null if the body is complete. */
  readonly cut: CutReason | null;
}

/** Headers by lower-case name; the values of repeated ones are joined with commas. */
export function joined(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) result[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  }
  return result;
}

const inflaters = new Map([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
  ['br', promisify(brotliDecompress)],
]);

/** Decompresses a body that was compressed without a request for it, up to the limit. */
export async function decompressed(
  raw: Buffer,
  headers: Readonly<Record<string, string>>,
  maxBytes: number,
): Promise<Pick<ExchangeAnswer, 'body' | 'cut'>> {
  const encoding = (headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding === 'identity' || encoding === '') return { body: raw, cut: null };
  const inflater = inflaters.get(encoding);
  if (!inflater) return { body: raw, cut: 'encoding' };
  try {
    return { body: await inflater(raw, { maxOutputLength: maxBytes }), cut: null };
  } catch (error) {
    const isTooLarge = codeOf(error) === 'ERR_BUFFER_TOO_LARGE';
    return { body: raw, cut: isTooLarge ? 'too-large' : 'encoding' };
  }
}
