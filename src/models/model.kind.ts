import { payloadCodec, type PayloadOf } from '../events/event';
import type { Positioned } from '../events/event-log.repository';
import { jobPayload, type JobKind } from '../jobs/job.kind';
import { ModelEntity } from './model.entity';
import { modelMoves, unfinishedModelStates } from './model.state';

/** Converts the events of models. */
export const modelPayload = payloadCodec<ModelEntity>()(
  [...jobPayload.values, 'name', 'type', 'providerRef'],
  [...jobPayload.times, 'readyAt'],
);

/** The payload of a model's event: the row's public fields. */
export type ModelEventPayload = PayloadOf<typeof modelPayload>;

/** A model as its owner sees it. */
export type PresentModel = ModelEntity & Positioned;

/** The job kind of models. */
export const modelKind: JobKind<ModelEntity> = {
  entity: ModelEntity,
  table: 'models',
  noun: 'model',
  node: 'AvatarModel',
  moves: modelMoves,
  unfinished: unfinishedModelStates,
  running: 'TRAINING',
  shareOfUpstream: 1,
  eventKind: 'MODEL',
  streamColumn: 'models.id',
  streamOf: (row) => row.id,
  notEnded: {},
  failedState: () => ({ status: 'FAILED' }),
  cancelledState: () => ({ status: 'CANCELLED' }),
  isCancelled: ({ status }) => status === 'CANCELLED',
  unitsOf: () => ({ trainings: 1, avatars: 0 }),
  sizeOf: ({ photoCount }) => ({ work: 'training', units: photoCount }),
  sizeColumns: { work: `'training'`, units: 'photo_count' },
  payloadOf: (row) => modelPayload.write(row),
};
