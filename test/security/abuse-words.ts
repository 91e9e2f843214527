import type { Operation } from '../support/graphql-client';

/** A malicious operation and its error code; null if it is answered with an empty result. */
export interface AbusiveQuery extends Operation {
  what: string;
  code: string | null;
}

/** Repeated text. */
export const times = (count: number, write: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => write(index)).join(' ');
/** Nested fields, five levels each. */
export const nested = (depth: number, inner: string): string =>
  'models { nodes { generations { nodes { model { '.repeat(depth) + inner + ' } } } } }'.repeat(depth);
/** Takes `id` and `name`. */
export const rename =
  'mutation ($id: ID!, $name: String!) { renameModel(input: { id: $id, name: $name }) { model { id } } }';
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
/** The id of an unknown model. */
export const noModel = `model_${'0'.repeat(32)}`;
/** The id of an unknown photo. */
export const noPhoto = `photo_${'0'.repeat(32)}`;
/** A placeholder for a READY model of the caller. */
export const myModel = 'my-model';
/** A placeholder for a photo of the caller. */
export const myPhoto = 'my-photo';

/** Lists within lists. */
export const deepList = (depth: number): unknown => (depth === 0 ? 1 : [deepList(depth - 1)]);

/** A row of the corpus. */
export type Row = [what: string, code: string | null, query: string, variables?: Record<string, unknown>];
