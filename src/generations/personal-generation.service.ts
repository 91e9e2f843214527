import { toGlobalId } from '../core/ids';
import { inBatches, type Person } from '../core/person';
import { camelRow, type Sql } from '../core/sql';
import { endStreams } from '../events/event-log';
import { detachSubmissions } from '../jobs/submission-retention';
import type { GenerationEntity } from './generation.entity';
import { generationKind } from './generation.job';

/** How many avatars the generations of one portion have together, about; one generation has 1,000 at most. */
const avatarsAtOnce = 1_000;

/** All generations of a person: erased, or handed out. */
export class PersonalGenerationService {
  /**
   * Locks generations that are to be deleted.
   * @param isUnderWay - only those that a worker would look at again
   * @returns their UUIDs, at most `limit`, and so few that they have not many more than 1,000 avatars
   */
  async lockSome(sql: Sql, { owner, until }: Person, isUnderWay: boolean, limit: number): Promise<string[]> {
    const rows = await sql.rows<{ id: string }>(
      `SELECT id FROM generations
        WHERE id IN (SELECT id
                       FROM (SELECT id, sum(wanted) OVER (ORDER BY id) - wanted AS before
                               FROM (SELECT id, wanted FROM generations
                                      WHERE owner = $1 AND created_at <= $2 AND (due_at IS NOT NULL OR NOT $3)
                                      ORDER BY id LIMIT $4) AS first) AS counted
                      WHERE before < $5)
        ORDER BY id FOR UPDATE`,
      [owner, until, isUnderWay, limit, avatarsAtOnce],
    );
    return rows.map(({ id }) => id);
  }

  /** Deletes generations that this transaction has locked; their avatars must be gone. */
  async deleteLocked(sql: Sql, ids: readonly string[]): Promise<void> {
    await detachSubmissions(sql, generationKind, ids);
    await sql.rows('DELETE FROM generations WHERE id = ANY($1)', [ids]);
    // Those without a model have streams of their own.
    await endStreams(sql, ids, 'GENERATION');
  }

  /** The person's generations, the oldest first. */
  list(sql: Sql, { owner, until }: Person): AsyncGenerator<GenerationEntity> {
    return inBatches<GenerationEntity>(async (last, limit) => {
      const rows = await sql.rows<Record<string, unknown>>(
        `SELECT * FROM generations WHERE owner = $1 AND created_at <= $2 AND ($3::uuid IS NULL OR id > $3)
          ORDER BY id LIMIT $4`,
        [owner, until, last?.id ?? null, limit],
      );
      return rows.map((row) => camelRow<GenerationEntity>(row));
    });
  }

  /** What is known of a generation, as its person may have it. */
  recordOf(generation: GenerationEntity): object {
    const { id, modelId, photoId, status, progress, prompts, provider, providerRef, attempt } = generation;
    return {
      id: toGlobalId('Generation', id),
      model: modelId && toGlobalId('AvatarModel', modelId),
      photo: photoId && toGlobalId('Photo', photoId),
      ...{ status, progress, prompts },
      consentVersion: generation.consentVersion,
      consentAt: generation.consentAt,
      provider,
      providerGenerationId: providerRef,
      attempt,
      failure: generation.failureCode && {
        code: generation.failureCode,
        message: generation.failureMessage,
      },
      createdAt: generation.createdAt,
      submittedAt: generation.submittedAt,
      completedAt: generation.completedAt,
    };
  }
}
