/** An operation with the type of its data, which the server guarantees by its schema. */
export interface DemoOperation<Data> {
  readonly query: string;
  /** Only a type. */
  readonly data?: Data;
}

/** The state of a model or generation in queries and subscriptions. */
export interface DemoJob {
  status: string;
  progress: number;
  estimatedReadyAt: string | null;
  failure: { message: string } | null;
}

/** An upload slot of a photo. */
export interface DemoUploadSlot {
  photo: { id: string };
  problems: { message: string }[];
  uploadUrl: string;
  headers: { name: string; value: string }[];
}

/** A stored avatar. */
export interface DemoAvatar {
  style: string;
  url: string;
  contentType: string;
  byteSize: number;
  sha256: string;
}

/** Variables: none. */
export const offeredStyles: DemoOperation<{ styles: { key: string }[] }> = { query: '{ styles { key } }' };

/** Variables: `input`. */
export const createPhotoUploads: DemoOperation<{ payload: { uploads: DemoUploadSlot[] } }> = {
  query: `mutation CreatePhotoUploads($input: CreatePhotoUploadsInput!) {
    payload: createPhotoUploads(input: $input) {
      uploads { photo { id } problems { message } uploadUrl headers { name value } }
    }
  }`,
};

/** Variables: `input`. */
export const trainModel: DemoOperation<{ payload: { model: { id: string } } }> = {
  query: `mutation TrainModel($input: TrainModelInput!) {
    payload: trainModel(input: $input) { model { id } }
  }`,
};

/** Variables: `input`. */
export const generateAvatars: DemoOperation<{ payload: { generation: { id: string } } }> = {
  query: `mutation GenerateAvatars($input: GenerateAvatarsInput!) {
    payload: generateAvatars(input: $input) { generation { id } }
  }`,
};

/** Variables: `id` of a generation. */
export const avatarCompleted: DemoOperation<{
  event: { cursor: string; avatar: { id: string; style: string; width: number; height: number } };
}> = {
  query: `subscription AvatarCompleted($id: ID!, $after: String) {
    event: avatarCompleted(select: { generationId: $id }, after: $after) { avatar { id style width height } cursor }
  }`,
};

/** Variables: `id` of a generation. */
export const finishedAvatars: DemoOperation<{ generation: { avatars: DemoAvatar[] } }> = {
  query: `query Avatars($id: ID!) {
    generation(id: $id) { avatars { style url contentType byteSize sha256 } }
  }`,
};

/** The operations and names of a kind of job. */
export interface DemoJobKind {
  noun: 'training' | 'generation';
  /** The status of success. */
  success: string;
  /** The mutation that retries the job, which is paid again. */
  retry: string;
  progress: DemoOperation<{ event: DemoJob & { cursor: string } }>;
  now: DemoOperation<{ job: DemoJob | null }>;
}

const jobFields = 'status progress estimatedReadyAt failure { message }';

function jobKind(
  row: 'model' | 'generation',
  names: Pick<DemoJobKind, 'noun' | 'success' | 'retry'>,
): DemoJobKind {
  const progress = `subscription Progress($id: ID!, $after: String) {
    event: ${names.noun}Progress(${row}Id: $id, after: $after) { ${jobFields} cursor }
  }`;
  const now = `query Job($id: ID!) { job: ${row}(id: $id) { ${jobFields} } }`;
  return { ...names, progress: { query: progress }, now: { query: now } };
}

/** Operations of a model. */
export const training = jobKind('model', { noun: 'training', success: 'READY', retry: 'retryModel' });

/** Operations of a generation. */
export const generation = jobKind('generation', {
  noun: 'generation',
  success: 'COMPLETED',
  retry: 'retryGeneration',
});
