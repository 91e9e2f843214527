import { createUnionType, Field, ID, Int, ObjectType } from 'type-graphql';
import { toGlobalId } from '../core/ids';
import { Avatar } from '../generations/avatar.type';
import type { GenerationStatus } from '../generations/generation.state';
import { GenerationStatusEnum, Generation } from '../generations/generation.type';
import { DateTimeScalar } from '../graphql/scalars';
import { Failure, failureOf } from '../jobs/failure.type';
import { TimeRange } from '../jobs/time-range.type';
import type { ModelStatus } from '../models/model.state';
import { AvatarModel, ModelStatusEnum } from '../models/model.type';
import { Notice } from '../notices/notice.type';
import type { ActivityPast } from './activity-change';
import type { PresentActivity } from './activity.subscription';

/** What the changes of models and generations have in common. */
@ObjectType()
abstract class JobChanged {
  @Field(() => Int, {
    description: 'The progress after this change, or as estimated now. Percent, 0 to 100.',
  })
  progress: number;

  @Field(() => TimeRange, {
    nullable: true,
    description:
      'When it was expected to end, in 8 of 10 cases between these two times; null if it was not running.',
  })
  estimatedReadyBetween: TimeRange | null;

  @Field(() => Failure, {
    nullable: true,
    description:
      'The reason if this change was to FAILED, or to PARTIAL because a retry of missing avatars has failed; null otherwise.',
  })
  failure: Failure | null;
}

@ObjectType({
  description: 'A model was created or changed. Status, progress and failure are those of that moment.',
})
class ModelChanged extends JobChanged {
  @Field(() => ID, { description: 'The global id of the model.' })
  modelId: string;

  @Field(() => AvatarModel, {
    nullable: true,
    description:
      'The model as it is now, never older than this change: safe for a normalized cache. Null if deleted since.',
  })
  model: AvatarModel | null;

  @Field(() => ModelStatusEnum, { description: 'The status after this change.' })
  status: ModelStatus;
}

@ObjectType({
  description: 'A generation was created or changed. Status, progress and failure are those of that moment.',
})
class GenerationChanged extends JobChanged {
  @Field(() => ID, { description: 'The global id of the generation.' })
  generationId: string;

  @Field(() => Generation, {
    nullable: true,
    description: 'The generation as it is now, never older than this change; null if deleted since.',
  })
  generation: Generation | null;

  @Field(() => GenerationStatusEnum, { description: 'The status after this change.' })
  status: GenerationStatus;
}

/** What the changes of avatars have in common. */
@ObjectType()
abstract class AvatarActivity {
  @Field(() => ID, { description: 'The global id of the avatar.' })
  avatarId: string;

  @Field(() => Avatar, { nullable: true, description: 'The avatar as it is now; null if deleted since.' })
  avatar: Avatar | null;
}

@ObjectType({ description: 'An avatar was stored and can be opened.' })
class AvatarCreated extends AvatarActivity {}

@ObjectType({ description: 'An avatar was changed, for example marked as a favorite.' })
class AvatarChanged extends AvatarActivity {}

@ObjectType({ description: 'A model was deleted, with everything made from it.' })
class ModelDeleted {
  @Field(() => ID, { description: 'The global id of the model.' })
  modelId: string;
}

@ObjectType({ description: 'A generation was deleted, with its avatars.' })
class GenerationDeleted {
  @Field(() => ID, { description: 'The global id of the generation.' })
  generationId: string;

  @Field(() => ID, {
    nullable: true,
    description: 'The global id of its model; null for avatars from one photo.',
  })
  modelId: string | null;
}

@ObjectType({ description: 'An avatar was deleted.' })
class AvatarDeleted {
  @Field(() => ID, { description: 'The global id of the avatar.' })
  avatarId: string;

  @Field(() => ID, { description: 'The global id of its generation.' })
  generationId: string;
}

@ObjectType({ description: 'You have a new notice.' })
class NoticeCreated {
  @Field(() => Notice, { description: 'The notice.' })
  notice: Notice;
}

@ObjectType({
  description: 'Sent once after the snapshot or the replay: from here on everything is live.',
})
class CaughtUp {
  @Field(() => Boolean, {
    description:
      'True if your cursor was too old to continue from, or was that of an incomplete snapshot: fetch the lists you show again.',
  })
  hasGap: boolean;
}

/** The GraphQL union of what can happen. */
const ActivityChange = createUnionType({
  name: 'ActivityChange',
  description: 'What happened. More types will be added.',
  types: () =>
    [
      ...[ModelChanged, ModelDeleted, GenerationChanged, GenerationDeleted],
      ...[AvatarCreated, AvatarChanged, AvatarDeleted, NoticeCreated, CaughtUp],
    ] as const,
  // Made by `activityOf`.
  resolveType: (value) => (value as object as Pick<ActivityPast, 'typename'>).typename,
});

@ObjectType({ description: 'Something that happened.' })
export class Activity {
  @Field(() => String, {
    description: 'Your position. Store it, and pass it as `after` when you reconnect.',
  })
  cursor: string;

  @Field(() => DateTimeScalar, {
    description: 'When it happened. If `isSnapshot`, when the object last changed.',
  })
  occurredAt: Date;

  @Field(() => Boolean, { description: 'True for the present state, sent at the start: not a change.' })
  isSnapshot: boolean;

  @Field(() => Boolean, {
    description: 'True for estimated progress. It is not stored; `cursor` is that of the last stored change.',
  })
  isEstimate: boolean;

  @Field(() => ActivityChange, {
    description: 'What happened. More types will be added: ignore those you do not know.',
  })
  change: typeof ActivityChange;
}

/** A change as it is sent. */
export function activityOf({ past, row, cursor, isSnapshot, occurredAt }: PresentActivity): object {
  return {
    ...{ cursor, isSnapshot, isEstimate: 'isEstimate' in past && past.isEstimate },
    // Items of the snapshot have their row, which is a job.
    occurredAt: occurredAt ?? (row && 'updatedAt' in row ? row.updatedAt : null),
    change: { typename: past.typename, ...changeOf(past, row) },
  };
}

function changeOf(past: ActivityPast, row: PresentActivity['row']): object {
  switch (past.typename) {
    case 'ModelChanged':
      return { modelId: toGlobalId('AvatarModel', past.id), model: row, ...jobChangeOf(past) };
    case 'GenerationChanged':
      return { generationId: toGlobalId('Generation', past.id), generation: row, ...jobChangeOf(past) };
    case 'AvatarCreated':
    case 'AvatarChanged':
      return { avatarId: toGlobalId('Avatar', past.id), avatar: row };
    case 'ModelDeleted':
      return { modelId: toGlobalId('AvatarModel', past.id) };
    case 'GenerationDeleted':
      return {
        generationId: toGlobalId('Generation', past.id),
        modelId: past.modelId === null ? null : toGlobalId('AvatarModel', past.modelId),
      };
    case 'AvatarDeleted':
      return {
        avatarId: toGlobalId('Avatar', past.id),
        generationId: toGlobalId('Generation', past.generationId),
      };
    case 'NoticeCreated':
      return { notice: row };
    case 'CaughtUp':
      return { hasGap: past.hasGap };
  }
}

function jobChangeOf(
  past: Extract<ActivityPast, { typename: 'ModelChanged' | 'GenerationChanged' }>,
): Omit<ModelChanged, 'modelId' | 'model' | 'status'> & { status: string } {
  const { status, progress, estimatedReadyBetween } = past;
  return { status, progress, estimatedReadyBetween, failure: failureOf(past) };
}
