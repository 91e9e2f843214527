import type { ConsentColumns } from '../accounts/consent';
import { isAnyOf, isCreatedIn, type CreatedRange } from '../core/list-conditions';
import type { ListTable } from '../core/list-statements';
import type { Sql } from '../core/sql';
import { computedJobColumns } from '../jobs/job-row.repository';
import { queueDeadlineMs } from '../jobs/job.kind';
import { laterThan } from '../jobs/job.repository';
import type { QueueColumns } from '../jobs/queue-options';
import { avatarTypes, type AvatarType } from '../upstream/provider';
import { ModelEntity } from './model.entity';
import { modelKind, type PresentModel } from './model.kind';
import { modelStatuses, type ModelStatus } from './model.state';

/** Which models. All conditions hold; null or absent: any. */
export interface ModelFilter {
  readonly statuses?: readonly ModelStatus[] | null;
  readonly types?: readonly AvatarType[] | null;
  readonly created?: CreatedRange | null;
}

/** The lists of models. */
export const modelTable: ListTable<PresentModel, ModelFilter> = {
  entity: ModelEntity,
  table: 'models',
  computed: computedJobColumns(modelKind),
  indexed: { status: modelStatuses, type: avatarTypes },
  conditionsOf: ({ statuses, types, created }) => [
    ...isAnyOf('status', statuses, 'filter.statuses'),
    ...isAnyOf('type', types, 'filter.types'),
    ...isCreatedIn(created, 'filter.created'),
  ],
};

/** Inserts a QUEUED model with its photos, in the given order. */
export async function insertModel(
  sql: Sql,
  row: Pick<ModelEntity, 'id' | 'owner' | 'provider' | 'name' | 'type'> & QueueColumns & ConsentColumns,
  photoIds: readonly string[],
): Promise<ModelEntity> {
  const [model] = await sql.entities(
    ModelEntity,
    `INSERT INTO models (id, owner, provider, name, type, photo_count, consent_version, consent_at, due_at, deadline_at, start_by, queue_rank)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now(), now() + $9 * interval '1 ms', $10, $11) RETURNING *`,
    [
      ...[row.id, row.owner, row.provider, row.name, row.type, photoIds.length],
      ...[row.consentVersion, row.consentAt, queueDeadlineMs, row.startBy, row.queueRank],
    ],
  );
  await sql.rows(
    `INSERT INTO model_photos (model_id, photo_id, position)
     SELECT $1, photo_id, ordinal - 1 FROM unnest($2::uuid[]) WITH ORDINALITY AS p(photo_id, ordinal)`,
    [row.id, photoIds],
  );
  return model!;
}

/** Renames the owner's model; returns null if it does not exist. */
export async function renameModel(
  sql: Sql,
  owner: string,
  id: string,
  name: string,
): Promise<ModelEntity | null> {
  const [model] = await sql.entities(
    ModelEntity,
    `UPDATE models SET name = $3, updated_at = ${laterThan('updated_at')} WHERE id = $1 AND owner = $2 RETURNING *`,
    [id, owner, name],
  );
  return model ?? null;
}
