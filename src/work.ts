import type { Config } from './config';
import type { Logger } from './core/logger';
import type { Database } from './database/database';
import type { Features } from './features';
import { AvatarWork } from './generations/avatar.work';
import { GenerationWork } from './generations/generation.work';
import { FollowWork } from './jobs/follow.work';
import type { Journal } from './jobs/journal';
import { LearnedDurations } from './jobs/learned-durations';
import { Settlement } from './jobs/settlement';
import { SubmissionWork } from './jobs/submission.work';
import type { Metrics } from './metrics';
import { ModelWork } from './models/model.work';
import { PhotoPurgeWork } from './photos/photo-purge.work';
import { PhotoWork } from './photos/photo.work';
import type { PictureWorkshop } from './photos/picture-workshop';
import { makeBeats } from './poller/beats';
import { Poller } from './poller/poller';
import type { MediaStore } from './storage/media-store';
import { UpstreamBudget } from './upstream/budget';
import type { Downloads } from './upstream/downloads';
import type { AvatarProvider } from './upstream/provider';

/** What the work stands on. */
export interface WorkGround {
  config: Config;
  logger: Logger;
  database: Database;
  media: MediaStore;
  workshop: PictureWorkshop;
  downloads: Downloads;
  provider: AvatarProvider;
  journal: Journal;
  metrics: Metrics;
}

/** The clock with everything that it repeats. */
export interface Work {
  poller: Poller;
  /** Brings what only the journal knows into the database; before the clock starts. */
  replay: () => Promise<void>;
}

/** Makes everything that happens without being asked. */
export function makeWork(ground: WorkGround, features: Features): Work {
  const { config, logger, database, media, workshop, downloads, provider, journal, metrics } = ground;
  const { store, closing, deletion, intake, trainingPhotos } = features;
  const leaseMs = config.LEASE;
  const budget = new UpstreamBudget(database, provider);
  const settlement = new Settlement({ database, store, journal, logger, graceMs: config.UNCERTAIN_GRACE });
  const jobParts = {
    sql: database,
    store,
    photos: trainingPhotos,
    provider,
    durations: new LearnedDurations(database),
    pollSpeed: config.POLL_SPEED,
  };
  const models = new ModelWork({ ...jobParts, deadlineMs: config.TRAINING_DEADLINE });
  const generations = new GenerationWork({ ...jobParts, deadlineMs: config.GENERATION_DEADLINE });
  const common = { database, store, provider, budget, logger, leaseMs };
  const beats = makeBeats({
    database,
    settlement,
    submission: new SubmissionWork({
      ...common,
      settlement,
      submitTimeoutMs: config.SUBMIT_TIMEOUT,
      graceMs: config.UNCERTAIN_GRACE,
    }),
    follow: new FollowWork({
      ...common,
      pollTimeoutMs: config.POLL_TIMEOUT,
      onUnknownWord: metrics.unknownWord,
    }),
    models,
    generations,
    avatars: new AvatarWork({
      database,
      media,
      workshop,
      downloads,
      closing,
      logger,
      leaseMs,
      maxBytes: config.MAX_RESULT_BYTES,
      freshUrl: (avatar) => generations.freshUrl(avatar.generationId, avatar.position),
      onLate: metrics.lateResult,
    }),
    closing,
    photos: new PhotoWork({
      database,
      intake,
      downloads,
      logger,
      leaseMs,
      maxPhotoBytes: config.MAX_PHOTO_BYTES,
      onReady: () => poller.wake(),
    }),
    purge: new PhotoPurgeWork(database),
    deletion,
    eventRetentionMs: config.EVENT_RETENTION,
  });
  const poller: Poller = new Poller(beats, logger);
  return { poller, replay: () => settlement.replay({ models, generations }) };
}
