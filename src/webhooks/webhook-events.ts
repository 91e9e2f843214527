import { toGlobalId } from '../core/ids';
import { isTombstone, type StoredEvent } from '../events/event';
import type { DeletedKind } from '../events/event-log.repository';
import { avatarPayload, generationPayload } from '../generations/generation.kind';
import { modelPayload } from '../models/model.kind';
import { webhookEventTypes, wireName, type WebhookEventType } from './webhook.state';

/** An event as it is sent to webhooks. */
export interface WebhookEvent {
  readonly type: WebhookEventType;
  /** The stream in whose order it is sent. */
  readonly streamId: string;
  /** The global id of the model, generation or avatar. */
  readonly subjectId: string;
  /** JSON: type, time and ids. It contains no content of the owner: no prompts, names or URLs. */
  readonly body: string;
}

/** Status and attempt of a job after a change. */
export interface JobState {
  readonly status: string;
  readonly attempt: number;
}

const known: ReadonlySet<string> = new Set(webhookEventTypes);

/** The JSON of a message. */
export function messageOf(type: string, timestamp: Date, data: object): string {
  return JSON.stringify({ type, timestamp: timestamp.toISOString(), data });
}

/**
 * Whether the event may be a change of a job to a status that is sent. Then {@link webhookEventOf} needs the job's event before
 * it: changes that leave the status as it is are events too. They are marked (`isRename` by an earlier version), since the event
 * before may be deleted by then.
 */
export function mayEnterStatus({ kind, payload }: StoredEvent): boolean {
  if (payload.keepsStatus === true || payload.isRename === true) return false;
  return (kind === 'MODEL' || kind === 'GENERATION') && known.has(`${kind}_${String(payload.status)}`);
}

/**
 * What is sent for an event of an owner's stream; null if it is not sent.
 * @param before - the state of the same job before it; null if it is unknown
 */
export function webhookEventOf(event: StoredEvent, before: JobState | null): WebhookEvent | null {
  if (!event.origin || isTombstone(event)) return null;
  switch (event.kind) {
    case 'MODEL':
      return mayEnterStatus(event) ? modelEvent(event, before) : null;
    case 'GENERATION':
      return mayEnterStatus(event) ? generationEvent(event, before) : null;
    case 'AVATAR':
      return avatarEvent(event);
    case 'DELETED':
      return deletionEvent(event);
    case 'AVATAR_CHANGED':
    case 'NOTICE':
      return null;
  }
}

/** What an event says was deleted: its pending deliveries are dropped. Null: nothing. */
export function deletedIn(event: StoredEvent): { streamId: string; subjectId: string | null } | null {
  const { origin, subjectId, payload } = event;
  if (!origin || event.kind !== 'DELETED' || isTombstone(event)) return null;
  const { streamId } = origin;
  if (streamId === subjectId) return { streamId, subjectId: null };
  if (payload.subject === 'GENERATION') return { streamId, subjectId: toGlobalId('Generation', subjectId) };
  return payload.subject === 'AVATAR' ? { streamId, subjectId: toGlobalId('Avatar', subjectId) } : null;
}

function modelEvent(event: StoredEvent, before: JobState | null): WebhookEvent | null {
  const model = modelPayload.read(event.payload);
  if (isSame(model, before)) return null;
  const id = toGlobalId('AvatarModel', model.id);
  return made(event, `MODEL_${model.status}`, id, { id, ...stateOf(model) });
}

function generationEvent(event: StoredEvent, before: JobState | null): WebhookEvent | null {
  const generation = generationPayload.read(event.payload);
  if (isSame(generation, before)) return null;
  const id = toGlobalId('Generation', generation.id);
  const data = { id, modelId: modelIdOf(generation.modelId), ...stateOf(generation) };
  return made(event, `GENERATION_${generation.status}`, id, data);
}

function avatarEvent(event: StoredEvent): WebhookEvent {
  const avatar = avatarPayload.read(event.payload);
  const id = toGlobalId('Avatar', avatar.id);
  const generationId = toGlobalId('Generation', avatar.generationId);
  return made(event, 'AVATAR_CREATED', id, { id, generationId, modelId: modelIdOf(avatar.modelId) });
}

function deletionEvent(event: StoredEvent): WebhookEvent | null {
  const { subjectId, generationId, payload, origin } = event;
  const streamId = origin!.streamId;
  // The stream of a generation without model has the id of the generation.
  const modelId = modelIdOf(streamId === generationId ? null : streamId);
  switch (payload.subject as DeletedKind | undefined) {
    case 'MODEL': {
      const id = toGlobalId('AvatarModel', subjectId);
      return made(event, 'MODEL_DELETED', id, { id });
    }
    case 'GENERATION': {
      const id = toGlobalId('Generation', subjectId);
      return made(event, 'GENERATION_DELETED', id, { id, modelId });
    }
    case 'AVATAR': {
      if (generationId === null) return null;
      const id = toGlobalId('Avatar', subjectId);
      return made(event, 'AVATAR_DELETED', id, {
        ...{ id, generationId: toGlobalId('Generation', generationId), modelId },
      });
    }
    case undefined:
      return null;
  }
}

function isSame({ status, attempt }: JobState, before: JobState | null): boolean {
  return before?.status === status && before.attempt === attempt;
}

/** The code of a failure is stored by this program: it contains nothing of the owner. */
function stateOf({
  status,
  attempt,
  failureCode,
  failureRetryable,
}: JobState & { failureCode: string | null; failureRetryable: boolean | null }): object {
  const failure = failureCode === null ? null : { code: failureCode, retryable: failureRetryable === true };
  return { status, attempt, failure };
}

function modelIdOf(id: string | null): string | null {
  return id === null ? null : toGlobalId('AvatarModel', id);
}

function made(event: StoredEvent, type: string, subjectId: string, data: object): WebhookEvent {
  // Checked by `mayEnterStatus`, or a constant.
  const name = type as WebhookEventType;
  const streamId = event.origin!.streamId;
  return { type: name, streamId, subjectId, body: messageOf(wireName(name), event.createdAt, data) };
}
