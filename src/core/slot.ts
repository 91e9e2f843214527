import type { OwnerShares } from './owner-shares';

/** A unit of the shares of an owner that work uses while it runs. */
export class Slot {
  private constructor(
    private shares: OwnerShares,
    private readonly owner: string,
  ) {}

  /** Takes a slot without checking the owner's share, which the caller has done. */
  static take(shares: OwnerShares, owner: string): Slot {
    shares.acquire(owner, 1);
    return new Slot(shares, owner);
  }

  /**
   * Exchanges the slot for one of other shares, if the owner's share of these allows it.
   * @returns whether the slot is one of them
   */
  moveTo(other: OwnerShares): boolean {
    if (other === this.shares) return true;
    if (!other.tryAcquire(this.owner, 1)) return false;
    this.release();
    this.shares = other;
    return true;
  }

  /** Releases the slot. Call it once. */
  release(): void {
    this.shares.release(this.owner, 1);
  }
}
