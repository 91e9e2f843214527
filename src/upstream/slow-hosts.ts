/** When a host counts as slow, and what that means. */
export interface SlowHostLimits {
  /** A download that takes longer makes its host slow for its owner, in milliseconds. */
  slowMs: number;
  /** The most downloads at once of one owner from a host that is slow. */
  maxDownloads: number;
}

interface Host {
  running: number;
  isSlow: boolean;
}

/** How many hosts without running downloads are remembered as slow; the oldest are forgotten first. */
const maxRemembered = 1_000;

/**
 * Gives each slow host a small share of the downloads at once, so that it does not occupy what other hosts could use. A
 * host is slow from the first download that takes long until one ends in time. Counted for each owner: one owner's URLs
 * on a shared host say nothing about another's.
 */
export class SlowHosts {
  private readonly hosts = new Map<string, Host>();

  constructor(private readonly limits: SlowHostLimits) {}

  /**
   * Begins a download.
   * @returns what must be called when it has ended, or null if it must not begin now
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
