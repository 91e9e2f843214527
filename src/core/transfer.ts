import { unlessAborted } from './clock';

/** The rate that a client must sustain. */
export interface TransferRate {
  /** The average rate. */
  readonly minBytesPerSecond: number;
  /** How far a client may fall behind that rate, in milliseconds of waiting for the client. */
  readonly graceMs: number;
}

/**
 * While all slots are in use, a transfer below this multiple of the minimum rate may be displaced, so that many transfers
 * at the minimum rate cannot block other owners.
 */
const crowdedFactor = 4;

/** One upload or download. Only time spent waiting for the client counts against its rate. */
export class Transfer {
  private readonly ending = new AbortController();
  private allowanceMs: number;
  private bytes = 0;
  private waitedMs = 0;
  private waitingSinceMs: number | null = null;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    readonly owner: string,
    private readonly limits: TransferRate,
    private readonly errors: { tooSlow(): Error },
    private readonly within: Transfer | null,
  ) {
    this.allowanceMs = limits.graceMs;
    const outer = within?.signal;
    if (outer?.aborted) this.end(outer.reason as Error);
    else outer?.addEventListener('abort', () => this.end(outer.reason as Error), { once: true });
  }

  /** Aborted, with the error as its reason, when the client is too slow or the transfer is displaced. */
  get signal(): AbortSignal {
    return this.ending.signal;
  }

  /**
   * Waits for the client to send or receive data.
   * @throws the error of `step`, or the reason of {@link signal}
   */
  async wait<Result>(step: Promise<Result>): Promise<Result> {
    this.beginWait();
    try {
      return await unlessAborted(this.signal, step);
    } finally {
      this.endWait();
    }
  }

  /** Starts counting time against the client. */
  beginWait(): void {
    this.within?.beginWait();
    if (this.waitingSinceMs !== null || this.signal.aborted) return;
    this.waitingSinceMs = performance.now();
    this.timer = setTimeout(() => this.end(this.errors.tooSlow()), this.allowanceMs);
  }

  /** Stops counting time against the client. */
  endWait(): void {
    this.within?.endWait();
    clearTimeout(this.timer);
    if (this.waitingSinceMs === null) return;
    const waitedMs = performance.now() - this.waitingSinceMs;
    this.waitedMs += waitedMs;
    this.allowanceMs = Math.max(0, this.allowanceMs - waitedMs);
    this.waitingSinceMs = null;
  }

  /** Counts bytes that the client has sent or received. */
  count(bytes: number): void {
    this.within?.count(bytes);
    const { graceMs, minBytesPerSecond } = this.limits;
    this.bytes += bytes;
    this.allowanceMs = Math.min(graceMs, this.allowanceMs + (bytes / minBytesPerSecond) * 1_000);
  }

  end(reason: Error): void {
    this.ending.abort(reason);
  }

  /** Bytes per second of waiting for the client. Null: the transfer is fast enough, too new, or not waiting for the client. */
  get slowRate(): number | null {
    if (this.waitingSinceMs === null) return null;
    const waitedMs = this.waitedMs + performance.now() - this.waitingSinceMs;
    if (waitedMs < this.limits.graceMs) return null;
    const rate = (this.bytes / waitedMs) * 1_000;
    return rate < this.limits.minBytesPerSecond * crowdedFactor ? rate : null;
  }
}
