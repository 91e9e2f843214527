import { validFilter } from '../graphql/lists';
import { selectJob } from '../jobs/job-row.repository';
import { jobFields } from '../jobs/job.read';
import { photosOfModelSource } from '../photos/photo.read';
import { columns, connection, type TypeSource } from '../reads/source';
import { modelFilterOf, type ModelsArgs } from './model-list.input';
import { modelKind } from './model.kind';
import { modelTable } from './model.repository';

/** What models are read from, except the fields that generations add. */
export const modelSource: TypeSource = {
  type: 'AvatarModel',
  select: (id, owner) => selectJob(modelKind, id, owner),
  fields: {
    ...jobFields(modelKind, ['id']),
    ...columns('name', 'type', 'readyAt'),
    providerModelId: { kind: 'column', property: 'providerRef' },
    photos: photosOfModelSource,
  },
};

/** `Query.models`. */
export const modelsSource = connection('AvatarModel', modelTable, null, (args: ModelsArgs) =>
  validFilter(modelFilterOf(args)),
);
