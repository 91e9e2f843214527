import type { Wakeups } from '../events/wakeups';
import { AvatarCheckWork } from '../generations/avatar-check.work';
import { AvatarFetches } from '../generations/avatar-fetch.repository';
import { AvatarWork } from '../generations/avatar-fetch.work';
import { GenerationSteps } from '../generations/generation-steps';
import { generationKind } from '../generations/generation.kind';
import { ResultUrls } from '../generations/result-urls';
import type { JobContext } from '../jobs/job-context';
import type { JobSteps } from '../jobs/job-steps';
import type { Journal } from '../jobs/journal';
import { LearnedDurations } from '../jobs/learned-durations';
import { OverdueWork } from '../jobs/overdue.work';
import { PaidCallRecorder } from '../jobs/paid-call-recorder';
import { PollTiming } from '../jobs/poll-timing';
import { PollWork } from '../jobs/poll.work';
import { SubmissionWork } from '../jobs/submission.work';
import { defaultGraceMs } from '../jobs/uncertain-jobs';
import { UpstreamAccountWork } from '../jobs/upstream-account.work';
import { ModelSteps } from '../models/model-steps';
import { modelKind } from '../models/model.kind';
import { DirectUploadWork } from '../photos/direct-upload.work';
import { photoRecordsTopic } from '../photos/photo-availability.service';
import { PhotoWork } from '../photos/photo.work';
import { Agenda } from '../poller/agenda';
import { Poller } from '../poller/poller';
import { createSchedule, type JobKindWork, type ScheduleDeps } from '../poller/schedule';
import { UpstreamBudget } from '../upstream/budget.repository';
import type { Downloads } from '../upstream/downloads';
import type { Metrics } from './metrics/metrics';
import type { Infrastructure, Services } from './services';
import { createWebhookWork } from './webhooks';

/** How long a generation waits for images that cannot be fetched, as a share of the upstream's retention: 10 min of 48 h. */
const resultDeadlineShare = 1 / 288;

export interface WorkDeps extends Infrastructure {
  wakeups: Pick<Wakeups, 'announce' | 'read'>;
  downloads: Pick<Downloads, 'photo' | 'result'>;
  journal: Journal;
  budget: UpstreamBudget;
  metrics: Metrics;
}

/** The background work of a process. */
export interface Work {
  poller: Poller;
  /** Writes journal entries that are missing in the database. Call it before starting the poller. */
  replay: () => Promise<void>;
  /** Call it when streams may have new events. */
  onStreams: (ids: readonly string[] | 'all') => void;
}

type MediaWork = Pick<
  ScheduleDeps,
  'avatars' | 'avatarChecks' | 'completion' | 'photos' | 'directUploads' | 'deletion'
>;

/** Creates the background work. */
export function createWork(deps: WorkDeps, services: Services): Work {
  const { config, logger, database, metrics, wakeups } = deps;
  const jobWork = createJobWork(deps, services, () => poller.wake());
  const mediaWork = createMediaWork(deps, services, () => poller.wake());
  const erasures = services.erasureWork;
  const webhooks = createWebhookWork(deps, services, () => poller.wake());
  const tasks = createSchedule({ database, config, ...jobWork, ...mediaWork, erasures, webhooks });
  const agenda = new Agenda(database, {
    maxAgeMs: config.WORK_CHECK_INTERVAL,
    readByWakeups: (...statement) => wakeups.read(...statement),
  });
  const poller: Poller = new Poller(tasks, agenda, logger, metrics.taskFailure);
  return {
    poller,
    replay: () => jobWork.recorder.replay(),
    onStreams: (ids) => webhooks.follow.onStreams(ids),
  };
}

/** Creates the work that submits jobs and tracks them. */
export function createJobWork(
  deps: WorkDeps,
  { jobs, jobPhotos }: Services,
  onResume: () => void,
): Omit<ScheduleDeps, keyof MediaWork | 'database' | 'config' | 'erasures' | 'webhooks'> {
  const { config, logger, database, provider, journal, metrics, publicUrl, clock } = deps;
  const { budget } = deps;
  const durations = new LearnedDurations(database, {
    TRAINING: provider.facts.trainingDuration,
    GENERATION: provider.facts.generationDuration,
  });
  const context: JobContext = {
    ...{ database, jobs, photos: jobPhotos, provider, budget, journal, logger, publicUrl, clock },
    durations,
    pollTiming: makePollTiming(deps, durations, budget),
    leaseMs: config.LEASE,
    weights: config.OWNER_WEIGHTS,
    graceMs: config.UNCERTAIN_GRACE ?? defaultGraceMs(provider.facts),
    submitTimeoutMs: config.SUBMIT_TIMEOUT,
    pollTimeoutMs: config.POLL_TIMEOUT,
    probeIntervalMs: config.ACCOUNT_PROBE_INTERVAL,
    pollSpeed: config.POLL_SPEED,
    maxPolls: config.MAX_POLLS,
    pollBatchWaitMs: config.POLL_BATCH_WAIT,
    pollPauseMs: config.POLL_PAUSE,
    maxSubmissions: config.MAX_SUBMISSIONS,
    onSubmission: metrics.submission,
    onUnknownWord: metrics.unknownWord,
    onExpectedEnd: metrics.expectedEnd,
    onResume,
    onPendingRecords: () => deps.wakeups.announce({ topics: [photoRecordsTopic] }),
  };
  const models = new ModelSteps(context, config.TRAINING_DEADLINE);
  const generations = new GenerationSteps(context, config.GENERATION_DEADLINE);
  const recorder = new PaidCallRecorder(context, { models, generations });
  const account = new UpstreamAccountWork(context);
  const workOn = (steps: JobSteps): JobKindWork => ({
    steps,
    submission: new SubmissionWork({ ...context, recorder, account }, steps),
    polls: new PollWork({ ...context, account }, steps),
    overdue: new OverdueWork(context, steps),
  });
  const unansweredMs = context.submitTimeoutMs + context.graceMs;
  return { recorder, account, models: workOn(models), generations: workOn(generations), unansweredMs };
}

function makePollTiming(
  { config, database, provider }: WorkDeps,
  durations: LearnedDurations,
  budget: UpstreamBudget,
): PollTiming {
  const kinds = [
    { kind: modelKind, expect: () => durations.ofAll({ provider: provider.name, work: 'TRAINING' }) },
    { kind: generationKind, expect: () => durations.ofAll({ provider: provider.name, work: 'GENERATION' }) },
  ];
  return new PollTiming(database, provider.name, kinds, {
    pollsPerMs: budget.perSecond('poll') / 1_000,
    maxSpeedup: config.MAX_POLL_SPEEDUP,
    maxIntervalMs: config.MAX_POLL_INTERVAL,
  });
}

/** Creates the request budget of the configured account. */
export function makeBudget({
  config,
  database,
  provider,
}: Pick<Infrastructure, 'config' | 'database' | 'provider'>): UpstreamBudget {
  return new UpstreamBudget(database, provider, {
    requestsPerMinute: config.UPSTREAM_REQUESTS_PER_MINUTE,
    pollShare: config.POLL_SHARE,
    probeIntervalMs: config.ACCOUNT_PROBE_INTERVAL,
    maxCallMs: Math.max(config.SUBMIT_TIMEOUT, config.POLL_TIMEOUT),
  });
}

/** Creates the work that fetches, stores, checks and deletes images. */
export function createMediaWork(
  deps: WorkDeps,
  { completion, deletion, intake }: Services,
  onPhotoReady: () => void,
): MediaWork {
  const { config, logger, database, media, imageProcessor, downloads, provider, metrics, spool } = deps;
  const { resultTtlMs } = provider.facts;
  const deadlineMs = config.RESULT_DEADLINE ?? resultTtlMs * resultDeadlineShare;
  const leases = { leaseMs: config.LEASE, weights: config.OWNER_WEIGHTS };
  const common = { database, media, imageProcessor, downloads, logger, ...leases };
  return {
    avatars: new AvatarWork({
      ...common,
      attempts: new AvatarFetches(database, completion, deadlineMs),
      urls: new ResultUrls(database, provider, deps.budget),
      maxBytes: config.MAX_RESULT_BYTES,
      maxFetches: config.MAX_RESULT_FETCHES,
      downloadTimeoutMs: config.RESULT_TIMEOUT,
      resultTtlMs,
      count: { late: metrics.lateAvatar, delayed: metrics.delayedAvatar, lost: metrics.lostAvatar },
    }),
    avatarChecks: new AvatarCheckWork(
      common,
      config.MEDIA_CHECK_INTERVAL,
      metrics.damagedAvatar,
      deps.requireStore,
    ),
    completion,
    photos: new PhotoWork({
      ...common,
      intake,
      maxPhotoBytes: config.MAX_PHOTO_BYTES,
      maxFetches: config.MAX_PHOTO_FETCHES,
      onReady: onPhotoReady,
    }),
    // Also while S3_UPLOADS=gateway, for uploads that were begun before.
    directUploads: media.links
      ? new DirectUploadWork({
          ...{ database, media, intake, spool, deletion, logger, ...leases },
          maxPhotoBytes: config.MAX_PHOTO_BYTES,
          maxChecks: config.MAX_PHOTO_FETCHES,
        })
      : null,
    deletion,
  };
}
