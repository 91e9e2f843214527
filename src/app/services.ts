import type { GraphQLSchema } from 'graphql';
import { ConsentRule } from '../accounts/consent';
import type { QuotaService } from '../accounts/quota.service';
import { Spending, unpriced } from '../accounts/spending.service';
import { ViewerResolver } from '../accounts/viewer.resolver';
import { ActivityResolver } from '../activity/activity.resolver';
import type { ActivitySubscriptions } from '../activity/activity.subscription';
import { ClientTokenResolver } from '../auth/client-token.resolver';
import type { ClientTokenService } from '../auth/client-token.service';
import type { Config } from '../config';
import type { BulkLimits } from '../core/bulk-changes';
import type { Logger } from '../core/logger';
import type { UrlSigner } from '../core/signature';
import type { CostlyReads, Transactions } from '../core/sql';
import type { TransferLimits } from '../core/transfer-slots';
import type { DatabaseClock } from '../database/database-clock';
import type { EventFeed } from '../events/feed';
import type { OwnerFeed } from '../events/owner-feed';
import type { Wakeups } from '../events/wakeups';
import { AvatarBulkResolver } from '../generations/avatar-bulk.resolver';
import { AvatarBulkService } from '../generations/avatar-bulk.service';
import { AvatarDownloadService } from '../generations/avatar-download.service';
import { avatarLinks } from '../generations/avatar-links';
import { AvatarMediaService } from '../generations/avatar-media.service';
import { AvatarRenditions } from '../generations/avatar-renditions';
import { AvatarUrls } from '../generations/avatar-urls';
import { AvatarResolver } from '../generations/avatar.resolver';
import { AvatarService } from '../generations/avatar.service';
import { CapabilitiesResolver } from '../generations/capabilities.resolver';
import { CostEstimateResolver } from '../generations/cost-estimate.resolver';
import { GenerationBulkResolver } from '../generations/generation-bulk.resolver';
import { GenerationChangesResolver } from '../generations/generation-changes.resolver';
import { GenerationCompletion } from '../generations/generation-completion';
import { jobKinds, photoUse } from '../generations/generation.kind';
import { GenerationResolver } from '../generations/generation.resolver';
import { ModelFieldsResolver } from '../generations/model-fields.resolver';
import { StyleExamples } from '../generations/style-examples';
import { buildAppSchema } from '../graphql/build-schema';
import { acceptsConnections } from '../http/health';
import type { ImageProcessor } from '../images/image-processor';
import { JobBulkService } from '../jobs/job-bulk.service';
import { JobLog } from '../jobs/job-log';
import { JobWaits } from '../jobs/job-waits';
import { JobRepository } from '../jobs/job.repository';
import { JobResolver } from '../jobs/job.resolver';
import { timelineResolvers } from '../jobs/timeline.resolver';
import { ModelBulkResolver } from '../models/model-bulk.resolver';
import { ModelChangesResolver } from '../models/model-changes.resolver';
import { ModelResolver } from '../models/model.resolver';
import { OperatorResolver } from '../operator/operator.resolver';
import { readOverview } from '../operator/overview.repository';
import { JobPhotoService } from '../photos/job-photo.service';
import { PhotoAvailabilityHeartbeat } from '../photos/photo-availability.service';
import { PhotoIntake } from '../photos/photo-intake';
import { PhotoUploadService } from '../photos/photo-upload.service';
import { PhotoUrls } from '../photos/photo-urls';
import { PhotoResolver } from '../photos/photo.resolver';
import { PhotoService } from '../photos/photo.service';
import { ErasureService } from '../privacy/erasure.service';
import { ErasureWork } from '../privacy/erasure.work';
import { ExportService } from '../privacy/export.service';
import { PrivacyResolver } from '../privacy/privacy.resolver';
import { readConfig } from '../read-config';
import { MediaDeletion } from '../storage/media-deletion';
import type { UploadSpool } from '../storage/upload-spool';
import type { Guard } from '../upstream/guard';
import { picsartFacts } from '../upstream/picsart/facts';
import type { AvatarProvider } from '../upstream/provider';
import type { WebhookSender } from '../webhooks/webhook-sender';
import { makeEstimates, makeJobs } from './job-services';
import type { Metrics } from './metrics/metrics';
import { nodeResolvers } from './nodes';
import type { OpenedStore } from './store';
import { makeSubscriptions } from './subscriptions';
import { makeWebhooks } from './webhooks';

/** What the services are built on. */
export interface Infrastructure extends Pick<OpenedStore, 'media' | 'requireStore'> {
  config: Config;
  logger: Logger;
  database: Transactions;
  costlyReads: CostlyReads;
  wakeups: Pick<Wakeups, 'announce'>;
  feed: EventFeed;
  ownerFeed: OwnerFeed;
  provider: AvatarProvider;
  clock: DatabaseClock;
  guard: Guard;
  imageProcessor: ImageProcessor;
  spool: UploadSpool;
  signer: UrlSigner;
  /** Keys of what is stored encrypted are derived from them: the first one encrypts. */
  signingSecrets: readonly [string, ...string[]];
  quotas: QuotaService;
  clientTokens: ClientTokenService;
  metrics: Pick<Metrics, 'rendition' | 'uploadWait'>;
  /** The URL that the HTTP server listens on, without a trailing slash; empty before it listens. */
  localUrl: () => string;
  /** The public URL of the gateway, without a trailing slash; available once it listens. */
  publicUrl: () => string;
}

/** The services that the HTTP server and the background work use. */
export interface Services {
  jobs: JobRepository;
  waits: JobWaits;
  completion: GenerationCompletion;
  deletion: MediaDeletion;
  intake: PhotoIntake;
  uploads: PhotoUploadService;
  photos: PhotoService;
  jobPhotos: JobPhotoService;
  photoHeartbeat: PhotoAvailabilityHeartbeat;
  avatars: AvatarService;
  avatarUrls: AvatarUrls;
  avatarMedia: AvatarMediaService;
  renditions: AvatarRenditions;
  downloads: AvatarDownloadService;
  styleExamples: StyleExamples;
  erasureWork: ErasureWork;
  exports: ExportService;
  activity: ActivitySubscriptions;
  webhookSender: WebhookSender;
  /** One instance of each resolver class, for the schema. */
  resolvers: object[];
}

/** How long a bulk mutation begins further changes, in milliseconds: half of the time limit of an operation. */
const maxBulkMs = 5_000;

/** Creates all services in the order of their dependencies. */
export function createServices(deps: Infrastructure): Services {
  const { config, database, wakeups, provider, signer, quotas, publicUrl, clock } = deps;
  const photoServices = makePhotos(deps);
  const { photos, jobPhotos } = photoServices;
  const jobs = new JobRepository(database, wakeups, new JobLog(deps.logger));
  const completion = new GenerationCompletion(jobs, wakeups, clock);
  const consents = new ConsentRule(config.REQUIRE_CONSENT ?? null);
  const jobDeps = { database, jobs, photos: jobPhotos, provider, quotas, consents };
  const { models, modelLifecycle, generations, generationLifecycle } = makeJobs(jobDeps);
  const avatarUrls = new AvatarUrls(signer, publicUrl);
  const avatars = new AvatarService(database, completion);
  const subscriptions = makeSubscriptions(deps, avatars);
  const bulk: BulkLimits = { maxObjects: config.MAX_BULK_OBJECTS, maxMs: maxBulkMs };
  const bulkDeps = { database, limits: bulk, spending: quotas.spending };
  const pictures = makeAvatarMedia(deps, { urls: avatarUrls, avatars, bulk });
  const { privacyResolver, ...privacy } = makePrivacy(deps);
  const styleExamples = new StyleExamples(provider, publicUrl);
  const webhooks = makeWebhooks(deps);
  const resolvers = [
    new ViewerResolver(quotas),
    new ActivityResolver(subscriptions.activity),
    ...[privacyResolver, new ClientTokenResolver(deps.clientTokens)],
    new OperatorResolver(async () => readOverview(await deps.costlyReads.begin())),
    ...nodeResolvers(database, webhooks.service, {
      ...{ AvatarModel: models, Generation: generations, Avatar: avatars, Photo: photos },
      ClientToken: deps.clientTokens,
    }),
    new PhotoResolver(photos),
    new JobResolver({ AvatarModel: modelLifecycle, Generation: generationLifecycle }),
    ...timelineResolvers(database, jobKinds),
    new CostEstimateResolver(makeEstimates(jobDeps, quotas)),
    new ModelResolver(models, subscriptions.models, photos),
    new ModelChangesResolver(models, modelLifecycle),
    new ModelBulkResolver(new JobBulkService(bulkDeps, modelLifecycle, models.list)),
    new GenerationResolver(generations, subscriptions.generations, subscriptions.avatars, avatars, models),
    new GenerationChangesResolver(generationLifecycle),
    new GenerationBulkResolver(new JobBulkService(bulkDeps, generationLifecycle, generations.list)),
    new AvatarResolver(avatars, generations, models, avatarUrls),
    new AvatarBulkResolver(new AvatarBulkService(avatars, bulk), pictures.downloads),
    new CapabilitiesResolver(photos, consents, provider, styleExamples),
    new ModelFieldsResolver(generations, avatars),
  ];
  return {
    ...{ ...photoServices, ...privacy, jobs, completion, avatars, avatarUrls },
    ...{ styleExamples, resolvers, activity: subscriptions.activity, webhookSender: webhooks.sender },
    waits: new JobWaits(database, deps.feed, jobKinds),
    ...pictures,
  };
}

/** Creates the services that serve avatars. */
function makeAvatarMedia(
  { config, database, media, imageProcessor, signer, publicUrl, logger, metrics }: Infrastructure,
  { urls, avatars, bulk }: { urls: AvatarUrls; avatars: AvatarService; bulk: BulkLimits },
): Pick<Services, 'avatarMedia' | 'renditions' | 'downloads'> {
  const renditions = new AvatarRenditions({
    ...{ database, media, imageProcessor, logger, weights: config.OWNER_WEIGHTS },
    onEnd: (outcome) => metrics.rendition(outcome),
  });
  const links = avatarLinks(config, media);
  const avatarMedia = new AvatarMediaService({ database, media, urls, renditions, links });
  const downloads = new AvatarDownloadService({
    ...{ database, signer, publicUrl, avatars, bulk, pictures: avatarMedia },
    maxAvatars: config.MAX_DOWNLOAD_AVATARS,
    transfers: transferLimits(config, config.MAX_EXPORTS, 1),
  });
  return { renditions, avatarMedia, downloads };
}

type PhotoServices = Pick<
  Services,
  'deletion' | 'intake' | 'uploads' | 'photos' | 'jobPhotos' | 'photoHeartbeat'
>;

function makePhotos(deps: Infrastructure): PhotoServices {
  const { config, logger, database, media, guard, signer, imageProcessor, spool, publicUrl, localUrl } = deps;
  const { MAX_PHOTO_BYTES: maxPhotoBytes, PHOTO_RETENTION: retentionMs } = config;
  const deletion = new MediaDeletion(database, media, logger, deps.requireStore);
  const bucket = config.S3_UPLOADS === 'direct' ? (media.links ?? null) : null;
  const urls = new PhotoUrls(signer, publicUrl, bucket);
  const intake = new PhotoIntake(database, media, imageProcessor);
  const checkUrl = (url: string): URL => guard.checkUrl(url);
  const isAccepting = (): Promise<boolean> => acceptsConnections(localUrl());
  const photoHeartbeat = new PhotoAvailabilityHeartbeat(database, logger, publicUrl, isAccepting);
  return {
    deletion,
    intake,
    photoHeartbeat,
    uploads: new PhotoUploadService({
      ...{ database, urls, intake, spool, maxBytes: maxPhotoBytes },
      limits: transferLimits(config, config.MAX_UPLOADS, config.MAX_UPLOADS_PER_OWNER),
      onWaited: (outcome) => deps.metrics.uploadWait(outcome),
    }),
    photos: new PhotoService(database, media, deletion, urls, {
      maxByteSize: maxPhotoBytes,
      onDirect: () => deps.wakeups.announce({ work: true }),
    }),
    jobPhotos: new JobPhotoService({
      ...{ database, media, urls, checkUrl, retentionMs, use: photoUse },
      onUnrecordedFetch: () => photoHeartbeat.interrupt(),
    }),
  };
}

/** Creates the services for the erasure and export of personal data. */
function makePrivacy(
  deps: Infrastructure,
): Pick<Services, 'erasureWork' | 'exports'> & { privacyResolver: PrivacyResolver } {
  const { config, database, media, wakeups: announcer, signer, quotas, publicUrl } = deps;
  const kept = {
    counts: Object.values(quotas.limits).some((limit) => limit !== null),
    spending: quotas.spending.isLimited,
  };
  const erasureWork = new ErasureWork(database, announcer, kept);
  const erasures = new ErasureService(database, announcer, erasureWork);
  const limits = transferLimits(config, config.MAX_EXPORTS, 1);
  const exports = new ExportService(database, media, signer, publicUrl, limits);
  return { erasureWork, exports, privacyResolver: new PrivacyResolver(erasures, exports) };
}

function transferLimits(config: Config, maxTransfers: number, maxPerOwner: number): TransferLimits {
  const { MIN_TRANSFER_RATE: minBytesPerSecond, TRANSFER_GRACE: graceMs, OWNER_WEIGHTS: weights } = config;
  return { maxTransfers, maxPerOwner, minBytesPerSecond, graceMs, weights };
}

/**
 * The API schema, built from the gateway's resolvers without dependencies, which are used only when a field is resolved:
 * it accesses neither database, network nor file system.
 */
export function apiSchema(): GraphQLSchema {
  const unused = {} as never;
  const { resolvers } = createServices({
    ...{ config: readConfig({}), signingSecrets: ['unused'] as [string] },
    provider: { facts: picsartFacts(1, []) } as never,
    quotas: { limits: {}, spending: new Spending(unpriced) } as never,
    ...{ logger: unused, database: unused, costlyReads: unused },
    ...{ wakeups: unused, media: unused, requireStore: unused, guard: unused },
    ...{ feed: unused, ownerFeed: unused, clock: unused, clientTokens: unused, metrics: unused },
    ...{ imageProcessor: unused, spool: unused, signer: unused, localUrl: unused, publicUrl: unused },
  });
  return buildAppSchema(resolvers, ({ viewer }) => Promise.resolve(viewer));
}
