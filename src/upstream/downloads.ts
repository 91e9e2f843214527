import { download, type Download, type DownloadOptions } from './download';
import type { Guard, Trust } from './guard';

/** Limits of a download. */
export type DownloadLimits = Pick<DownloadOptions, 'maxBytes' | 'timeoutMs' | 'signal'>;

/** Limits of a download from a client's URL. */
export type PhotoDownloadLimits = DownloadLimits & Pick<DownloadOptions, 'owner'>;

/** Maximum number of redirects of photo hosts. */
const photoRedirects = 3;

/** Downloads from URLs of clients and of the upstream, each with its trust. */
export class Downloads {
  /** @param trust - hosts of the upstream, which may be private */
  constructor(
    private readonly guard: Guard,
    private readonly trust: Trust,
  ) {}

  /** Downloads a photo from a client's URL. Throws like {@link download}. */
  photo(url: string, limits: PhotoDownloadLimits): Promise<Download> {
    return download(url, { ...limits, guard: this.guard, redirects: photoRedirects, subject: 'photo' });
  }

  /** Downloads a finished picture from the upstream's URL, without redirects. */
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
