import { z } from 'zod';
import type { DemoOperation } from './demo-answers';

const withId = z.object({ id: z.string() });
const jobFields = 'status progress estimatedReadyAt failure { message }';
const job = z.object({
  status: z.string(),
  progress: z.number(),
  estimatedReadyAt: z.string().nullable(),
  failure: z.object({ message: z.string() }).nullable(),
});
const jobMessage = job.extend({ cursor: z.string() });

/** The state of a model or generation in queries and subscriptions. */
export type DemoJob = z.output<typeof job>;

const uploadSlot = z.object({
  photo: withId,
  uploadUrl: z.string(),
  headers: z.array(z.object({ name: z.string(), value: z.string() })),
});

/** An upload slot of a photo. */
export type DemoUploadSlot = z.output<typeof uploadSlot>;

/** Variables: none. */
export const offeredStyles: DemoOperation<{ styles: { id: string }[] }> = {
  query: '{ styles { id } }',
  data: z.object({ styles: z.array(withId) }),
};

/** Variables: `input`. */
export const createPhotoUploads: DemoOperation<{ payload: { uploads: DemoUploadSlot[] } }> = {
  query: `mutation CreatePhotoUploads($input: CreatePhotoUploadsInput!) {
    payload: createPhotoUploads(input: $input) {
      uploads { photo { id } uploadUrl headers { name value } }
    }
  }`,
  data: z.object({ payload: z.object({ uploads: z.array(uploadSlot) }) }),
};

/** Variables: `input`. */
export const trainModel: DemoOperation<{ payload: { model: { id: string } } }> = {
  query: `mutation TrainModel($input: TrainModelInput!) {
    payload: trainModel(input: $input) { model { id } }
  }`,
  data: z.object({ payload: z.object({ model: withId }) }),
};

/** Variables: `input`. */
export const generateAvatars: DemoOperation<{ payload: { generation: { id: string } } }> = {
  query: `mutation GenerateAvatars($input: GenerateAvatarsInput!) {
    payload: generateAvatars(input: $input) { generation { id } }
  }`,
  data: z.object({ payload: z.object({ generation: withId }) }),
};

/** The operations and names of a kind of job. */
export interface DemoJobKind {
  noun: string;
  progress: DemoOperation<{ event: DemoJob & { cursor: string } }>;
  now: DemoOperation<{ job: DemoJob | null }>;
  /** The status of success. */
  success: string;
  /** The mutation that retries the job, which is paid again. */
  retry: string;
}

/** Operations of a model. */
export const training: DemoJobKind = {
  noun: 'training',
  progress: {
    query: `subscription TrainingProgress($id: ID!, $after: String) {
      event: trainingProgress(modelId: $id, after: $after) { ${jobFields} cursor }
    }`,
    data: z.object({ event: jobMessage }),
  },
  now: {
    query: `query Model($id: ID!) { job: model(id: $id) { ${jobFields} } }`,
    data: z.object({ job: job.nullable() }),
  },
  success: 'READY',
  retry: 'retryModel',
};

/** Operations of a generation. */
export const generation: DemoJobKind = {
  noun: 'generation',
  progress: {
    query: `subscription GenerationProgress($id: ID!, $after: String) {
      event: generationProgress(generationId: $id, after: $after) { ${jobFields} cursor }
    }`,
    data: z.object({ event: jobMessage }),
  },
  now: {
    query: `query Generation($id: ID!) { job: generation(id: $id) { ${jobFields} } }`,
    data: z.object({ job: job.nullable() }),
  },
  success: 'COMPLETED',
  retry: 'retryGeneration',
};

const newAvatar = z.object({ id: z.string(), style: z.string(), width: z.number(), height: z.number() });

/** Variables: `id` of a generation. */
export const avatarCompleted: DemoOperation<{
  event: { cursor: string; avatar: z.output<typeof newAvatar> };
}> = {
  query: `subscription AvatarCompleted($id: ID!, $after: String) {
    event: avatarCompleted(generationId: $id, after: $after) { avatar { id style width height } cursor }
  }`,
  data: z.object({ event: z.object({ cursor: z.string(), avatar: newAvatar }) }),
};

const avatar = z.object({
  style: z.string().regex(/^[\w-]+$/),
  url: z.string(),
  contentType: z.string().regex(/^image\/[a-z]+$/),
  byteSize: z.number(),
  sha256: z.string(),
});

/** A stored avatar. */
export type DemoAvatar = z.output<typeof avatar>;

/** Variables: `id` of a generation. */
export const finishedAvatars: DemoOperation<{ generation: { avatars: DemoAvatar[] } }> = {
  query: `query Avatars($id: ID!) {
    generation(id: $id) { avatars { style url contentType byteSize sha256 } }
  }`,
  data: z.object({ generation: z.object({ avatars: z.array(avatar) }) }),
};
