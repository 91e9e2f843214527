import { camelRow, type Sql } from '../core/sql';
import { failure, failureColumns, type Failure } from '../jobs/failure';
import type { JobMove } from '../jobs/job';
import type { Announcer, JobStore } from '../jobs/job.store';
import type { GenerationEntity } from './generation.entity';
import { generationLine, streamOfGeneration } from './generation.line';
import { generatingShare } from './generation.work';

/** How often a generation whose pictures are being fetched is looked at even if none of them moves. */
const checkMs = 30_000;

/** How the pictures of a generation stand. */
interface Tally {
  pending: number;
  stored: number;
  expired: number;
  all: number;
}

/** Moves a generation on as its pictures are stored or lost, and ends it with the last. */
export class Closing {
  constructor(
    private readonly store: JobStore,
    private readonly announcer: Announcer,
  ) {}

  /** Holds the generation's row: whoever changes one of its pictures does this first. */
  async lock(sql: Sql, generationId: string): Promise<void> {
    await sql.rows('SELECT id FROM generations WHERE id = $1 FOR UPDATE', [generationId]);
  }

  /** Counts the pictures anew and moves the generation accordingly; within the same transaction, after {@link lock}. */
  async advance(sql: Sql, generationId: string): Promise<void> {
    const [row] = await sql.rows<Record<string, unknown>>(
      `SELECT * FROM generations WHERE id = $1 AND status = 'STORING'`,
      [generationId],
    );
    if (!row) return;
    const generation = camelRow<GenerationEntity>(row);
    const [tally] = await sql.rows<Tally>(
      `SELECT count(*) FILTER (WHERE status = 'PENDING')::int AS pending, count(*) FILTER (WHERE status = 'STORED')::int AS stored,
              count(*) FILTER (WHERE last_error = 'RESULT_EXPIRED' AND status = 'LOST')::int AS expired, count(*)::int AS all
         FROM avatars WHERE generation_id = $1`,
      [generationId],
    );
    await this.store.moveWithin<GenerationEntity>(sql, generationLine, [
      { id: generationId, from: ['STORING'], ...step(generation, tally!) },
    ]);
  }

  /** After the commit. */
  wake({ generationId, modelId }: { generationId: string; modelId: string | null }): void {
    this.announcer.announce({ streams: [streamOfGeneration({ id: generationId, modelId })] });
  }

  /** Ends generations whose pictures were all settled without their row being moved, say by a deletion. */
  async sweep(database: { transaction<R>(work: (sql: Sql) => Promise<R>): Promise<R> }): Promise<number> {
    return database.transaction(async (sql) => {
      const due = await sql.rows<{ id: string; model_id: string | null }>(
        `SELECT id, model_id FROM generations WHERE status = 'STORING' AND due_at <= now() ORDER BY id LIMIT 50 FOR UPDATE SKIP LOCKED`,
      );
      for (const { id } of due) await this.advance(sql, id);
      return due.length;
    });
  }
}

function step(
  generation: GenerationEntity,
  { pending, stored, expired, all }: Tally,
): Pick<JobMove, 'set' | 'dueInMs' | 'tell'> {
  if (pending > 0) {
    const progress = Math.floor(100 * (generatingShare + ((1 - generatingShare) * (all - pending)) / all));
    const shown = Math.max(generation.progress, Math.min(99, progress));
    return { set: { progress: shown }, dueInMs: checkMs, tell: shown !== generation.progress };
  }
  if (stored === 0)
    return {
      set: { status: 'FAILED', estimatedReadyAt: null, ...failureColumns(lossOf(expired, all)) },
      dueInMs: null,
      tell: true,
    };
  const status = stored >= generation.wanted ? 'COMPLETED' : 'PARTIAL';
  return {
    set: { status, progress: 100, completedAt: 'now', estimatedReadyAt: null },
    dueInMs: null,
    tell: true,
  };
}

function lossOf(expired: number, all: number): Failure {
  if (expired > 0 || all === 0) return failure('RESULT_EXPIRED', 'Retry pays again.');
  return failure('RESULT_UNUSABLE', 'Retry pays again.');
}
