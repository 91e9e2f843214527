import { OwnerShares } from './owner-shares';
import { equalWeights, type OwnerWeights } from './owner-weights';
import { Transfer, type TransferRate } from './transfer';

/** Limits of uploads or downloads. */
export interface TransferLimits extends TransferRate {
  /** Maximum number of concurrent transfers. */
  readonly maxTransfers: number;
  /** Maximum number of concurrent transfers per owner. */
  readonly maxPerOwner: number;
  /** @defaultValue all owners have weight 1 */
  readonly weights?: OwnerWeights;
  /**
   * How transfers wait for a slot.
   * @defaultValue they are refused at once
   */
  readonly queue?: TransferQueue;
}

/** The limits of transfers that wait. */
interface TransferQueue {
  /** Maximum number of transfers that wait, shared between owners by {@link OwnerShares}. */
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
  /** Called at the end of each wait. @defaultValue none */
  readonly onWaited?: (outcome: WaitOutcome) => void;
}

/** How a wait ended: with a slot, or without one. */
export type WaitOutcome = 'started' | 'refused';

/** A transfer that waits for a slot. */
interface Waiting {
  readonly transfer: Transfer;
  readonly resume: () => void;
  readonly refuse: () => void;
}

/** How often a slot is looked for while transfers wait, besides when one ends: a running one may have become slow. */
const displaceEveryMs = 1_000;

/** The errors with which transfers are refused or aborted. */
export interface TransferErrors {
  tooSlow(): Error;
  /** The owner has the maximum number of transfers. */
  ownerFull(): Error;
  full(): Error;
  /** The transfer was too slow while another owner needed its slot. */
  displaced(): Error;
}

/**
 * Limits concurrent transfers. A client that falls behind the minimum rate is disconnected. While all slots are in use,
 * a new transfer displaces a slow one of an owner that has more transfers than the new transfer's owner; it displaces the
 * slowest transfer of the owner with the most. What an owner has is divided by its weight.
 *
 * With a queue, further transfers wait for a limited time. A free slot goes to the owner that has the fewest, divided by its
 * weight, and among equal ones to the one that was served least recently; transfers of one owner are served in order.
 */
export class TransferSlots {
  private readonly running = new Set<Transfer>();
  /** Those that wait, by owner. An owner that was served moves to the end. */
  private readonly waiting = new Map<string, Waiting[]>();
  private readonly places: OwnerShares;
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;

  constructor(
    private readonly limits: TransferLimits,
    private readonly errors: TransferErrors,
  ) {
    this.places = new OwnerShares(limits.queue?.maxWaiting ?? 0, limits.weights);
  }

  /**
   * Runs `work` when a slot is available. `work` must end when the transfer's signal is aborted.
   * @param within - the same transfer in other slots, which has what this one has: its waits, its bytes, and its end
   * @throws one of {@link TransferErrors}; immediately if no slot is available and none may be waited for
   */
  async run<Result>(
    owner: string,
    work: (transfer: Transfer) => Promise<Result>,
    within: Transfer | null = null,
  ): Promise<Result> {
    const transfer = new Transfer(owner, this.limits, this.errors, within);
    // Its slot is free as soon as it must end.
    transfer.signal.addEventListener('abort', () => this.running.delete(transfer), { once: true });
    if (this.mustWait(owner) || !this.tryEnter(transfer)) await this.turn(transfer);
    try {
      return await work(transfer);
    } finally {
      transfer.endWait();
      this.leave(transfer);
    }
  }

  /** The number of transfers that have a slot. */
  get runningCount(): number {
    return this.running.size;
  }

  /** The number of transfers that wait for one. */
  get waitingCount(): number {
    return [...this.waiting.values()].flat().length;
  }

  /** Whether others that wait come first. */
  private mustWait(owner: string): boolean {
    const isFull = this.running.size >= this.limits.maxTransfers;
    return this.waiting.has(owner) || (isFull && this.waiting.size > 0);
  }

  /** Refuses those that wait, and lets none wait from now on. Those that run continue. */
  stop(): void {
    this.isStopped = true;
    for (const { refuse } of [...this.waiting.values()].flat()) refuse();
  }

  private tryEnter(transfer: Transfer): boolean {
    const { maxTransfers } = this.limits;
    if (this.isOwnerFull(transfer.owner)) return false;
    if (this.running.size >= maxTransfers && !this.displaceFor(transfer.owner)) return false;
    this.running.add(transfer);
    return true;
  }

  private leave(transfer: Transfer): void {
    this.running.delete(transfer);
    this.resumeWaiting();
  }

  /** Resolves when the transfer has a slot. */
  private turn(transfer: Transfer): Promise<void> {
    const { owner } = transfer;
    const { queue } = this.limits;
    if (this.isStopped || !this.places.tryAcquire(owner, 1)) throw this.refusal(owner);
    return new Promise((resolve, reject) => {
      const refuse = (): void => {
        clearTimeout(timer);
        this.forget(entry);
        queue!.onWaited?.('refused');
        reject(this.refusal(owner));
      };
      const timer = setTimeout(refuse, queue!.maxWaitMs);
      const resume = (): void => {
        clearTimeout(timer);
        queue!.onWaited?.('started');
        resolve();
      };
      const entry = { transfer, resume, refuse };
      this.waiting.set(owner, [...(this.waiting.get(owner) ?? []), entry]);
      this.timer ??= setInterval(() => this.resumeWaiting(), displaceEveryMs).unref();
      this.resumeWaiting();
    });
  }

  private forget(entry: Waiting): void {
    const { owner } = entry.transfer;
    const others = this.waiting.get(owner)!.filter((each) => each !== entry);
    if (others.length > 0) this.waiting.set(owner, others);
    else this.waiting.delete(owner);
    this.places.release(owner, 1);
    if (this.waiting.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private resumeWaiting(): void {
    while (this.resumeNext());
  }

  /** @returns whether a transfer was resumed */
  private resumeNext(): boolean {
    const owners = [...this.waiting.keys()]
      .map((owner) => ({ owner, share: this.shareOf(owner) }))
      .sort((one, other) => one.share - other.share);
    for (const { owner } of owners) {
      const [first, ...others] = this.waiting.get(owner)!;
      if (!this.tryEnter(first!.transfer)) continue;
      this.forget(first!);
      this.waiting.delete(owner);
      if (others.length > 0) this.waiting.set(owner, others);
      first!.resume();
      return true;
    }
    return false;
  }

  private refusal(owner: string): Error {
    return this.isOwnerFull(owner) && !this.isStopped ? this.errors.ownerFull() : this.errors.full();
  }

  private isOwnerFull(owner: string): boolean {
    return this.countOf(owner) >= this.limits.maxPerOwner;
  }

  /** Ends a slow transfer of an owner that has more than this one, and takes its slot. */
  private displaceFor(owner: string): boolean {
    const own = this.shareOf(owner);
    const [first] = [...this.running]
      .map((transfer) => ({ transfer, rate: transfer.slowRate, share: this.shareOf(transfer.owner) }))
      .filter(({ rate, share }) => rate !== null && share > own)
      .sort((one, other) => other.share - one.share || one.rate! - other.rate!);
    if (!first) return false;
    first.transfer.end(this.errors.displaced());
    return true;
  }

  private shareOf(owner: string): number {
    return this.countOf(owner) / (this.limits.weights ?? equalWeights).of(owner);
  }

  private countOf(owner: string): number {
    let count = 0;
    for (const transfer of this.running) if (transfer.owner === owner) count += 1;
    return count;
  }
}
