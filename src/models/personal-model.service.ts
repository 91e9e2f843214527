import { toGlobalId } from '../core/ids';
import { inBatches, type Person } from '../core/person';
import { camelRow, type Sql } from '../core/sql';
import { endStreams } from '../events/event-log';
import { detachSubmissions } from '../jobs/submission.repository';
import type { ModelEntity } from './model.entity';
import { modelKind } from './model.job';

/** A model with the photos it was trained from, by UUID, in their order. */
type ModelWithPhotos = ModelEntity & { photoIds: string[] };

/** Erasure and export of a person's models. */
export class PersonalModelService {
  /**
   * Locks models that are to be deleted.
   * @param isUnderWay - only models with unfinished work
   * @returns their UUIDs, at most `limit`
   */
  async lockSome(sql: Sql, { owner, until }: Person, isUnderWay: boolean, limit: number): Promise<string[]> {
    const rows = await sql.rows<{ id: string }>(
      `SELECT id FROM models WHERE owner = $1 AND created_at <= $2 AND (due_at IS NOT NULL OR NOT $3)
        ORDER BY id LIMIT $4 FOR UPDATE`,
      [owner, until, isUnderWay, limit],
    );
    return rows.map(({ id }) => id);
  }

  /**
   * Deletes models that this transaction has locked, and ends their streams. The caller has deleted their avatars,
   * or scheduled deletion of the avatars' bytes.
   */
  async deleteLocked(sql: Sql, ids: readonly string[]): Promise<void> {
    await detachSubmissions(sql, modelKind, ids);
    await sql.rows('DELETE FROM models WHERE id = ANY($1)', [ids]);
    await endStreams(sql, ids, 'MODEL');
  }

  /** The person's models, oldest first. */
  list(sql: Sql, { owner, until }: Person): AsyncGenerator<ModelWithPhotos> {
    return inBatches<ModelWithPhotos>(async (last, limit) => {
      const rows = await sql.rows<Record<string, unknown>>(
        `SELECT m.*, ARRAY(SELECT photo_id FROM model_photos WHERE model_id = m.id ORDER BY position) AS photo_ids
           FROM models m
          WHERE owner = $1 AND created_at <= $2 AND ($3::uuid IS NULL OR id > $3)
          ORDER BY id LIMIT $4`,
        [owner, until, last?.id ?? null, limit],
      );
      return rows.map((row) => camelRow<ModelWithPhotos>(row));
    });
  }

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
