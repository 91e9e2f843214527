import type { Logger } from './logger';

/** Errors that were reported as part of an outage. */
const reported = new WeakSet();

/** What the log says about an outage. */
export interface OutageMessages {
  readonly begin: string;
  readonly end: string;
}

/** How long there must be no failure before an outage counts as over, in milliseconds. */
const quietMs = 2_000;

/**
 * Logs an outage of a dependency once in all, and its end, with its duration and the number of failures. Parts that see a failure
 * of it log at debug: see {@link levelOf}.
 */
export class OutageLog {
  private beganMs: number | null = null;
  private lastMs = 0;
  private failures = 0;

  constructor(
    private readonly logger: Logger,
    private readonly messages: OutageMessages,
  ) {}

  /** The dependency could not be used. */
  failed(error: Error): void {
    reported.add(error);
    this.lastMs = performance.now();
    this.failures += 1;
    if (this.beganMs !== null) return;
    this.beganMs = this.lastMs;
    this.logger.warn({ err: error }, this.messages.begin);
  }

  /** The dependency could be used. */
  succeeded(): void {
    if (this.beganMs === null || performance.now() - this.lastMs < quietMs) return;
    const seconds = Math.round((this.lastMs - this.beganMs) / 1_000);
    this.logger.info({ seconds, failures: this.failures }, this.messages.end);
    this.beganMs = null;
    this.failures = 0;
  }
}

/** The level at which a part logs a failure: debug if an {@link OutageLog} has reported its error, or a cause of it. */
export function levelOf<Level extends 'warn' | 'info' | 'error'>(
  error: unknown,
  level: Level,
): Level | 'debug' {
  for (let link = error; link instanceof Error; link = link.cause) if (reported.has(link)) return 'debug';
  return level;
}
