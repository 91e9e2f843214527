import { equalWeights, type OwnerWeights } from './owner-weights';

/**
 * Shares a number of units, such as slots or bytes, between owners. An owner may take more only while it has fewer than
 * are still free, or than its weight times that. A single owner gets half of the capacity, two owners get a third each, and
 * the rest remains available for the next owner; an owner of weight 3 gets three quarters, but not the last unit. (The same
 * rule shares buffers between queues: Choudhury and Hahne, "Dynamic queue length thresholds", 1998.)
 */
export class OwnerShares {
  private readonly taken = new Map<string, number>();
  private freeUnits: number;
  private waiting: (() => void)[] = [];

  /** @param capacity - the total number of units */
  constructor(
    capacity: number,
    private readonly weights: OwnerWeights = equalWeights,
  ) {
    this.freeUnits = capacity;
  }

  /** Units that are not in use. */
  get free(): number {
    return this.freeUnits;
  }

  /** Units in use by owner; owners without units are omitted. */
  get byOwner(): ReadonlyMap<string, number> {
    return this.taken;
  }

  /**
   * Takes units if the owner's share allows it.
   * @returns whether they were taken
   */
  tryAcquire(owner: string, units: number): boolean {
    const before = this.taken.get(owner) ?? 0;
    const weight = this.weights.of(owner);
    if (units > this.freeUnits || before >= weight * this.freeUnits) return false;
    if (weight > 1 && before > 0 && this.freeUnits < 2 * units) return false;
    this.acquire(owner, units);
    return true;
  }

  /** Takes units without checking the owner's share, which the caller has done. */
  acquire(owner: string, units: number): void {
    this.taken.set(owner, (this.taken.get(owner) ?? 0) + units);
    this.freeUnits -= units;
  }

  /** Releases units that were taken. */
  release(owner: string, units: number): void {
    const left = (this.taken.get(owner) ?? 0) - units;
    if (left > 0) this.taken.set(owner, left);
    else this.taken.delete(owner);
    this.freeUnits += units;
    for (const resume of this.waiting.splice(0)) resume();
  }

  /** Resolves when a unit is free or the signal is aborted. */
  async whenFree(signal: AbortSignal): Promise<void> {
    while (this.freeUnits <= 0 && !signal.aborted) {
      let resume: () => void = () => undefined;
      const resumed = new Promise<void>((resolve) => (resume = resolve));
      this.waiting.push(resume);
      signal.addEventListener('abort', resume, { once: true });
      await resumed;
      signal.removeEventListener('abort', resume);
    }
  }
}
