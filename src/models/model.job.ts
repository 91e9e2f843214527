import type { JobKind } from '../jobs/job';
import { ModelEntity } from './model.entity';
import { modelMoves, unfinishedModelStates } from './model.state';

/** The payload of a model's event: the row's public fields. */
export type ModelEventPayload = Pick<
  ModelEntity,
  | 'id'
  | 'owner'
  | 'name'
  | 'type'
  | 'provider'
  | 'status'
  | 'progress'
  | 'estimatedReadyAt'
  | 'failureCode'
  | 'failureMessage'
  | 'failureRetryable'
  | 'attempt'
  | 'consentVersion'
  | 'consentAt'
  | 'providerRef'
  | 'createdAt'
  | 'submittedAt'
  | 'readyAt'
>;

/** The job kind of models. */
export const modelKind: JobKind<ModelEntity> = {
  entity: ModelEntity,
  table: 'models',
  noun: 'model',
  node: 'AvatarModel',
  moves: modelMoves,
  unfinished: unfinishedModelStates,
  running: 'TRAINING',
  eventKind: 'MODEL',
  streamOf: (row) => row.id,
  unitsOf: () => ({ trainings: 1, avatars: 0 }),
  payloadOf: (row) => modelState(row),
};

function modelState(row: ModelEntity): ModelEventPayload {
  return {
    id: row.id,
    owner: row.owner,
    name: row.name,
    type: row.type,
    provider: row.provider,
    status: row.status,
    progress: row.progress,
    estimatedReadyAt: row.estimatedReadyAt,
    failureCode: row.failureCode,
    failureMessage: row.failureMessage,
    failureRetryable: row.failureRetryable,
    attempt: row.attempt,
    consentVersion: row.consentVersion,
    consentAt: row.consentAt,
    providerRef: row.providerRef,
    createdAt: row.createdAt,
    submittedAt: row.submittedAt,
    readyAt: row.readyAt,
  };
}

/** Reads the row from the payload of a recorded event, with times parsed from JSON. */
export function readModelPayload(payload: Record<string, unknown>): ModelEventPayload {
  const time = (name: string): Date | null => (payload[name] ? new Date(payload[name] as string) : null);
  return {
    ...(payload as unknown as ModelEventPayload),
    consentAt: time('consentAt'),
    createdAt: time('createdAt')!,
    estimatedReadyAt: time('estimatedReadyAt'),
    submittedAt: time('submittedAt'),
    readyAt: time('readyAt'),
  };
}
