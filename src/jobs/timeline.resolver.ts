import type { GraphQLResolveInfo } from 'graphql';
import { Args, Ctx, FieldResolver, Info, Resolver, Root } from 'type-graphql';
import { OwnedList } from '../core/owned-list';
import type { Sql } from '../core/sql';
import { PageArgs, type Connection } from '../graphql/connection';
import type { GraphQLContext } from '../graphql/context';
import { connectionOf } from '../graphql/lists';
import type { JobKind, JobRow } from './job.kind';
import { Job } from './job.type';
import { callOf, messageOf, type TimelineEntryRow } from './timeline-text';
import { timelineTable } from './timeline.repository';
import { TimelineEntry, TimelineEntryConnection, UpstreamCall } from './timeline.type';

/** `Job.timeline`. */
@Resolver(() => Job)
class TimelineResolver {
  constructor(private readonly list: OwnedList<TimelineEntryRow, null>) {}

  @FieldResolver(() => TimelineEntryConnection)
  timeline(
    @Root() { id }: JobRow,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: GraphQLContext,
    @Info() { parentType }: GraphQLResolveInfo,
  ): Promise<Connection<TimelineEntryRow>> {
    const column = parentType.name === 'AvatarModel' ? 'model_id' : 'generation_id';
    return connectionOf(
      this.list,
      { page, orderBy: 'OLDEST', filter: null, parent: { column, id } },
      context,
    );
  }
}

/** The fields of entries that are not columns. */
@Resolver(() => TimelineEntry)
class TimelineEntryResolver {
  @FieldResolver(() => String)
  message(@Root() entry: TimelineEntryRow): string {
    return messageOf(entry);
  }

  @FieldResolver(() => UpstreamCall, { nullable: true })
  call(@Root() entry: TimelineEntryRow, @Ctx() { viewer }: GraphQLContext): UpstreamCall | null {
    return callOf(entry, [...viewer.scopes]);
  }
}

/** The resolvers of the timelines of jobs. */
export function timelineResolvers(sql: Sql, kinds: readonly JobKind[]): object[] {
  return [new TimelineResolver(new OwnedList(sql, timelineTable(kinds))), new TimelineEntryResolver()];
}
