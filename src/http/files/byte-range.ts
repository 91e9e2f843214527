import type { IncomingHttpHeaders } from 'node:http';
import type { RangeRequest } from '../../storage/media-store';

/**
 * The range requested by the headers Range and If-Range (RFC 9110).
 * @returns undefined for the whole file: no header, not a single byte range, or the file has changed
 */
export function readRange(headers: IncomingHttpHeaders, etag: string): RangeRequest | undefined {
  const { range, 'if-range': ifRange = etag } = headers;
  return range === undefined || ifRange !== etag ? undefined : parseRange(range.trim());
}

function parseRange(text: string): RangeRequest | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(text);
  if (!match) return undefined;
  const [first, last] = [match[1]!, match[2]!];
  if (first === '') return last === '' ? undefined : { suffix: Number(last) };
  const range = { start: Number(first), end: last === '' ? Infinity : Number(last) };
  return range.end < range.start ? undefined : range;
}

/** Whether an If-None-Match header matches the ETag; weak comparison. */
export function isUnchanged(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const known = ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return known.includes('*') || known.includes(etag.replace(/^W\//, ''));
}
