import { encodeEventCursor, oncePerEvent, type StoredEvent } from '../events/event';
import type { DeletedKind, Positioned } from '../events/event-log.repository';
import type { Change } from '../events/present-changes';
import type { AvatarEntity } from '../generations/avatar.entity';
import {
  generationKind,
  generationPayload,
  streamOfGeneration,
  type GenerationEventPayload,
  type PresentGeneration,
} from '../generations/generation.kind';
import { shownAt, shownProgress, type PacedKind, type ShownJob } from '../jobs/pace';
import type { PacedPayload } from '../jobs/progress-ticks';
import { modelKind, modelPayload, type ModelEventPayload, type PresentModel } from '../models/model.kind';
import type { NoticeEntity } from '../notices/notice.entity';

/** What a change is about. */
export type ActivityKind = 'MODEL' | 'GENERATION' | 'AVATAR' | 'NOTICE';

/** A model as it was after a change. */
type ModelPast = ModelEventPayload & ShownJob & { readonly typename: 'ModelChanged' };
/** A generation as it was after a change. */
type GenerationPast = GenerationEventPayload & ShownJob & { readonly typename: 'GenerationChanged' };

/** A job as it was after a change. */
export type JobPast = ModelPast | GenerationPast;

/** A change, by the name of its GraphQL type. */
export type ActivityPast =
  | JobPast
  | { readonly typename: 'AvatarCreated' | 'AvatarChanged' | 'NoticeCreated'; readonly id: string }
  | { readonly typename: 'ModelDeleted'; readonly id: string }
  | { readonly typename: 'GenerationDeleted'; readonly id: string; readonly modelId: string | null }
  | { readonly typename: 'AvatarDeleted'; readonly id: string; readonly generationId: string }
  | { readonly typename: 'CaughtUp'; readonly hasGap: boolean; readonly at: Date };

/** The object of a change. */
export type ActivityRow = PresentModel | PresentGeneration | AvatarEntity | NoticeEntity;

/** A change of a job, with what its estimates depend on. */
export interface JobActivity extends Change<JobPast, ActivityRow> {
  readonly job: PacedPayload;
  /** Its number in the stream of the job. */
  readonly sequence: number;
}

/** Something that happened. */
export type ActivityItem = JobActivity | Change<ActivityPast, ActivityRow>;

/** An item with what filters and the order of events depend on. */
export interface ActivityEntry {
  readonly item: ActivityItem;
  readonly kind: ActivityKind;
  /** The model, the generation without a model, or the notice. */
  readonly streamId: string;
}

/** Whether the item is a change of a job. */
export function isJobActivity(item: ActivityItem): item is JobActivity {
  return 'job' in item;
}

/** The kind of a job. */
export function jobKindOf({ typename }: JobPast): PacedKind {
  return typename === 'ModelChanged' ? modelKind : generationKind;
}

/** The name of a job's change. */
export function typenameOf(kind: PacedKind): JobPast['typename'] {
  return kind === modelKind ? 'ModelChanged' : 'GenerationChanged';
}

/** A model as it is. */
export function presentModel(row: PresentModel, nowMs: number): ActivityEntry {
  const shown = { ...shownAt(modelKind, row, nowMs), progress: shownProgress(modelKind, row, nowMs) };
  const past = { ...modelPayload.write(row), ...shown, typename: 'ModelChanged' } as const;
  return { item: { past, row, job: row, sequence: row.sequence }, kind: 'MODEL', streamId: row.id };
}

/** A generation as it is. */
export function presentGeneration(row: PresentGeneration, nowMs: number): ActivityEntry {
  const shown = {
    ...shownAt(generationKind, row, nowMs),
    progress: shownProgress(generationKind, row, nowMs),
  };
  const past = { ...generationPayload.write(row), ...shown, typename: 'GenerationChanged' } as const;
  const streamId = streamOfGeneration(row);
  return { item: { past, row, job: row, sequence: row.sequence }, kind: 'GENERATION', streamId };
}

/** What happened, of an event of an owner's stream: the same object for all subscribers. Null: it is not sent. */
export function activityIn(event: StoredEvent): ActivityEntry | null {
  return activityOnce(event).activity;
}

/** The cursor after an event. */
export const activityCursorOf = oncePerEvent(({ streamId, sequence }) =>
  encodeEventCursor(streamId, sequence),
);

const activityOnce = oncePerEvent((event) => ({ activity: readActivity(event) }));

function readActivity(event: StoredEvent): ActivityEntry | null {
  // Erased events have no origin.
  const { origin, kind, subjectId: id } = event;
  if (!origin) return null;
  const { streamId } = origin;
  const other = (of: ActivityKind, past: ActivityPast): ActivityEntry => ({
    ...{ item: { past, row: null }, kind: of, streamId },
  });
  switch (kind) {
    case 'MODEL':
    case 'GENERATION':
      return { item: jobIn(event, kind, origin), kind, streamId };
    case 'AVATAR':
      return other('AVATAR', { typename: 'AvatarCreated', id });
    case 'AVATAR_CHANGED':
      return other('AVATAR', { typename: 'AvatarChanged', id });
    case 'NOTICE':
      return other('NOTICE', { typename: 'NoticeCreated', id });
    case 'DELETED':
      return deletionIn(event, streamId, other);
  }
}

function jobIn(
  { payload, createdAt }: StoredEvent,
  kind: 'MODEL' | 'GENERATION',
  { sequence }: Pick<Positioned, 'sequence'>,
): JobActivity {
  const atMs = createdAt.getTime();
  if (kind === 'MODEL') {
    const job = modelPayload.read(payload);
    const past: ModelPast = { ...job, ...shownAt(modelKind, job, atMs), typename: 'ModelChanged' };
    return { past, row: null, job, sequence };
  }
  const job = generationPayload.read(payload);
  const past: GenerationPast = {
    ...job,
    ...shownAt(generationKind, job, atMs),
    typename: 'GenerationChanged',
  };
  return { past, row: null, job, sequence };
}

function deletionIn(
  { subjectId: id, generationId, payload }: StoredEvent,
  streamId: string,
  deleted: (kind: ActivityKind, past: ActivityPast) => ActivityEntry,
): ActivityEntry | null {
  switch (payload.subject as DeletedKind | undefined) {
    case 'MODEL':
      return deleted('MODEL', { typename: 'ModelDeleted', id });
    case 'GENERATION':
      return deleted('GENERATION', {
        typename: 'GenerationDeleted',
        id,
        modelId: streamId === id ? null : streamId,
      });
    case 'AVATAR':
      return generationId === null
        ? null
        : deleted('AVATAR', { typename: 'AvatarDeleted', id, generationId });
    case undefined:
      return null;
  }
}
