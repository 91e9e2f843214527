import { pause } from '../core/clock';
import type { Transactions } from '../core/sql';
import { findDisownedErasures, findOwnedErasures, type LateErasure } from './backup-erasures.repository';
import { CommandError } from './shell';

/** Less than an erasure keeps its owner after its completion. */
const intervalMs = 3_000;

/**
 * Collects the erasures that are requested while a backup is made: its tables have the rows of their owners, and not the
 * erasures.
 */
export class LateErasures {
  private readonly inTables = new Set<string>();
  private readonly found = new Map<string, LateErasure>();

  constructor(private readonly database: Transactions) {}

  /** Adds lines of the table `erasures` of the backup. */
  add(lines: readonly string[]): void {
    for (const line of lines) this.inTables.add((JSON.parse(line) as { id: string }).id);
  }

  /** Runs `work` and collects erasures meanwhile. */
  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    const ended = new AbortController();
    // The last collection follows the end of the work.
    const collecting = this.repeat(ended.signal);
    // It is awaited below; an error of it does not end the process before.
    collecting.catch(() => undefined);
    try {
      return await work();
    } finally {
      ended.abort();
      await collecting;
    }
  }

  private async repeat(ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      await this.collect();
      await pause(intervalMs, ended);
    }
    await this.collect();
  }

  /**
   * The erasures that are not in the tables.
   * @param since - the time of the snapshot
   * @throws CommandError if the owner of one is not known: it was requested and completed while this process was suspended
   */
  async all(since: Date): Promise<LateErasure[]> {
    const ids = await findDisownedErasures(this.database, since);
    const missed = ids.filter((id) => !this.found.has(id) && !this.inTables.has(id));
    if (missed.length > 0) {
      throw new CommandError(
        `${missed.length} erasures were completed while the backup was suspended: it would have the data of their owners. ` +
          'Remove its folder, and make another.',
      );
    }
    return [...this.found.values()].filter(({ id }) => !this.inTables.has(id));
  }

  private async collect(): Promise<void> {
    for (const erasure of await findOwnedErasures(this.database)) this.found.set(erasure.id, erasure);
  }
}
