import { validFilter } from '../graphql/lists';
import { ifEnded, ifRetryable, selectJob } from '../jobs/job-row.repository';
import { isRetryableBy, jobFields, type RetryColumns } from '../jobs/job.read';
import { keptOfModel, photosOfModelSource, photosPurgedAtOfModel } from '../photos/photo.read';
import { columns, computedWith, connection, seldom, type NodeSource } from '../reads/source';
import { modelFilterOf, type ModelsArgs } from './model-list.input';
import type { ModelEntity } from './model.entity';
import { modelKind } from './model.kind';
import { modelTable } from './model.repository';

/**
 * What models are read from, except the fields that generations add.
 * @param provider - the configured provider
 */
export const modelSource = (provider: { readonly name: string }): NodeSource => ({
  type: 'AvatarModel',
  select: (id, owner) => selectJob(modelKind, id, owner),
  returned: modelTable,
  fields: {
    ...jobFields(modelKind, ['id']),
    canRetry: seldom(
      computedWith<{ kept: number }, ModelEntity, RetryColumns | 'photoCount'>(
        { kept: (sql) => ifRetryable(sql.column('status'), keptOfModel(sql)) },
        ['status', 'failureRetryable', 'provider', 'photoCount'],
        (row) => isRetryableBy(provider, row) && row.kept >= row.photoCount,
      ),
    ),
    ...columns('name', 'type', 'readyAt'),
    providerModelId: { kind: 'column', property: 'providerRef' },
    photos: photosOfModelSource,
    photosDeletedAt: seldom(
      computedWith<{ purgedAt: string | null }, ModelEntity, never>(
        { purgedAt: (sql) => ifEnded(modelKind, sql.column('status'), photosPurgedAtOfModel(sql)) },
        [],
        ({ purgedAt }) => purgedAt,
      ),
    ),
  },
});

/** `Query.models`. */
export const modelsSource = connection('AvatarModel', modelTable, null, (args: ModelsArgs) =>
  validFilter(modelFilterOf(args)),
);
