import { ArgsType, Field, Int, ObjectType } from 'type-graphql';
import type { PresentChange } from '../events/present-changes';
import { DateTimeScalar } from '../graphql/scalars';
import { Failure, failureOf } from './failure.type';
import type { JobRow } from './job.kind';
import type { ShownJob } from './pace';
import { TimeRange } from './time-range.type';

/** What the messages of `trainingProgress` and `generationProgress` have in common. */
@ObjectType()
export abstract class JobProgress {
  @Field(() => Int, {
    description: 'The progress after this change, or as estimated now. Percent, 0 to 100.',
  })
  progress: number;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When it was expected to end; null if it was not running.',
  })
  estimatedReadyAt: Date | null;

  @Field(() => TimeRange, {
    nullable: true,
    description:
      'When it was expected to end, in 8 of 10 cases between these two times; null if it was not running.',
  })
  estimatedReadyBetween?: TimeRange | null;

  @Field(() => Failure, {
    nullable: true,
    description:
      'The reason if this change was to FAILED, or to PARTIAL because a retry of missing avatars has failed; null otherwise.',
  })
  failure: Failure | null;

  @Field(() => DateTimeScalar, {
    description: 'When this change happened. If `isSnapshot`, when the job last changed.',
  })
  occurredAt: Date;

  @Field(() => Boolean, {
    description:
      'True for progress that is estimated between changes, sent at most once a second; it is not stored, and `cursor` is that of the last stored change. A subscription that resumes does not repeat it.',
  })
  isEstimate: boolean;

  @Field(() => String, {
    description:
      'The position in the stream. After a lost connection, subscribe again with `after: cursor` to receive every later change exactly once.',
  })
  cursor: string;

  @Field(() => Boolean, {
    description:
      'True if this shows the job as it is instead of a recorded change: at the start, or when the cursor in `after` is too old to resume from.',
  })
  isSnapshot: boolean;
}

@ArgsType()
export class ResumeArgs {
  @Field(() => String, {
    nullable: true,
    description:
      'Resume after this cursor: the last one received, or that of a query. Null: start with the present.',
  })
  after?: string | null;
}

/** The columns of a job that its progress shows. */
type ProgressColumns<Status> = { status: Status } & ShownJob &
  Pick<JobRow, 'failureCode' | 'failureMessage' | 'failureRetryable'>;

/** What a change of a job shows, for either kind. */
export function progressOf<Status>({
  past,
  row,
  cursor,
  isSnapshot,
  occurredAt,
}: PresentChange<ProgressColumns<Status>, Pick<JobRow, 'updatedAt'> | null>): JobProgress & {
  status: Status;
} {
  const { status, progress, estimatedReadyAt, estimatedReadyBetween, isEstimate } = past;
  return {
    ...{ status, progress, estimatedReadyAt, estimatedReadyBetween, isEstimate, cursor, isSnapshot },
    // Snapshots have their row.
    ...{ failure: failureOf(past), occurredAt: occurredAt ?? row!.updatedAt },
  };
}
