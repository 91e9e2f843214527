import { download, type Download, type DownloadOptions } from './download';
import type { Guard, Trust } from './guard';

/** How much of a file is waited for. */
export type DownloadLimits = Pick<DownloadOptions, 'maxBytes' | 'timeoutMs' | 'signal'>;

/** The same, for a URL of a client. */
export type PhotoDownloadLimits = DownloadLimits & Pick<DownloadOptions, 'owner'>;

/** Photo hosts send on to where the file lies; nobody needs more hops. */
const photoRedirects = 3;

/** What the gateway fetches from addresses that others named, and how far each kind is trusted. */
export class Downloads {
  /** @param trust - hosts of the upstream, which may be private */
  constructor(
    private readonly guard: Guard,
    private readonly trust: Trust,
  ) {}

  /** A photo from an address that a client gave. Throws like {@link download}. */
  photo(url: string, limits: PhotoDownloadLimits): Promise<Download> {
    return download(url, { ...limits, guard: this.guard, redirects: photoRedirects, subject: 'photo' });
  }

  /** A finished picture from an address that the upstream gave; it is where it was said to be, or nowhere. */
  result(url: string, limits: DownloadLimits): Promise<Download> {
    return download(url, {
      ...limits,
      guard: this.guard,
      trust: this.trust,
      redirects: 0,
      subject: 'picture',
    });
  }
}
