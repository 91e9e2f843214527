/** Bounds of transfers of one kind. */
export interface TransferLimits {
  /** How many may run at once. */
  readonly maxTransfers: number;
  /** How many of them may be of one owner. */
  readonly maxPerOwner: number;
  /** The rate that a client must keep on average. */
  readonly minBytesPerSecond: number;
  /** How far a client may fall behind that rate, in milliseconds of waiting for it: its first pause, and any later one. */
  readonly graceMs: number;
}

/** What transfers are refused or ended with. */
export interface TransferErrors {
  tooSlow(): Error;
  /** The owner has as many as it may. */
  ownerFull(): Error;
  full(): Error;
  /** A slow transfer has given its place to another owner. */
  displaced(): Error;
}

/**
 * While all places are taken, a transfer of less than so many times the minimum rate may lose its place. So a flood of
 * transfers at the minimum rate keeps nobody else out.
 */
const crowdedFactor = 4;

/** The bytes of one client under way. Only the time spent waiting for the client counts against it. */
export class Transfer {
  private readonly ending = new AbortController();
  private allowanceMs: number;
  private bytes = 0;
  private waitedMs = 0;
  private waitingSinceMs: number | null = null;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    readonly owner: string,
    private readonly limits: TransferLimits,
    private readonly errors: Pick<TransferErrors, 'tooSlow'>,
  ) {
    this.allowanceMs = limits.graceMs;
  }

  /** Aborted, with the error as its reason, when the client is too slow or has lost its place. */
  get signal(): AbortSignal {
    return this.ending.signal;
  }

  /**
   * Waits for the client to send or take something.
   * @throws what `step` throws; the reason of {@link signal}
   */
  async wait<Result>(step: Promise<Result>): Promise<Result> {
    this.beginWait();
    let onAbort: () => void = () => undefined;
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(this.signal.reason as Error);
      if (this.signal.aborted) onAbort();
      else this.signal.addEventListener('abort', onAbort);
    });
    try {
      return await Promise.race([step, aborted]);
    } finally {
      this.signal.removeEventListener('abort', onAbort);
      this.endWait();
    }
  }

  /** From now on it is the client's turn. */
  beginWait(): void {
    if (this.waitingSinceMs !== null || this.signal.aborted) return;
    this.waitingSinceMs = performance.now();
    this.timer = setTimeout(() => this.end(this.errors.tooSlow()), this.allowanceMs);
  }

  /** It is not the client's turn any longer. */
  endWait(): void {
    clearTimeout(this.timer);
    if (this.waitingSinceMs === null) return;
    const waitedMs = performance.now() - this.waitingSinceMs;
    this.waitedMs += waitedMs;
    this.allowanceMs = Math.max(0, this.allowanceMs - waitedMs);
    this.waitingSinceMs = null;
  }

  /** Counts bytes that the client has sent or taken. */
  count(bytes: number): void {
    const { graceMs, minBytesPerSecond } = this.limits;
    this.bytes += bytes;
    this.allowanceMs = Math.min(graceMs, this.allowanceMs + (bytes / minBytesPerSecond) * 1_000);
  }

  end(reason: Error): void {
    this.ending.abort(reason);
  }

  /** In bytes a second of waiting for the client; null if it may not be judged: it is too new, or not its turn. */
  get slowRate(): number | null {
    if (this.waitingSinceMs === null) return null;
    const waitedMs = this.waitedMs + performance.now() - this.waitingSinceMs;
    if (waitedMs < this.limits.graceMs) return null;
    const rate = (this.bytes / waitedMs) * 1_000;
    return rate < this.limits.minBytesPerSecond * crowdedFactor ? rate : null;
  }
}

/**
 * Places for transfers of one kind. A client that falls behind the minimum rate is cut off. While all places are taken,
 * a slow transfer of an owner that has more of them than the newcomer's gives its place to the newcomer: of the owner
 * that has the most, the slowest.
 */
export class TransferSlots {
  private readonly running = new Set<Transfer>();

  constructor(
    private readonly limits: TransferLimits,
    private readonly errors: TransferErrors,
  ) {}

  /**
   * Runs `work`, which must end when the transfer's signal is aborted, if there is a place.
   * @throws what the errors of this kind say, at once if there is no place
   */
  async run<Result>(owner: string, work: (transfer: Transfer) => Promise<Result>): Promise<Result> {
    const { maxTransfers, maxPerOwner } = this.limits;
    const own = this.countOf(owner);
    if (own >= maxPerOwner) throw this.errors.ownerFull();
    if (this.running.size >= maxTransfers && !this.displaceFor(own)) throw this.errors.full();
    const transfer = new Transfer(owner, this.limits, this.errors);
    this.running.add(transfer);
    try {
      return await work(transfer);
    } finally {
      transfer.endWait();
      this.running.delete(transfer);
    }
  }

  private displaceFor(own: number): boolean {
    const [first] = [...this.running]
      .map((transfer) => ({ transfer, rate: transfer.slowRate, count: this.countOf(transfer.owner) }))
      .filter(({ rate, count }) => rate !== null && count > own)
      .sort((one, other) => other.count - one.count || one.rate! - other.rate!);
    if (!first) return false;
    this.running.delete(first.transfer);
    first.transfer.end(this.errors.displaced());
    return true;
  }

  private countOf(owner: string): number {
    let count = 0;
    for (const transfer of this.running) if (transfer.owner === owner) count += 1;
    return count;
  }
}
