import type { GraphQLResolveInfo } from 'graphql';
import { Ctx, FieldResolver, Info, Int, Resolver, Root } from 'type-graphql';
import { encodeEventCursor } from '../events/event';
import type { Positioned } from '../events/event-log.repository';
import type { GraphQLContext } from '../graphql/context';
import { DateTimeScalar } from '../graphql/scalars';
import { failureOf, Failure } from './failure.type';
import type { JobKind, JobRow } from './job.kind';
import type { JobLifecycle } from './job.lifecycle';
import { Job } from './job.type';
import { likelyReadyAt, readyEstimate, shownProgress } from './pace';
import { priorityOf, type JobPriority } from './queue-options';
import { JobPriorityEnum } from './start.input';
import { TimeRange } from './time-range.type';

/** The lifecycle of each type that implements `Job`. */
export type JobLifecycles = Readonly<Record<JobKind['node'], JobLifecycle<JobRow>>>;

type PresentJob = JobRow & Positioned;

/** The fields of `Job` that are not columns. */
@Resolver(() => Job)
export class JobResolver {
  constructor(private readonly lifecycles: JobLifecycles) {}

  @FieldResolver(() => Boolean)
  canCancel(@Root() job: JobRow, @Info() info: GraphQLResolveInfo): boolean {
    return this.lifecycleOf(info).canCancel(job);
  }

  @FieldResolver(() => Boolean)
  canRetry(
    @Root() job: JobRow,
    @Info() info: GraphQLResolveInfo,
    @Ctx() { viewer, loaders }: GraphQLContext,
  ): Promise<boolean> {
    const lifecycle = this.lifecycleOf(info);
    return loaders
      .get<JobRow, boolean>(`${info.parentType.name}.canRetry`, (jobs) => lifecycle.canRetry(viewer, jobs))
      .load(job);
  }

  @FieldResolver(() => Int, { nullable: true })
  async queuePosition(
    @Root() job: JobRow,
    @Info() info: GraphQLResolveInfo,
    @Ctx() { viewer, loaders }: GraphQLContext,
  ): Promise<number | null> {
    if (job.status !== 'QUEUED') return null;
    const lifecycle = this.lifecycleOf(info);
    return loaders
      .get<JobRow, number | null>(`${info.parentType.name}.queuePosition`, (jobs) =>
        lifecycle.queuePositions(viewer, jobs),
      )
      .load(job);
  }

  @FieldResolver(() => JobPriorityEnum)
  priority(@Root() job: JobRow): JobPriority {
    return priorityOf(job);
  }

  @FieldResolver(() => String)
  cursor(@Root() job: PresentJob, @Info() info: GraphQLResolveInfo): string {
    return encodeEventCursor(this.lifecycleOf(info).kind.streamOf(job), job.sequence);
  }

  @FieldResolver(() => DateTimeScalar, { nullable: true })
  estimatedReadyAt(@Root() job: PresentJob, @Info() info: GraphQLResolveInfo): Date | null {
    return likelyReadyAt(this.lifecycleOf(info).kind, job, job.now);
  }

  @FieldResolver(() => TimeRange, { nullable: true })
  estimatedReadyBetween(@Root() job: PresentJob, @Info() info: GraphQLResolveInfo): TimeRange | null {
    return readyEstimate(this.lifecycleOf(info).kind, job, job.now);
  }

  @FieldResolver(() => Int)
  progress(@Root() job: PresentJob, @Info() info: GraphQLResolveInfo): number {
    return shownProgress(this.lifecycleOf(info).kind, job, job.now);
  }

  @FieldResolver(() => Failure, { nullable: true })
  failure(@Root() job: JobRow): Failure | null {
    return failureOf(job);
  }

  private lifecycleOf({ parentType }: GraphQLResolveInfo): JobLifecycle<JobRow> {
    return this.lifecycles[parentType.name as JobKind['node']];
  }
}
