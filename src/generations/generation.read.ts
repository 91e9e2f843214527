import { validFilter } from '../graphql/lists';
import { selectJob } from '../jobs/job-row.repository';
import { jobFields } from '../jobs/job.read';
import { columns, computed, connection, type TypeSource } from '../reads/source';
import { selectAvatarsOfGeneration } from './avatar.repository';
import {
  decodedGenerations,
  generationFilterOf,
  type GenerationListArgs,
  type GenerationsArgs,
} from './generation-list.input';
import type { GenerationEntity } from './generation.entity';
import { generationKind } from './generation.kind';
import { generationTable } from './generation.repository';

/** What generations are read from. */
export const generationSource: TypeSource = {
  type: 'Generation',
  select: (id, owner) => selectJob(generationKind, id, owner),
  fields: {
    ...jobFields(generationKind, ['id', 'modelId']),
    ...columns('completedAt'),
    prompts: computed<GenerationEntity, 'prompts'>(['prompts'], ({ prompts }) => prompts),
    model: { kind: 'reference', type: 'AvatarModel', key: 'modelId' },
    avatars: { kind: 'rows', type: 'Avatar', select: selectAvatarsOfGeneration },
  },
};

/** `Query.generations`. */
export const generationsSource = connection('Generation', generationTable, null, (args: GenerationsArgs) =>
  validFilter(generationFilterOf(args)),
);

/** `AvatarModel.generations`. */
export const generationsOfModel = connection(
  'Generation',
  generationTable,
  'model_id',
  ({ filter }: GenerationListArgs) => decodedGenerations(filter),
);
