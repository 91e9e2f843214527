import { DomainError } from '../../core/errors';
import type { OwnerTurns, WithoutTurn } from '../../core/owner-turns';

/** When a refused client may retry. An operation takes milliseconds, and 10 s at most. */
const retryAfterSeconds = 1;

/**
 * How long an operation waits for others of its owner, in milliseconds: with the time for its turn less than the time limit
 * of an operation, so that none begins whose client was already answered.
 */
const maxQueuedMs = 4_000;

const atOnce: WithoutTurn = (work) => work();

/** How an operation is executed. */
export interface InFlightOptions {
  /** Whether it runs one short statement. @defaultValue false */
  readonly isShort?: boolean;
  /**
   * Whether it waits for others of its owner instead of being refused: after a wait for a change, since changes end many
   * waits at once.
   * @defaultValue false
   */
  readonly mayQueue?: boolean;
}

/** The queries and mutations that are being executed in this process, by owner. */
export class OperationsInFlight {
  private readonly countByOwner = new Map<string, number>();
  /** Operations that continue when one of their owner has ended, in order. */
  private readonly queueByOwner = new Map<string, (() => void)[]>();

  /**
   * @param maxPerOwner - maximum number for each owner; null: no limit
   * @param maxQueued - maximum number of operations of an owner that wait for others of it
   * @param turns - those that are executed, so that the operations of one owner leave connections of the database to others;
   * several short ones share a connection
   * @defaultValue no limit
   */
  constructor(
    private readonly maxPerOwner: number | null,
    private readonly maxQueued = 0,
    private readonly turns: Readonly<Record<'long' | 'short', Pick<OwnerTurns, 'run'>>> | null = null,
  ) {}

  /**
   * Runs work of an operation, after those of the same owner and in turn with those of others. It counts until it has
   * ended, also if its client was answered before, because it still uses a connection of the database.
   * @throws DomainError RATE_LIMITED if the owner has the maximum number of operations, and they do not end in time if it
   * may wait for them; `work` was not called
   */
  async run<Result>(
    owner: string,
    work: (withoutTurn: WithoutTurn) => Result | Promise<Result>,
    { isShort = false, mayQueue = false }: InFlightOptions = {},
  ): Promise<Result> {
    const turn = this.begin(owner, mayQueue);
    if (turn) await turn;
    try {
      return await (this.turns ? this.turns[isShort ? 'short' : 'long'].run(owner, work) : work(atOnce));
    } finally {
      this.release(owner);
    }
  }

  /** @returns undefined if it may begin at once */
  private begin(owner: string, mayQueue: boolean): Promise<void> | undefined {
    const count = this.countByOwner.get(owner) ?? 0;
    if (this.maxPerOwner === null || count < this.maxPerOwner) {
      this.countByOwner.set(owner, count + 1);
      return undefined;
    }
    const queue = this.queueByOwner.get(owner) ?? [];
    if (!mayQueue || queue.length >= this.maxQueued) throw tooMany(this.maxPerOwner);
    this.queueByOwner.set(owner, queue);
    return this.inTime(owner, queue, tooMany(this.maxPerOwner));
  }

  private inTime(owner: string, queue: (() => void)[], refusal: DomainError): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        queue.splice(queue.indexOf(begin), 1);
        if (queue.length === 0) this.queueByOwner.delete(owner);
        reject(refusal);
      }, maxQueuedMs);
      const begin = (): void => {
        clearTimeout(timer);
        resolve();
      };
      queue.push(begin);
    });
  }

  /** The next one in the queue takes the place. */
  private release(owner: string): void {
    const queue = this.queueByOwner.get(owner);
    const next = queue?.shift();
    if (queue?.length === 0) this.queueByOwner.delete(owner);
    if (next) {
      next();
      return;
    }
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
