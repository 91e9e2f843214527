import { toGlobalId } from '../core/ids';
import type { Sql } from '../core/sql';
import { endStreams } from '../events/event-log.repository';
import { deleteJobs } from '../jobs/job.repository';
import { detachSubmissions } from '../jobs/submission.repository';
import type { GenerationEntity } from './generation.entity';
import { generationKind } from './generation.job';
import { generationsOf, lockGenerationsOf } from './generation.repository';

/** Erasure and export of a person's generations. */
export class PersonalGenerationService {
  /**
   * Locks generations that are to be deleted.
   * @param isUnderWay - only generations with unfinished work
   * @returns their UUIDs: at most `limit`, with about 1,000 avatars in total
   */
  readonly lockSome = lockGenerationsOf;

  /** Deletes generations that this transaction has locked. The caller has deleted their avatars. */
  async deleteLocked(sql: Sql, ids: readonly string[]): Promise<void> {
    await detachSubmissions(sql, generationKind, ids);
    await deleteJobs(sql, generationKind, ids);
    // Generations without a model have their own streams.
    await endStreams(sql, ids, 'GENERATION');
  }

  /** The person's generations, oldest first. */
  readonly list = generationsOf;

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
