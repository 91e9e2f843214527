import { toGlobalId } from '../core/ids';
import type { Sql } from '../core/sql';
import { endStreams } from '../events/event-log.repository';
import { deleteJobs } from '../jobs/job.repository';
import { detachSubmissions } from '../jobs/submission.repository';
import { modelKind } from './model.job';
import { lockModelsOf, modelsOf, type ModelWithPhotos } from './model.repository';

/** Erasure and export of a person's models. */
export class PersonalModelService {
  /**
   * Locks models that are to be deleted.
   * @param isUnderWay - only models with unfinished work
   * @returns their UUIDs, at most `limit`
   */
  readonly lockSome = lockModelsOf;

  /**
   * Deletes models that this transaction has locked, and ends their streams. The caller has deleted their avatars,
   * or scheduled deletion of the avatars' bytes.
   */
  async deleteLocked(sql: Sql, ids: readonly string[]): Promise<void> {
    await detachSubmissions(sql, modelKind, ids);
    await deleteJobs(sql, modelKind, ids);
    await endStreams(sql, ids, 'MODEL');
  }

  /** The person's models, oldest first. */
  readonly list = modelsOf;

  /** The record of a model in the person's export. */
  recordOf(model: ModelWithPhotos): object {
    const { id, name, type, status, progress, provider, providerRef, attempt } = model;
    return {
      id: toGlobalId('AvatarModel', id),
      ...{ name, type, status, progress },
      photos: model.photoIds.map((photoId) => toGlobalId('Photo', photoId)),
      consentVersion: model.consentVersion,
      consentAt: model.consentAt,
      provider,
      providerModelId: providerRef,
      attempt,
      failure: model.failureCode && { code: model.failureCode, message: model.failureMessage },
      createdAt: model.createdAt,
      submittedAt: model.submittedAt,
      readyAt: model.readyAt,
    };
  }
}
