import { ActivitySubscriptions } from '../activity/activity.subscription';
import type { Transactions } from '../core/sql';
import type { DatabaseClock } from '../database/database-clock';
import type { EventFeed } from '../events/feed';
import type { OwnerFeed } from '../events/owner-feed';
import type { AvatarService } from '../generations/avatar.service';
import { AvatarSubscriptions } from '../generations/avatar.subscription';
import type { GenerationEntity } from '../generations/generation.entity';
import {
  generationKind,
  generationPayload,
  type GenerationEventPayload,
} from '../generations/generation.kind';
import { JobSubscriptions } from '../jobs/job.subscription';
import { ProgressTicks } from '../jobs/progress-ticks';
import type { ModelEntity } from '../models/model.entity';
import { modelKind, modelPayload, type ModelEventPayload } from '../models/model.kind';
import { NoticeService } from '../notices/notice.service';

/** What {@link makeSubscriptions} uses. */
interface SubscriptionDeps {
  database: Transactions;
  feed: EventFeed;
  ownerFeed: OwnerFeed;
  clock: Pick<DatabaseClock, 'nowMs'>;
}

/** Creates what is sent to subscribers. */
export function makeSubscriptions(
  { database, feed, ownerFeed, clock }: SubscriptionDeps,
  avatars: AvatarService,
): {
  models: JobSubscriptions<ModelEventPayload, ModelEntity>;
  generations: JobSubscriptions<GenerationEventPayload, GenerationEntity>;
  avatars: AvatarSubscriptions;
  activity: ActivitySubscriptions;
} {
  const ticks = new ProgressTicks(clock);
  return {
    models: new JobSubscriptions(database, feed, modelKind, modelPayload, ticks),
    generations: new JobSubscriptions(database, feed, generationKind, generationPayload, ticks),
    avatars: new AvatarSubscriptions(database, feed),
    activity: new ActivitySubscriptions({
      ...{ database, feed: ownerFeed, ticks, avatars },
      notices: new NoticeService(database),
    }),
  };
}
