/**
 * A number of units, such as slots or bytes, that many owners use at once. An owner may take more only while it has
 * less than is still free. So one owner alone gets half, two get a third each, and what is left is always enough for an
 * owner that comes next. (Buffers are shared between queues in this way: Choudhury and Hahne, "Dynamic queue length
 * thresholds", 1998.)
 */
export class OwnerShares {
  private readonly taken = new Map<string, number>();
  private freeUnits: number;
  private waiting: (() => void)[] = [];

  /** @param capacity - units in all */
  constructor(capacity: number) {
    this.freeUnits = capacity;
  }

  /** Units that nobody has taken. */
  get free(): number {
    return this.freeUnits;
  }

  /** What each owner has taken; owners without anything are left out. */
  get byOwner(): ReadonlyMap<string, number> {
    return this.taken;
  }

  /**
   * Takes units if the owner's share allows it.
   * @returns whether they were taken
   */
  tryTake(owner: string, units: number): boolean {
    const before = this.taken.get(owner) ?? 0;
    if (units > this.freeUnits || before >= this.freeUnits) return false;
    this.take(owner, units);
    return true;
  }

  /** Takes units whatever the owner has already: the caller has applied the rule. */
  take(owner: string, units: number): void {
    this.taken.set(owner, (this.taken.get(owner) ?? 0) + units);
    this.freeUnits -= units;
  }

  /** Returns units that were taken. */
  release(owner: string, units: number): void {
    const left = (this.taken.get(owner) ?? 0) - units;
    if (left > 0) this.taken.set(owner, left);
    else this.taken.delete(owner);
    this.freeUnits += units;
    for (const resume of this.waiting.splice(0)) resume();
  }

  /** Returns once a unit is free, or the signal is aborted. */
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
