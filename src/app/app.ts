import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import type { Config } from '../config';
import type { Logger } from '../core/logger';
import { Shutdown } from '../core/shutdown';
import { UrlSigner } from '../core/signature';
import type { Database } from '../database/database';
import { DatabaseClock } from '../database/database-clock';
import { streamReader } from '../events/event-page.repository';
import { EventFeed } from '../events/feed';
import { OwnerFeed } from '../events/owner-feed';
import { RedisWakeups } from '../events/redis-wakeups';
import { everyTopic } from '../events/wake';
import { Wakeups } from '../events/wakeups';
import type { HealthCheck } from '../http/health';
import { createImageSemaphore, ImageProcessor } from '../images/image-processor';
import { Journal } from '../jobs/journal';
import type { Poller } from '../poller/poller';
import { RedisConnection } from '../redis/redis-connection';
import type { Sandbox } from '../sandbox/sandbox';
import { prepareDataDirectory, signingSecrets } from '../storage/data-directory';
import { UploadSpool } from '../storage/upload-spool';
import { Downloads } from '../upstream/downloads';
import { createGuard } from '../upstream/guard';
import { createAuth } from './auth';
import { openDatabase } from './database';
import { createHttpServers, type HttpServers } from './http';
import { createMetrics, type Metrics } from './metrics/metrics';
import { checkCdn, openMonitoring, reportDecoding } from './monitoring';
import { createServices, type Infrastructure, type Services } from './services';
import { openStore } from './store';
import { startTracing } from './tracing';
import { openUpstream, watchKey, type KeyWatch, type Startup } from './upstream';
import { webhooksTopic } from './webhooks';
import { createWork, makeBudget, type Work } from './workers';

/** A running gateway. */
export interface App {
  /** The public URL, without a trailing slash. */
  url: string;
  /** The URL of the server of METRICS_PORT; null without one. */
  metricsUrl: string | null;
  /** The sandbox if it is the upstream. */
  sandbox: Sandbox | null;
  /** Finishes running work within the grace period and stops all components, last started first. */
  stop(): Promise<void>;
}

/**
 * Starts a gateway and its components in the order of their dependencies. If one fails to start, or `shutdown` is
 * requested meanwhile, the components that were started are stopped.
 */
export async function startApp(
  config: Config,
  logger: Logger,
  shutdown = new Shutdown(logger),
): Promise<App> {
  const running = await shutdown.start(() => start(config, logger, shutdown));
  return { ...running, stop: () => shutdown.stop() };
}

async function start(config: Config, logger: Logger, shutdown: Shutdown): Promise<Omit<App, 'stop'>> {
  const dataDir = resolve(config.DATA_DIR);
  await Promise.all([prepareDataDirectory(dataDir), startTracing({ config, logger, shutdown })]);
  const metrics = createMetrics(logger);
  const startup = { config, dataDir, logger, shutdown, onCall: metrics.upstreamCall };
  const [{ directUrl, database, costlyReads, replica }, { provider, sandbox }] = await allStarted(
    openDatabase(startup),
    openUpstream(startup),
  );

  const { redis, wakeups, ...feeds } = await openEvents({ directUrl, database, metrics }, startup);
  const guard = createGuard({ allow: config.PHOTO_URL_ALLOW });
  const budget = makeBudget({ config, database, provider });
  const access = createAuth({ config, logger, database, wakeups, redis });
  shutdown.onStop(() => access.stop());

  const decoding = createImageSemaphore(availableParallelism(), config.MAX_UPLOADS, config.OWNER_WEIGHTS);
  metrics.connect({ database, costlyReads, replica, decoding, account: provider.account, budget });
  let listening = '';
  const deps = {
    ...{ config, logger, database, costlyReads },
    ...(await openStore(startup, database)),
    spool: await UploadSpool.open(join(dataDir, 'uploads')),
    imageProcessor: new ImageProcessor(decoding, undefined, reportDecoding(metrics, logger)),
    ...{ ...feeds, wakeups, provider, guard },
    clock: await DatabaseClock.start(database),
    ...{ quotas: access.quotas, clientTokens: access.clientTokens, metrics },
    ...signing(config, dataDir),
    localUrl: () => listening,
    publicUrl: () => config.PUBLIC_URL ?? listening,
  };
  const services = createServices(deps);
  shutdown.onStop(() => services.renditions.stop());

  const { journal, journalChecks } = openJournal(startup, metrics);
  const { poller, replay, onStreams } = createWork(
    { ...deps, budget, downloads: new Downloads(guard, provider), journal },
    services,
  );
  await replay();

  const metricsUrl = await openMonitoring(startup, metrics);
  const servers = await createHttpServers({ ...deps, services, access, journalChecks });
  shutdown.onStop(() => servers.stop(config.SHUTDOWN_GRACE));
  shutdown.onStop(() => stopPhotos(services));
  shutdown.onStop(() => drain(config, servers, poller));
  listening = (await servers.start()).url;
  await startPhotos(services, wakeups);
  if (config.ROLE !== 'api') startWork(poller, wakeups, onStreams);
  startChecks({ ...deps, budget }, startup);
  return { url: deps.publicUrl(), metricsUrl, sandbox };
}

/** The journal of paid calls, with the check of whether it can be written in a process that makes them. */
function openJournal(
  { config, dataDir, shutdown }: Startup,
  metrics: Metrics,
): { journal: Journal; journalChecks: HealthCheck[] } {
  // The calls of trainings and generations.
  const journal = new Journal(join(dataDir, 'journal'), { maxCalls: 2 * config.MAX_SUBMISSIONS });
  journal.start();
  shutdown.onStop(() => journal.stop());
  if (config.ROLE === 'api') return { journal, journalChecks: [] };
  metrics.readProcess({ journal });
  const check = (): Promise<void> => Promise.resolve().then(() => journal.reserve());
  return { journal, journalChecks: [{ name: 'journal', check }] };
}

/** Checks in the background what is otherwise only noticed when it matters. */
function startChecks({ media, ...deps }: Pick<Infrastructure, 'media'> & KeyWatch, startup: Startup): void {
  const { ROLE, UPSTREAM } = startup.config;
  if (ROLE !== 'api' && UPSTREAM !== 'sandbox') void watchKey(deps, startup);
  checkCdn(media, startup);
}

/** Begins the record that this process serves photos. */
async function startPhotos({ photoHeartbeat }: Services, wakeups: Pick<Wakeups, 'onTopic'>): Promise<void> {
  wakeups.onTopic((topic) => photoHeartbeat.onTopic(topic));
  await photoHeartbeat.start();
}

async function stopPhotos({ uploads, photoHeartbeat }: Services): Promise<void> {
  uploads.stop();
  await photoHeartbeat.stop();
}

/** The secrets of the server, and what signs URLs with them. */
function signing(
  { SIGNING_SECRETS }: Config,
  dataDir: string,
): { signingSecrets: [string, ...string[]]; signer: UrlSigner } {
  const secrets = signingSecrets(SIGNING_SECRETS, dataDir);
  return { signingSecrets: secrets, signer: new UrlSigner(secrets) };
}

/** How long load balancers have to notice that a process is not ready, by default, in milliseconds. Kubernetes removes a pod within about a second. */
const defaultDrainMs = 5_000;

/**
 * Ends the work, before the HTTP server stops: paid calls in flight are awaited, and the upstream may fetch photos from this
 * gateway before it responds. Meanwhile requests are drained.
 */
async function drain(config: Config, servers: HttpServers, poller: Poller): Promise<void> {
  const defaultMs = config.DATABASE_URL === undefined ? 0 : defaultDrainMs;
  await Promise.all([
    servers.drain(config.SHUTDOWN_DRAIN ?? defaultMs),
    poller.stop(config.SUBMIT_TIMEOUT + config.SHUTDOWN_GRACE),
  ]);
}

/** How often events make the poller read due times again, in milliseconds. */
const eventDelayMs = 100;

function startWork(
  poller: Poller,
  wakeups: Pick<Wakeups, 'onWork' | 'onTopic' | 'onStreams'>,
  onStreams: Work['onStreams'],
): void {
  wakeups.onWork(() => poller.wake());
  wakeups.onTopic((topic) => {
    if (topic === webhooksTopic || topic === everyTopic) onStreams('all');
  });
  // Events may have to be sent to webhooks.
  let timer: NodeJS.Timeout | null = null;
  wakeups.onStreams((ids) => {
    onStreams(ids);
    timer ??= setTimeout(() => {
      timer = null;
      poller.refresh();
    }, eventDelayMs).unref();
  });
  poller.start();
}

/** Connects in the background: the gateway also works without it. */
function openRedis({ config, logger, shutdown }: Startup): RedisConnection | null {
  const { REDIS_URL: url, REDIS_PREFIX: prefix } = config;
  if (url === undefined) return null;
  const redis = new RedisConnection({ url, prefix, logger });
  redis.start();
  shutdown.onStop(() => redis.stop());
  return redis;
}

/** How much longer than WORK_CHECK_INTERVAL the connection for wake-ups is unused before it is checked, in milliseconds. */
const wakeupCheckDelayMs = 1_000;

interface Events {
  redis: RedisConnection | null;
  wakeups: Wakeups | RedisWakeups;
  feed: EventFeed;
  ownerFeed: OwnerFeed;
}

async function openEvents(
  { directUrl, database, metrics }: { directUrl: string; database: Database; metrics: Metrics },
  startup: Startup,
): Promise<Events> {
  const { config, logger, shutdown } = startup;
  const redis = openRedis(startup);
  if (redis) metrics.readProcess({ redis });
  // Due times are read on this connection as often, so that a process with work needs no other check of it.
  const checkMs = config.WORK_CHECK_INTERVAL + wakeupCheckDelayMs;
  const own = new Wakeups({
    ...{ url: database.engine.notifies ? directUrl : null, logger, checkMs },
    isDirect: config.DATABASE_DIRECT_URL !== undefined,
  });
  const wakeups = redis ? new RedisWakeups(own, redis) : own;
  shutdown.onStop(() => wakeups.stop());
  await wakeups.start();
  const feed = new EventFeed({ reader: streamReader(database), wakeups, logger });
  const ownerFeed = new OwnerFeed({ database, wakeups, logger });
  for (const each of [feed, ownerFeed]) {
    shutdown.onStop(() => each.stop());
    await each.start();
  }
  return { redis, wakeups, feed, ownerFeed };
}

/** Like Promise.all, but waits until both have settled, so that a failure does not leave a startup running. */
async function allStarted<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second]);
  return [await first, await second];
}
