import { admissionMs } from '../accounts/erasure-gate';
import type { ErasureEntity } from '../accounts/erasure.entity';
import { camelRow, type Sql, type Transactions } from '../core/sql';
import type { ErasureStep, Batch } from './erasure-steps';

/** Tells those who wait that something has been committed. */
export interface Announcer {
  announce(wake: { streams?: readonly string[]; work?: boolean; topics?: readonly string[] }): void;
}

/** What the erasing is made of. */
export interface ErasureWorkDeps {
  database: Transactions;
  announcer: Announcer;
  steps: readonly ErasureStep[];
}

/**
 * How long nobody else takes up an erasure that somebody has in hand, in milliseconds; renewed with each portion. That is
 * how long its owner is kept out if the process dies.
 */
export const erasureLeaseMs = 5_000;

/** The longest that one statement may take, in milliseconds: see database/data-source.ts. */
const statementMs = 15_000;

/**
 * When an erasure is looked at once more after it is complete, in milliseconds; then its owner is forgotten. Requests that
 * were admitted before it are refused by its mark until then, and by their age after that.
 */
const lastLookMs = admissionMs + statementMs;

/** An erasure, with its moment as the database wrote it. */
type Erasing = ErasureEntity & { owner: string; until: string };

/** Carries erasures out: portion by portion, whoever began them. */
export class ErasureWork {
  constructor(private readonly deps: ErasureWorkDeps) {}

  /**
   * Takes up what nobody has in hand: erasures whose process died, and last looks.
   * @returns how many erasures were in hand
   */
  async processBatch(signal: AbortSignal): Promise<number> {
    const [due] = await this.deps.database.rows<{ id: string }>(
      `UPDATE erasures SET due_at = now() + $1 * interval '1 ms'
        WHERE id = (SELECT id FROM erasures WHERE due_at <= now() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
       RETURNING id`,
      [erasureLeaseMs],
    );
    if (!due) return 0;
    while (!signal.aborted && (await this.portion(due.id)));
    return 1;
  }

  /**
   * Goes on with an erasure until all is gone, or the time is over; a worker does the rest then. Several may do it at
   * once: portions wait for each other.
   */
  async carryOut(id: string, patienceMs: number): Promise<void> {
    const endMs = performance.now() + patienceMs;
    while (performance.now() < endMs && (await this.portion(id)));
  }

  /** @returns whether there may be more to do now */
  private async portion(id: string): Promise<boolean> {
    const { database, announcer } = this.deps;
    const portion = await database.transaction(async (sql) => {
      const erasing = await lock(sql, id);
      if (!erasing) return null;
      const found = await this.eraseNext(sql, erasing);
      if (found) await count(sql, id, found);
      else await close(sql, erasing);
      return found;
    });
    // The bytes are doomed: deleting them is work that is due.
    if (portion) announcer.announce({ streams: portion.streams, work: true });
    return portion !== null;
  }

  private async eraseNext(sql: Sql, person: Erasing): Promise<Batch | null> {
    for (const step of this.deps.steps) {
      const portion = await step(sql, person);
      if (portion.isSome) return portion;
    }
    return null;
  }
}

async function lock(sql: Sql, id: string): Promise<Erasing | null> {
  const [row] = await sql.rows<Record<string, unknown>>(
    'SELECT *, erased_at::text AS until FROM erasures WHERE id = $1 AND owner IS NOT NULL FOR UPDATE',
    [id],
  );
  return row ? camelRow<Erasing>(row) : null;
}

async function count(sql: Sql, id: string, { counts }: Batch): Promise<void> {
  const { photos = 0, models = 0, generations = 0, avatars = 0 } = counts;
  await sql.rows(
    `UPDATE erasures
        SET photos = photos + $2, models = models + $3, generations = generations + $4, avatars = avatars + $5,
            due_at = now() + $6 * interval '1 ms'
      WHERE id = $1`,
    [id, photos, models, generations, avatars, erasureLeaseMs],
  );
}

/** Nothing was found: complete for now, and after the last look for good. Then whose it was is forgotten. */
async function close(sql: Sql, { id, completedAt }: Erasing): Promise<void> {
  if (completedAt === null) {
    await sql.rows(
      `UPDATE erasures SET completed_at = now(), due_at = now() + $2 * interval '1 ms' WHERE id = $1`,
      [id, lastLookMs],
    );
  } else {
    await sql.rows(
      `UPDATE erasures SET owner = NULL, due_at = NULL WHERE id = $1 AND completed_at < now() - $2 * interval '1 ms'`,
      [id, lastLookMs],
    );
  }
}
