import type { Operation } from './caller';

/** A malicious operation and its error code; null if it is answered with an empty result. */
export interface AbusiveQuery extends Operation {
  what: string;
  code: string | null;
}

/** The same, written often. */
export const times = (count: number, write: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => write(index)).join(' ');
/** Fields within fields, five levels each. */
export const nested = (depth: number, inner: string): string =>
  'models { nodes { generations { nodes { model { '.repeat(depth) + inner + ' } } } } }'.repeat(depth);
/** Takes `id` and `name`. */
export const rename =
  'mutation ($id: ID!, $name: String!) { renameModel(id: $id, name: $name) { model { id } } }';
/** Takes `input`. */
export const train = 'mutation ($input: TrainModelInput!) { trainModel(input: $input) { model { id } } }';
/** Takes `input`. */
export const slots =
  'mutation ($input: CreatePhotoUploadsInput!) { createPhotoUploads(input: $input) { uploads { photo { id } } } }';
/** Takes `input`. */
export const generate =
  'mutation ($input: GenerateAvatarsInput!) { generateAvatars(input: $input) { generation { id } } }';
/** Takes `input`. */
export const instant =
  'mutation ($input: GenerateInstantAvatarsInput!) { generateInstantAvatars(input: $input) { generation { id } } }';
/** Takes `id`. */
export const find = 'query ($id: ID!) { model(id: $id) { id } node(id: $id) { id } photo(id: $id) { id } }';
/** The id of no model. */
export const noModel = `model_${'0'.repeat(32)}`;
/** Stands for a model of the asker’s that is READY. */
export const myModel = 'my-model';
/** Stands for a photo of the asker’s. */
export const myPhoto = 'my-photo';

/** Lists within lists. */
export const deepList = (depth: number): unknown => (depth === 0 ? 1 : [deepList(depth - 1)]);

/** A row of the corpus, as it is written. */
export type Row = [what: string, code: string | null, query: string, variables?: Record<string, unknown>];
