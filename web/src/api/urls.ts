import { reachableUrl } from '../../../src/client/reachable-url.ts';
import { serverNow } from './serverClock';

/** A URL of the API as this page may load it, which may have been opened at another name of the same machine. */
export const loadableUrl = (url: string): string => reachableUrl(url, location.origin);

/** Whether a signed URL is no longer valid. */
export function isExpiredUrl(url: string): boolean {
  const expires = Number(new URL(url, location.origin).searchParams.get('expires'));
  return expires > 0 && expires * 1_000 < serverNow();
}
