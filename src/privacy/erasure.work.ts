import type { Sql, Transactions } from '../core/sql';
import { erasureSteps, type Batch, type ErasedSubject, type KeptUsage, type Step } from './erasure-steps';
import { claimErasure, closeErasure, countErased, lockErasure } from './erasure.repository';

/** Notifies subscribers and workers after a commit. */
export interface Announcer {
  announce(wake: { streams?: readonly string[]; work?: boolean; topics?: readonly string[] }): void;
}

/** Carries out erasures batch by batch, independent of the process that started them. */
export class ErasureWork {
  private readonly steps: readonly Step[];

  constructor(
    private readonly database: Transactions,
    private readonly announcer: Announcer,
    kept: KeptUsage,
  ) {
    this.steps = erasureSteps(kept);
  }

  /**
   * Continues one erasure whose lease has expired, or runs its final check.
   * @returns the number of erasures processed
   */
  async processBatch(signal: AbortSignal): Promise<number> {
    const id = await claimErasure(this.database);
    if (id === null) return 0;
    while (!signal.aborted && (await this.eraseBatch(id)));
    return 1;
  }

  /**
   * Continues an erasure until it is complete or `maxMs` have passed; a worker does the rest. Safe to run concurrently:
   * batches of one erasure are serialized by a row lock.
   */
  async carryOut(id: string, maxMs: number): Promise<void> {
    const endMs = performance.now() + maxMs;
    while (performance.now() < endMs && (await this.eraseBatch(id)));
  }

  /** @returns whether more rows may remain */
  private async eraseBatch(id: string): Promise<boolean> {
    const { database, announcer } = this;
    const batch = await database.transaction(async (sql) => {
      const erasing = await lockErasure(sql, id);
      if (!erasing) return null;
      const erased = await this.eraseNext(sql, erasing);
      if (erased) await countErased(sql, id, erased.counts);
      else await closeErasure(sql, erasing);
      return erased;
    });
    // The rows have scheduled deletions of stored objects, which workers carry out.
    if (batch) announcer.announce({ streams: batch.streams, work: true });
    return batch !== null;
  }

  private async eraseNext(sql: Sql, subject: ErasedSubject): Promise<Batch | null> {
    for (const step of this.steps) {
      const batch = await step(sql, subject);
      if (batch.isSome) return batch;
    }
    return null;
  }
}
