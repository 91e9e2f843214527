import type { Logger } from '../core/logger';

/** How many different origins are logged in each period, and its length in milliseconds. */
const maxLogged = 10;
const periodMs = 60_000;

/** Longer origins are cut in the log. */
const maxLength = 200;

/**
 * Logs each refused origin once a minute, at most 10 different ones; the number of the others is in the next line. Pages
 * cannot flood the log.
 */
export class RefusedOrigins {
  private readonly logged = new Set<string>();
  private startedMs = -Infinity;
  private unlogged = 0;

  /** @param onRefused - called for each refused request */
  constructor(
    private readonly logger: Logger,
    private readonly onRefused: () => void = () => undefined,
  ) {}

  /** @param origin - as the client has sent it; undefined if the browser sent only that the request is from another site */
  add(origin = 'unknown'): void {
    this.onRefused();
    const nowMs = performance.now();
    if (nowMs - this.startedMs >= periodMs) {
      this.logged.clear();
      this.startedMs = nowMs;
    }
    const name = origin.slice(0, maxLength);
    if (this.logged.has(name) || this.logged.size >= maxLogged) {
      this.unlogged += 1;
      return;
    }
    this.logged.add(name);
    this.logger.warn(
      { origin: name, ...(this.unlogged > 0 && { refusedBefore: this.unlogged }) },
      'requests of an origin are refused; add it to CORS_ORIGINS if it is yours',
    );
    this.unlogged = 0;
  }
}
