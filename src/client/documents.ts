import type {
  ActivityEvent,
  AvatarEvent,
  AvatarPage,
  AvatarsVariables,
  Generation,
  GenerationProgressEvent,
  GenerateAvatarsInput,
  GenerateInstantAvatarsInput,
  Model,
  PhotoUpload,
  RetryGenerationInput,
  RetryModelInput,
  TrainingProgressEvent,
  TrainModelInput,
  UploadedPhoto,
  WatchActivity,
} from './api.ts';

/**
 * A document with the types of its data and variables. GraphQL Code Generator makes compatible ones with
 * `documentMode: 'string'`.
 */
export interface TypedDocument<Data, Variables> {
  toString(): string;
  /** Only a type. */
  __apiType?: (variables: Variables) => Data;
}

interface WithInput<Input> {
  input: Input;
}

type AvatarStream = { generationId: string; modelId?: never } | { modelId: string; generationId?: never };

interface Followed {
  id: string;
  after?: string | null;
}

const failure = 'failure { code message retryable }';
const estimate = 'estimatedReadyAt estimatedReadyBetween { earliest latest }';
const job = `id status progress attempt canCancel canRetry cursor createdAt updatedAt queuePosition startBy priority
  ${estimate} ${failure}`;
const model = `${job} name type photosDeletedAt`;
const generation = `${job} requestedCount avatarCount`;
const avatar = `id style prompt favorite filename createdAt width height byteSize contentType sha256
  placeholder thumbhash url preview: url(size: PX_512) downloadUrl`;
const event = `__typename cursor isSnapshot isEstimate occurredAt`;
const progress = `${event} status progress ${estimate} ${failure}`;

/** Keeps the types of a document, which is text. */
const typed = <Data, Variables>(document: string): TypedDocument<Data, Variables> =>
  document.replace(/\s+/g, ' ');

/** Every operation that the client sends, for the allow-list of a server with `PERSISTED_QUERIES_ONLY`. */
export const documents = {
  createPhotoUploads: typed<
    { payload: { uploads: PhotoUpload[] } },
    { files: { filename: string; contentType: string; byteSize: number }[] }
  >(`mutation LikenessUploads($files: [PhotoFileInput!]!) {
    payload: createPhotoUploads(input: { files: $files }) {
      uploads { photo { id } uploadUrl headers { name value } problems { code field message } }
    }
  }`),
  photo: typed<{ photo: UploadedPhoto | null }, { id: string }>(
    `query LikenessPhoto($id: ID!) { photo(id: $id) { status problems { code message } } }`,
  ),
  trainModel: typed<{ payload: { job: Model } }, WithInput<TrainModelInput>>(
    `mutation LikenessTrain($input: TrainModelInput!) {
      payload: trainModel(input: $input) { job: model { ${model} } }
    }`,
  ),
  generateAvatars: typed<{ payload: { job: Generation } }, WithInput<GenerateAvatarsInput>>(
    `mutation LikenessGenerate($input: GenerateAvatarsInput!) {
      payload: generateAvatars(input: $input) { job: generation { ${generation} } }
    }`,
  ),
  generateInstantAvatars: typed<{ payload: { job: Generation } }, WithInput<GenerateInstantAvatarsInput>>(
    `mutation LikenessInstant($input: GenerateInstantAvatarsInput!) {
      payload: generateInstantAvatars(input: $input) { job: generation { ${generation} } }
    }`,
  ),
  retryModel: typed<{ payload: { job: Model } }, WithInput<RetryModelInput>>(
    `mutation LikenessRetryModel($input: RetryModelInput!) {
      payload: retryModel(input: $input) { job: model { ${model} } }
    }`,
  ),
  retryGeneration: typed<{ payload: { job: Generation } }, WithInput<RetryGenerationInput>>(
    `mutation LikenessRetryGeneration($input: RetryGenerationInput!) {
      payload: retryGeneration(input: $input) { job: generation { ${generation} } }
    }`,
  ),
  avatars: typed<{ avatars: AvatarPage }, AvatarsVariables>(
    `query LikenessAvatars($first: Int, $after: String, $filter: AvatarFilter, $orderBy: AvatarOrder! = NEWEST) {
      avatars(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
        nodes { ${avatar} generation { id } }
        pageInfo { endCursor hasNextPage }
      }
    }`,
  ),
  trainingProgress: typed<{ event: TrainingProgressEvent }, Followed>(
    `subscription LikenessTraining($id: ID!, $after: String) {
      event: trainingProgress(modelId: $id, after: $after) { ${progress} model { id updatedAt queuePosition photosDeletedAt } }
    }`,
  ),
  generationProgress: typed<{ event: GenerationProgressEvent }, Followed>(
    `subscription LikenessGeneration($id: ID!, $after: String) {
      event: generationProgress(generationId: $id, after: $after) { ${progress} generation { id updatedAt queuePosition requestedCount avatarCount } }
    }`,
  ),
  avatarCompleted: typed<
    { event: AvatarEvent },
    { select: AvatarStream; after?: string | null }
  >(`subscription LikenessAvatar($select: AvatarStreamInput!, $after: String) {
    event: avatarCompleted(select: $select, after: $after) {
      __typename cursor isSnapshot occurredAt avatar { ${avatar} generation { id } }
    }
  }`),
  activity: typed<{ event: ActivityEvent }, WatchActivity & { after?: string | null }>(
    `subscription LikenessActivity($after: String, $filter: ActivityFilter, $estimates: Boolean! = true) {
      event: activity(after: $after, filter: $filter, estimates: $estimates) {
        ${event}
        change {
          __typename
          ... on ModelChanged { modelId modelStatus: status progress ${failure} estimatedReadyBetween { earliest latest } model { id name } }
          ... on GenerationChanged {
            generationId generationStatus: status progress ${failure} estimatedReadyBetween { earliest latest } generation { id model { id } }
          }
          ... on AvatarCreated { avatarId avatar { ${avatar} generation { id } } }
          ... on AvatarChanged { avatarId avatar { ${avatar} generation { id } } }
          ... on ModelDeleted { deletedModelId: modelId }
          ... on GenerationDeleted { deletedGenerationId: generationId }
          ... on AvatarDeleted { deletedAvatarId: avatarId generationId }
          ... on NoticeCreated { notice { id kind message createdAt } }
          ... on CaughtUp { hasGap }
        }
      }
    }`,
  ),
};
