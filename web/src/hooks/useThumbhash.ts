import { useMemo } from 'react';
import { thumbHashToDataURL } from 'thumbhash';

/** A blurred picture to show until the real one has loaded, as a data URL. */
export function useThumbhash(hash: string): string {
  return useMemo(() => thumbHashToDataURL(Uint8Array.from(atob(hash), (char) => char.charCodeAt(0))), [hash]);
}
