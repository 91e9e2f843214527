import type { IncomingHttpHeaders } from 'node:http';
import type { ByteRange } from '../../storage/media-store';

/**
 * The range requested by the headers Range and If-Range (RFC 9110).
 * @returns null for the whole file: no header, not a single byte range, or the file has changed; `unsatisfiable` if the
 * range starts beyond the end
 */
export function readRange(
  headers: IncomingHttpHeaders,
  file: { readonly byteSize: number; readonly etag: string },
): ByteRange | 'unsatisfiable' | null {
  const ifRange = headers['if-range'];
  if (headers.range === undefined || (ifRange !== undefined && ifRange !== file.etag)) return null;
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(headers.range.trim());
  if (!match) return null;
  const [first, last] = [match[1]!, match[2]!];
  if (first === '') return last === '' ? null : suffix(Number(last), file.byteSize);
  return between(Number(first), last === '' ? Infinity : Number(last), file.byteSize);
}

/** Whether an If-None-Match header matches the ETag; weak comparison. */
export function isUnchanged(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const known = ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return known.includes('*') || known.includes(etag.replace(/^W\//, ''));
}

function between(start: number, last: number, byteSize: number): ByteRange | 'unsatisfiable' | null {
  if (last < start) return null;
  return start < byteSize ? { start, end: Math.min(last, byteSize - 1) } : 'unsatisfiable';
}

function suffix(length: number, byteSize: number): ByteRange | 'unsatisfiable' {
  if (length === 0 || byteSize === 0) return 'unsatisfiable';
  return { start: Math.max(byteSize - length, 0), end: byteSize - 1 };
}
