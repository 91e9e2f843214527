import { Field, ID, Int, InterfaceType, ObjectType } from 'type-graphql';
import type { NodeKind } from '../core/ids';
import type { Connection } from '../graphql/connection';
import { Node } from '../graphql/node';
import { DateTimeScalar } from '../graphql/scalars';
import { Failure } from './failure.type';
import type { JobPriority } from './queue-options';
import { JobPriorityEnum } from './start.input';
import { TimeRange } from './time-range.type';
import { TimelineEntryConnection, type TimelineEntry } from './timeline.type';

/** What models and generations have in common. Its fields that are not columns are in `JobResolver`. */
@InterfaceType({
  implements: Node,
  description: 'A model or a generation: work that is queued, paid for and followed.',
  resolveType: (value: { __typename?: NodeKind }) => value.__typename,
})
export abstract class Job implements Node {
  @Field(() => ID, { description: 'The global id.' })
  id: string;

  @Field(() => Int, {
    description:
      'The number of attempts that have been submitted to the avatar service; 0 before the first, for example while it is QUEUED. Each may have been charged, and each changes this number, so a retry that names it is never charged twice.',
  })
  attempt: number;

  @Field(() => Boolean, {
    description:
      'Whether `cancelModel` or `cancelGeneration` would stop it now. False once it has ended, also if it is CANCELLED.',
  })
  canCancel?: boolean;

  @Field(() => Boolean, {
    description:
      'Whether `retryModel` or `retryGeneration` would be accepted now: its status allows it (of a PARTIAL generation with `missingOnly`), its photos have not been deleted, and its avatar service is configured. Your quotas are not considered, so that QUOTA_EXCEEDED is still possible.',
  })
  canRetry?: boolean;

  @Field(() => DateTimeScalar, { description: 'When it was requested.' })
  createdAt: Date;

  @Field(() => String, {
    description:
      'The latest event of this job when it was read. Pass it as `after` to a subscription, which then sends every later change, or with `waitMs`: nothing is missed between this answer and the subscription or the wait.',
  })
  cursor?: string;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'When it is most likely to end, as estimated now; null before it has been submitted and after it has ended.',
  })
  estimatedReadyAt: Date | null;

  @Field(() => TimeRange, {
    nullable: true,
    description:
      'When it is expected to end: in 8 of 10 cases between these two times. A job that takes longer than others get later ones. Null before it has been submitted and after it has ended.',
  })
  estimatedReadyBetween?: TimeRange | null;

  @Field(() => Failure, {
    nullable: true,
    description:
      'The reason if it FAILED; of a PARTIAL generation, the reason if a retry of its missing avatars has failed. Null otherwise.',
  })
  failure?: Failure | null;

  @Field(() => Int, {
    description:
      'The progress in percent, 0 to 100. While the job runs, it increases with time as it is expected to, and by what the avatar service reports. 100 only after it has ended. Decreases only if the job is retried.',
  })
  progress: number;

  @Field(() => Int, {
    nullable: true,
    description:
      'Its place among your waiting models, or among your waiting generations, in the order of their priorities and of the requests; 1 is next. Never increases during one wait, except when another of your jobs with a higher priority begins to wait: because you request or retry it, or because its call to the avatar service did not arrive. Jobs that you request at the same time may change places until all these requests are answered. At most 1000, also for later places. Null unless QUEUED.',
  })
  queuePosition?: number | null;

  @Field(() => JobPriorityEnum, {
    description: 'The order among your own waiting models, or among your own waiting generations.',
  })
  priority?: JobPriority;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'If it is still QUEUED at this moment, it is CANCELLED, free of charge. Null: no such limit; a retry has none.',
  })
  startBy?: Date | null;

  @Field(() => TimelineEntryConnection, {
    description:
      'What happened to the job, oldest first. Entries are kept as long as the server keeps evidence (30 days by default), at most 1,000 of a job; of jobs from before the gateway kept timelines there are only later ones.',
  })
  timeline?: Connection<TimelineEntry>;

  @Field(() => DateTimeScalar, {
    description:
      'When it last changed. Increases with every change of its own fields, by at least a millisecond; of two copies, the one with the greater value is newer.',
  })
  updatedAt: Date;
}

/** The fields of models and generations that are not part of the interface `Job`. */
@ObjectType()
export abstract class SubmittedJob extends Job {
  @Field(() => String, { description: 'The `key` of its avatar service, see `providers`.' })
  provider: string;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the person agreed; null if no consent was given.',
  })
  consentAt?: Date | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the avatar service accepted it, in its latest attempt; null until then.',
  })
  submittedAt: Date | null;
}
