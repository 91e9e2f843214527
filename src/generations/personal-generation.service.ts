import { toGlobalId } from '../core/ids';
import { inBatches, type Person } from '../core/person';
import { camelRow, type Sql } from '../core/sql';
import { endStreams } from '../events/event-log';
import { detachSubmissions } from '../jobs/submission.repository';
import type { GenerationEntity } from './generation.entity';
import { generationKind } from './generation.job';

/** The approximate number of avatars in a batch of generations; one generation has 1,000 at most. */
const avatarsAtOnce = 1_000;

/** Erasure and export of a person's generations. */
export class PersonalGenerationService {
  /**
   * Locks generations that are to be deleted.
   * @param isUnderWay - only generations with unfinished work
   * @returns their UUIDs: at most `limit`, with about 1,000 avatars in total
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

  /** Deletes generations that this transaction has locked. The caller has deleted their avatars. */
  async deleteLocked(sql: Sql, ids: readonly string[]): Promise<void> {
    await detachSubmissions(sql, generationKind, ids);
    await sql.rows('DELETE FROM generations WHERE id = ANY($1)', [ids]);
    // Generations without a model have their own streams.
    await endStreams(sql, ids, 'GENERATION');
  }

  /** The person's generations, oldest first. */
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

  /** The record of a generation in the person's export. */
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
