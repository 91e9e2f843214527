import type { JobKind } from '../jobs/job';
import { modelKind } from '../models/model.job';
import type { AvatarEntity } from './avatar.entity';
import { GenerationEntity } from './generation.entity';
import { generationMoves, unfinishedGenerationStates } from './generation.state';

/** The payload of a generation's event: the row's public fields. */
export type GenerationEventPayload = Pick<
  GenerationEntity,
  | 'id'
  | 'owner'
  | 'modelId'
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
  | 'prompts'
  | 'wanted'
  | 'createdAt'
  | 'submittedAt'
  | 'completedAt'
>;

/** The payload of a stored avatar's event. */
export type AvatarPayload = Omit<
  AvatarEntity,
  | 'resultRef'
  | 'sourceUrl'
  | 'sourceUrlAt'
  | 'expiresAt'
  | 'dueAt'
  | 'lease'
  | 'tries'
  | 'failingSince'
  | 'failureCode'
  | 'lastError'
  | 'mediaToken'
  | 'previewSha256'
  | 'checkAt'
  | 'damagedAt'
  | 'generation'
  | 'model'
>;

/** The stream of a generation's events: its model's, or its own if it has no model. */
export function streamOfGeneration({ id, modelId }: { id: string; modelId: string | null }): string {
  return modelId ?? id;
}

/** The job kind of generations. */
export const generationKind: JobKind<GenerationEntity> = {
  entity: GenerationEntity,
  table: 'generations',
  noun: 'generation',
  node: 'Generation',
  moves: generationMoves,
  unfinished: unfinishedGenerationStates,
  running: 'GENERATING',
  eventKind: 'GENERATION',
  streamOf: (row) => streamOfGeneration(row),
  unitsOf: (row) => ({ trainings: 0, avatars: row.wanted }),
  payloadOf: (row) => generationPayload(row),
};

/** The kinds of jobs. */
export const jobKinds: readonly JobKind[] = [modelKind, generationKind];

function generationPayload(row: GenerationEntity): GenerationEventPayload {
  return {
    id: row.id,
    owner: row.owner,
    modelId: row.modelId,
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
    prompts: row.prompts,
    wanted: row.wanted,
    createdAt: row.createdAt,
    submittedAt: row.submittedAt,
    completedAt: row.completedAt,
  };
}

/** The payload of an avatar's event. */
export function avatarPayload(row: AvatarEntity): AvatarPayload {
  return {
    id: row.id,
    owner: row.owner,
    generationId: row.generationId,
    modelId: row.modelId,
    position: row.position,
    status: row.status,
    style: row.style,
    prompt: row.prompt,
    width: row.width,
    height: row.height,
    byteSize: row.byteSize,
    contentType: row.contentType,
    sha256: row.sha256,
    placeholder: row.placeholder,
    createdAt: row.createdAt,
  };
}

/** Reads the row from the payload of a recorded event, with times parsed from JSON. */
export function readGenerationPayload(payload: Record<string, unknown>): GenerationEventPayload {
  const time = (name: string): Date | null => (payload[name] ? new Date(payload[name] as string) : null);
  return {
    ...(payload as unknown as GenerationEventPayload),
    consentAt: time('consentAt'),
    createdAt: time('createdAt')!,
    estimatedReadyAt: time('estimatedReadyAt'),
    submittedAt: time('submittedAt'),
    completedAt: time('completedAt'),
  };
}

/** Reads the avatar from the payload of a recorded event. */
export function readAvatarPayload(payload: Record<string, unknown>): AvatarPayload {
  return { ...(payload as unknown as AvatarPayload), createdAt: new Date(payload.createdAt as string) };
}
