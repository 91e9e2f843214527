import type { JobKind } from '../jobs/job';
import type { ModelEntity } from './model.entity';
import { modelMoves } from './model.state';

/** What subscribers are told of a model: the row as the API shows it. */
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

/** Models among the kinds of jobs. */
export const modelKind: JobKind = {
  table: 'models',
  noun: 'model',
  moves: modelMoves,
  running: 'TRAINING',
  eventKind: 'MODEL',
  streamOf: (row) => row.id,
  unitsOf: () => ({ trainings: 1, avatars: 0 }),
  payloadOf: (row) => modelState(row as ModelEntity),
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

/** The row behind a recorded event: as `modelState` wrote it, its times read back from JSON. */
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
