import { firstIn } from '../graphql/connection';
import { validFilter } from '../graphql/lists';
import { ifRetryable, selectJob } from '../jobs/job-row.repository';
import { isRetryableBy, jobFields, type RetryColumns } from '../jobs/job.read';
import { keptOfGeneration } from '../photos/photo.read';
import {
  columns,
  computed,
  computedWith,
  connection,
  seldom,
  type FactScope,
  type FieldSource,
  type NodeSource,
} from '../reads/source';
import { avatarCountOf, missingOfGeneration, selectAvatarsOfGeneration } from './avatar.repository';
import {
  decodedGenerations,
  generationFilterOf,
  type GenerationAvatarsArgs,
  type GenerationListArgs,
  type GenerationsArgs,
} from './generation-list.input';
import type { GenerationEntity } from './generation.entity';
import { generationKind } from './generation.kind';
import { generationTable } from './generation.repository';
import { groupMissing, hasMissing, isLost, type MissingPicture } from './missing-avatars';
import { missingAvatarsOf } from './missing-avatars.type';

/**
 * What generations are read from.
 * @param provider - the configured provider
 */
export const generationSource = (provider: { readonly name: string }): NodeSource => ({
  type: 'Generation',
  select: (id, owner) => selectJob(generationKind, id, owner),
  returned: generationTable,
  fields: {
    ...jobFields(generationKind, ['id', 'modelId']),
    canRetry: seldom(
      computedWith<{ kept: number; pictures: MissingPicture[] }, GenerationEntity, RetryColumns | 'modelId'>(
        {
          kept: (sql) => ifRetryable(sql.column('status'), keptOfGeneration(sql)),
          pictures: missingPictures,
        },
        ['status', 'failureRetryable', 'provider', 'modelId'],
        (row) =>
          isRetryableBy(provider, row) &&
          hasPhoto(row) &&
          (row.status !== 'PARTIAL' || row.pictures.some(isLost)),
      ),
    ),
    missing: seldom(
      computedWith<{ pictures: MissingPicture[] }, GenerationEntity, MissingColumns>(
        { pictures: missingPictures },
        [
          'status',
          'prompts',
          'wanted',
          'orderedPositions',
          'failureCode',
          'failureMessage',
          'failureRetryable',
        ],
        (row) => (hasMissing(row) ? missingAvatarsOf(groupMissing(row, row.pictures)) : []),
      ),
    ),
    ...columns('completedAt'),
    prompts: computed<GenerationEntity, 'prompts'>(['prompts'], ({ prompts }) => prompts),
    model: { kind: 'reference', type: 'AvatarModel', key: 'modelId' },
    ...avatarFields,
  },
});

const avatarFields: Readonly<Record<string, FieldSource>> = {
  requestedCount: { kind: 'column', property: 'wanted' },
  avatarCount: computedWith<{ stored: number }, GenerationEntity, never>(
    { stored: ({ column, owner }) => avatarCountOf(column('id'), owner) },
    [],
    ({ stored }) => stored,
  ),
  avatars: {
    ...{ kind: 'rows', type: 'Avatar', select: selectAvatarsOfGeneration },
    firstOf: ({ first }: GenerationAvatarsArgs) => firstIn(first),
  },
};

type MissingColumns =
  | 'status'
  | 'prompts'
  | 'wanted'
  | 'orderedPositions'
  | 'failureCode'
  | 'failureMessage'
  | 'failureRetryable';

function missingPictures({ column, owner }: FactScope): string {
  return ifRetryable(column('status'), missingOfGeneration(column('id'), column('wanted'), owner));
}

/** Whether the photo of a generation without training is kept. */
function hasPhoto({ modelId, kept }: { modelId: string | null; kept: number }): boolean {
  return modelId !== null || kept > 0;
}

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
