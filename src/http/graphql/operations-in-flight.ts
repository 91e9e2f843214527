import { DomainError } from '../../core/errors';
import type { OwnerTurns, WithoutTurn } from '../../core/owner-turns';

/** When a refused client may retry. An operation takes milliseconds, and 10 s at most. */
const retryAfterSeconds = 1;

const atOnce: WithoutTurn = (work) => work();

/** The queries and mutations that are being executed in this process, by owner. */
export class OperationsInFlight {
  private readonly countByOwner = new Map<string, number>();

  /**
   * @param maxPerOwner - maximum number for each owner; null: no limit
   * @param turns - those that are executed, so that the operations of one owner leave connections of the database to others;
   * several short ones share a connection
   * @defaultValue no limit
   */
  constructor(
    private readonly maxPerOwner: number | null,
    private readonly turns: Readonly<Record<'long' | 'short', Pick<OwnerTurns, 'run'>>> | null = null,
  ) {}

  /**
   * Runs work of an operation, after those of the same owner and in turn with those of others. It counts until it has
   * ended, also if its client was answered before, because it still uses a connection of the database.
   * @param isShort - whether it runs one short statement
   * @throws DomainError RATE_LIMITED if the owner has the maximum number of operations; `work` was not called
   */
  async run<Result>(
    owner: string,
    work: (withoutTurn: WithoutTurn) => Result | Promise<Result>,
    isShort = false,
  ): Promise<Result> {
    const count = this.countByOwner.get(owner) ?? 0;
    if (this.maxPerOwner !== null && count >= this.maxPerOwner) throw tooMany(this.maxPerOwner);
    this.countByOwner.set(owner, count + 1);
    try {
      return await (this.turns ? this.turns[isShort ? 'short' : 'long'].run(owner, work) : work(atOnce));
    } finally {
      this.release(owner);
    }
  }

  private release(owner: string): void {
    const count = this.countByOwner.get(owner)! - 1;
    if (count === 0) this.countByOwner.delete(owner);
    else this.countByOwner.set(owner, count);
  }
}

function tooMany(maximum: number): DomainError {
  return new DomainError(
    'RATE_LIMITED',
    `${maximum} operations of your account are being executed. Send the next one when one of them has ended.`,
    { details: { maximum, retryAfterSeconds } },
  );
}
