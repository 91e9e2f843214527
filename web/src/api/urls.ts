import { reachableUrl } from '../../../src/client/reachable-url.ts';

/** A URL of the API as this page may load it, which may have been opened at another name of the same machine. */
export const loadableUrl = (url: string): string => reachableUrl(url, location.origin);
