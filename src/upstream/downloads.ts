import { download, type Download, type DownloadOptions } from './download';
import type { Guard } from './guard';
import type { AvatarProvider } from './provider';

/** Limits of a download. */
export type DownloadLimits = Pick<DownloadOptions, 'maxBytes' | 'timeoutMs' | 'signal'>;

/** Limits of a download from a client's URL. */
export type PhotoDownloadLimits = DownloadLimits & Pick<DownloadOptions, 'owner'>;

/** The answer to the download of a finished picture, whether it has the picture or not. */
export interface ResultAnswer {
  readonly httpStatus: number;
  /** The upstream's id of the exchange, for support requests; null if the answer has none. */
  readonly correlationId: string | null;
}

/** Limits of the download of a finished picture. */
export interface ResultDownloadOptions extends DownloadLimits {
  /** Called when the answer begins, before its body is read or refused. @defaultValue none */
  onAnswer?: (answer: ResultAnswer) => void;
}

/** Maximum number of redirects of photo hosts. */
const photoRedirects = 3;

/** Downloads from URLs of clients and of the upstream, each with its trust. */
export class Downloads {
  /** @param provider - knows the hosts of the upstream, which may be private, and the ids in its answers */
  constructor(
    private readonly guard: Guard,
    private readonly provider: Pick<AvatarProvider, 'trustsHost' | 'correlationIdOf'>,
  ) {}

  /** Downloads a photo from a client's URL. Throws like {@link download}. */
  photo(url: string, limits: PhotoDownloadLimits): Promise<Download> {
    return download(url, { ...limits, guard: this.guard, redirects: photoRedirects, subject: 'photo' });
  }

  /** Downloads a finished picture from the upstream's URL, without redirects. */
  result(url: string, { onAnswer, ...limits }: ResultDownloadOptions): Promise<Download> {
    return download(url, {
      ...limits,
      guard: this.guard,
      trust: (hostname) => this.provider.trustsHost(hostname),
      redirects: 0,
      subject: 'picture',
      onAnswer: (httpStatus, headers) =>
        onAnswer?.({ httpStatus, correlationId: this.provider.correlationIdOf(headers) }),
    });
  }
}

/** Limits for slow hosts. */
export interface SlowHostLimits {
  /** A download that takes longer makes its host slow for its owner, in milliseconds. */
  slowMs: number;
  /** Maximum concurrent downloads of one owner from a slow host. */
  maxDownloads: number;
}

interface Host {
  running: number;
  isSlow: boolean;
}

/** Maximum number of slow hosts to remember without running downloads; the oldest are dropped first. */
const maxRemembered = 1_000;

/**
 * Limits concurrent downloads from each slow host, so that it does not block downloads from other hosts. A host is
 * slow from the first download that exceeds the limit until one ends in time. Tracked per owner: one owner's URLs
 * on a shared host must not affect another's.
 */
export class SlowHosts {
  private readonly hosts = new Map<string, Host>();

  constructor(private readonly limits: SlowHostLimits) {}

  /**
   * Starts a download.
   * @returns a function to call when it has ended, or null if it must not start now
   */
  begin(owner: string, url: string): (() => void) | null {
    const key = JSON.stringify([owner, URL.canParse(url) ? new URL(url).host : url]);
    const host = this.hosts.get(key) ?? { running: 0, isSlow: false };
    if (host.isSlow && host.running >= this.limits.maxDownloads) return null;
    host.running += 1;
    this.hosts.set(key, host);
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      host.isSlow = true;
    }, this.limits.slowMs);
    return () => {
      clearTimeout(timer);
      host.running -= 1;
      if (!isLate) host.isSlow = false;
      this.tidy(key, host);
    };
  }

  private tidy(key: string, host: Host): void {
    if (host.running > 0) return;
    this.hosts.delete(key);
    if (!host.isSlow) return;
    this.hosts.set(key, host);
    for (const [oldest, { running }] of this.hosts) {
      if (this.hosts.size <= maxRemembered) return;
      if (running === 0) this.hosts.delete(oldest);
    }
  }
}
