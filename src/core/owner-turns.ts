import { DomainError } from './errors';
import { OwnerQueue } from './owner-queue';
import { OwnerShares } from './owner-shares';
import type { OwnerWeights } from './owner-weights';

/**
 * Runs work that needs no slot, such as a request to another server, while other tasks use that of the running task. A task
 * receives it as a parameter: AsyncLocalStorage would make each promise of the process slower.
 */
export type WithoutTurn = <Result>(work: () => Promise<Result>) => Promise<Result>;

/**
 * How long a task waits for its turn, in milliseconds: less than the time limit of an operation, so that none begins whose
 * client was already answered.
 */
const maxTurnWaitMs = 5_000;

const retryAfterSeconds = 1;

/**
 * Runs at most `capacity` tasks at once, shared between owners by {@link OwnerShares}: a single owner uses at most half of
 * them. The others wait for a limited time; owners are served in turn, and the tasks of one owner in order of arrival.
 */
export class OwnerTurns {
  private readonly shares: OwnerShares;
  private readonly waiting = new OwnerQueue<() => void>();

  constructor(capacity: number, weights?: OwnerWeights) {
    this.shares = new OwnerShares(capacity, weights);
  }

  /** @throws DomainError SERVICE_UNAVAILABLE if it has waited too long; `work` was not called */
  async run<Result>(
    owner: string,
    work: (withoutTurn: WithoutTurn) => Result | Promise<Result>,
  ): Promise<Result> {
    if (!this.tryEnter(owner)) await this.turnInTime(owner);
    try {
      return await work((other) => this.runWithout(owner, other));
    } finally {
      this.leave(owner);
    }
  }

  private async runWithout<Result>(owner: string, work: () => Promise<Result>): Promise<Result> {
    this.leave(owner);
    try {
      return await work();
    } finally {
      await this.enter(owner);
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
    return new Promise((resolve) => this.waiting.push(owner, resolve));
  }

  private turnInTime(owner: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.remove(owner, resume);
        reject(tooLate());
      }, maxTurnWaitMs);
      const resume = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.waiting.push(owner, resume);
    });
  }

  /** @returns whether a task was resumed */
  private resumeNext(): boolean {
    const resume = this.waiting.shift((owner) => this.shares.tryAcquire(owner, 1));
    resume?.();
    return resume !== undefined;
  }
}

function tooLate(): DomainError {
  return new DomainError(
    'SERVICE_UNAVAILABLE',
    'Your other operations took too long, so this one was not begun. Send fewer at a time, and repeat it.',
    { details: { retryAfterSeconds } },
  );
}
