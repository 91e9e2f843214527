import { AsyncLocalStorage } from 'node:async_hooks';
import { OwnerShares } from './owner-shares';
import type { OwnerWeights } from './owner-weights';

/** The turn that the running task has. */
interface Turn {
  leave(): void;
  enter(): Promise<void>;
}

const present = new AsyncLocalStorage<Turn>();

/** Runs work that needs no slot, such as a request to another server, while other tasks use that of the running task. */
export async function withoutTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  const turn = present.getStore();
  if (!turn) return work();
  turn.leave();
  try {
    return await work();
  } finally {
    await turn.enter();
  }
}

/**
 * Runs at most `capacity` tasks at once, shared between owners by {@link OwnerShares}: a single owner uses at most half of
 * them. The others wait; owners are served in turn, and the tasks of one owner in order of arrival.
 */
export class OwnerTurns {
  private readonly shares: OwnerShares;
  /** Those that wait, by owner. An owner that was served moves to the end. */
  private readonly waiting = new Map<string, (() => void)[]>();

  constructor(capacity: number, weights?: OwnerWeights) {
    this.shares = new OwnerShares(capacity, weights);
  }

  async run<Result>(owner: string, work: () => Result | Promise<Result>): Promise<Result> {
    const turn = { leave: () => this.leave(owner), enter: () => this.enter(owner) };
    if (!this.tryEnter(owner)) await this.turn(owner);
    try {
      return await present.run(turn, work);
    } finally {
      turn.leave();
    }
  }

  private async enter(owner: string): Promise<void> {
    if (!this.tryEnter(owner)) await this.turn(owner);
  }

  private tryEnter(owner: string): boolean {
    return !this.waiting.has(owner) && this.shares.tryAcquire(owner, 1);
  }

  private leave(owner: string): void {
    this.shares.release(owner, 1);
    while (this.resumeNext());
  }

  /** Resolves when a slot was taken for the task. */
  private turn(owner: string): Promise<void> {
    return new Promise((resolve) => {
      const queue = this.waiting.get(owner);
      if (queue) queue.push(resolve);
      else this.waiting.set(owner, [resolve]);
    });
  }

  /** @returns whether a task was resumed */
  private resumeNext(): boolean {
    for (const [owner, [resume, ...others]] of this.waiting) {
      if (!this.shares.tryAcquire(owner, 1)) continue;
      this.waiting.delete(owner);
      if (others.length > 0) this.waiting.set(owner, others);
      resume!();
      return true;
    }
    return false;
  }
}
