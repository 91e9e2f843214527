import { payloadCodec, type PayloadOf } from '../events/event';
import type { Positioned } from '../events/event-log.repository';
import { jobPayload, type JobKind } from '../jobs/job.kind';
import { modelKind } from '../models/model.kind';
import { unfinishedModelStates } from '../models/model.state';
import type { PhotoUse } from '../photos/photo.entity';
import type { AvatarEntity } from './avatar.entity';
import { GenerationEntity } from './generation.entity';
import { generationMoves, generationStatesUsingPhotos, unfinishedGenerationStates } from './generation.state';

/** Converts the events of generations. */
export const generationPayload = payloadCodec<GenerationEntity>()(
  [...jobPayload.values, 'modelId', 'prompts', 'wanted'],
  [...jobPayload.times, 'completedAt'],
);

/** The payload of a generation's event: the row's public fields. */
export type GenerationEventPayload = PayloadOf<typeof generationPayload>;

/** A generation as its owner sees it. */
export type PresentGeneration = GenerationEntity & Positioned;

/** Converts the events of stored avatars. */
export const avatarPayload = payloadCodec<AvatarEntity>()(
  [
    ...(['id', 'owner', 'generationId', 'modelId', 'position', 'status', 'style', 'prompt'] as const),
    ...(['width', 'height', 'byteSize', 'contentType', 'sha256', 'placeholder', 'favorite'] as const),
    ...(['thumbhash', 'hasContentCredentials'] as const),
  ],
  ['createdAt'],
);

/** The payload of a stored avatar's event. */
export type AvatarEventPayload = PayloadOf<typeof avatarPayload>;

/** The stream of a generation's events: its model's, or its own if it has no model. */
export function streamOfGeneration({ id, modelId }: { id: string; modelId: string | null }): string {
  return modelId ?? id;
}

/** The state after a retry of missing pictures without a result: the pictures of earlier attempts stay. */
const partialAgain = { status: 'PARTIAL', progress: 100, completedAt: 'now' } as const;

/** The job kind of generations. */
export const generationKind: JobKind<GenerationEntity> = {
  entity: GenerationEntity,
  table: 'generations',
  noun: 'generation',
  node: 'Generation',
  moves: generationMoves,
  unfinished: unfinishedGenerationStates,
  running: 'GENERATING',
  // The rest is the storing of its pictures.
  shareOfUpstream: 0.8,
  eventKind: 'GENERATION',
  streamColumn: 'coalesce(generations.model_id, generations.id)',
  streamOf: (row) => streamOfGeneration(row),
  notEnded: { completedAt: null },
  failedState: ({ orderedPositions }) => (orderedPositions === null ? { status: 'FAILED' } : partialAgain),
  cancelledState: ({ status, orderedPositions }) =>
    status === 'QUEUED' && orderedPositions !== null ? partialAgain : { status: 'CANCELLED' },
  // A PARTIAL generation without an id of its latest attempt has a failure, unless that attempt was cancelled.
  isCancelled: ({ status, providerRef, failureCode }) =>
    status === 'CANCELLED' || (status === 'PARTIAL' && providerRef === null && failureCode === null),
  unitsOf: (row) => ({ trainings: 0, avatars: avatarsOf(row) }),
  sizeOf: (row) => ({ work: row.modelId === null ? 'instant' : 'generation', units: avatarsOf(row) }),
  sizeColumns: { work: `CASE WHEN model_id IS NULL THEN 'instant' ELSE 'generation' END`, units: 'wanted' },
  payloadOf: (row) => generationPayload.write(row),
};

/** The number of avatars that an attempt orders. */
function avatarsOf({ orderedPositions, wanted }: GenerationEntity): number {
  return orderedPositions?.length ?? wanted;
}

/** When jobs need the bytes of their photos. */
export const photoUse: PhotoUse = {
  models: unfinishedModelStates,
  generations: generationStatesUsingPhotos,
};

/** The kinds of jobs. */
export const jobKinds: readonly JobKind[] = [modelKind, generationKind];
