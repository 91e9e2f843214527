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

/** A model or generation as its subscription, or a query, tells of it. */
export type DemoJob = z.output<typeof job>;

const slot = z.object({
  photo: withId,
  uploadUrl: z.string(),
  headers: z.array(z.object({ name: z.string(), value: z.string() })),
});

/** Where the bytes of one photo go. */
export type DemoSlot = z.output<typeof slot>;

/** Takes nothing. */
export const offeredStyles: DemoOperation<{ styles: { id: string }[] }> = {
  query: '{ styles { id } }',
  data: z.object({ styles: z.array(withId) }),
};

/** Takes `input`. */
export const createPhotoUploads: DemoOperation<{ payload: { uploads: DemoSlot[] } }> = {
  query: `mutation CreatePhotoUploads($input: CreatePhotoUploadsInput!) {
    payload: createPhotoUploads(input: $input) {
      uploads { photo { id } uploadUrl headers { name value } }
    }
  }`,
  data: z.object({ payload: z.object({ uploads: z.array(slot) }) }),
};

/** Takes `input`. */
export const trainModel: DemoOperation<{ payload: { model: { id: string } } }> = {
  query: `mutation TrainModel($input: TrainModelInput!) {
    payload: trainModel(input: $input) { model { id } }
  }`,
  data: z.object({ payload: z.object({ model: withId }) }),
};

/** Takes `input`. */
export const generateAvatars: DemoOperation<{ payload: { generation: { id: string } } }> = {
  query: `mutation GenerateAvatars($input: GenerateAvatarsInput!) {
    payload: generateAvatars(input: $input) { generation { id } }
  }`,
  data: z.object({ payload: z.object({ generation: withId }) }),
};

/** What is followed under `id`, and how it is looked at when following has ended. */
export interface DemoJobKind {
  noun: string;
  progress: DemoOperation<{ event: DemoJob & { cursor: string } }>;
  now: DemoOperation<{ job: DemoJob | null }>;
  /** The end that is hoped for. */
  goodEnd: string;
  /** The mutation by which a person decides to pay again. */
  retry: string;
}

/** A model. */
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
  goodEnd: 'READY',
  retry: 'retryModel',
};

/** A generation. */
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
  goodEnd: 'COMPLETED',
  retry: 'retryGeneration',
};

const newAvatar = z.object({ id: z.string(), style: z.string(), width: z.number(), height: z.number() });

/** Takes `id`, a generation's. */
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

/** A finished picture. */
export type DemoAvatar = z.output<typeof avatar>;

/** Takes `id`, a generation's. */
export const finishedAvatars: DemoOperation<{ generation: { avatars: DemoAvatar[] } }> = {
  query: `query Avatars($id: ID!) {
    generation(id: $id) { avatars { style url contentType byteSize sha256 } }
  }`,
  data: z.object({ generation: z.object({ avatars: z.array(avatar) }) }),
};
