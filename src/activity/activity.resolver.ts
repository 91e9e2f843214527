import { Args, Ctx, FieldResolver, Resolver, Root, Subscription } from 'type-graphql';
import { ViewerType } from '../accounts/viewer.resolver';
import { resolverOf } from '../graphql/build-schema';
import type { GraphQLContext } from '../graphql/context';
import { selects } from '../graphql/selection';
import type { ActivityKind } from './activity-change';
import { ActivityArgs, activityFilterOf } from './activity.input';
import type { ActivitySubscriptions } from './activity.subscription';
import { Activity, activityOf } from './activity.type';

/** The fields of changes that are read for each change, and the kinds of their objects. */
const objectFields = { model: 'MODEL', generation: 'GENERATION', avatar: 'AVATAR' } as const satisfies Record<
  string,
  ActivityKind
>;

/** The subscription to everything of an owner, and where it starts. */
@Resolver(() => ViewerType)
export class ActivityResolver {
  constructor(private readonly subscriptions: ActivitySubscriptions) {}

  @Subscription(() => Activity, {
    description:
      'Everything that happens to your models, generations and avatars, and your new notices. Without `after`: your unfinished jobs first (`isSnapshot`; at most 500 models and 500 generations: the newest that are not QUEUED, then the newest that are), then each change. With `after`: each change since, once, in order. It never ends by itself. Errors: INVALID_CURSOR, INVALID_INPUT.',
    subscribe: ({ args, context, info }) =>
      resolverOf(ActivityResolver, info).follow(
        args as ActivityArgs,
        context as GraphQLContext,
        new Set(
          Object.entries(objectFields).flatMap(([field, kind]) =>
            selects(info, 'change', field) ? [kind] : [],
          ),
        ),
      ),
  })
  activity(@Root() activity: Activity, @Args(() => ActivityArgs) _args: ActivityArgs): Activity {
    return activity;
  }

  /** Opens the stream of `activity`. */
  follow(
    { after = null, filter, estimates }: ActivityArgs,
    { viewer }: GraphQLContext,
    reads: ReadonlySet<ActivityKind>,
  ): Promise<AsyncIterableIterator<object>> {
    const followed = { after, estimates, reads, ...activityFilterOf(filter ?? {}) };
    return this.subscriptions.follow(viewer, followed, activityOf);
  }

  @FieldResolver(() => String, {
    description:
      'The position of `activity` before anything else of this operation was read. Pass it as `after`, and nothing is missed in between.',
  })
  activityCursor(@Ctx() { activityCursor }: GraphQLContext): string {
    // Set before the root fields were resolved.
    return activityCursor!;
  }
}
