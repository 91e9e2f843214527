import { join } from 'node:path';
import { QuotaService } from '../../src/accounts/quota.service';
import { Spending, unpriced, type SpendingOptions } from '../../src/accounts/spending.service';
import type { Metrics } from '../../src/app/metrics/metrics';
import { createServices, type Services } from '../../src/app/services';
import { createJobWork, createMediaWork, makeBudget, type WorkDeps } from '../../src/app/workers';
import { createLogger } from '../../src/core/logger';
import { UrlSigner } from '../../src/core/signature';
import { DatabaseClock } from '../../src/database/database-clock';
import { streamReader } from '../../src/events/event-page.repository';
import { EventFeed } from '../../src/events/feed';
import { OwnerFeed } from '../../src/events/owner-feed';
import { Wakeups } from '../../src/events/wakeups';
import { createImageSemaphore, ImageProcessor } from '../../src/images/image-processor';
import { Journal } from '../../src/jobs/journal';
import type { ScheduleDeps } from '../../src/poller/schedule';
import { readConfig } from '../../src/read-config';
import { UploadSpool } from '../../src/storage/upload-spool';
import { Downloads } from '../../src/upstream/downloads';
import { createGuard } from '../../src/upstream/guard';
import { createResolver, type Resolve } from '../../src/upstream/name-resolution';
import type { Settings } from './environment';

/** What a test provides; everything else is composed as in a gateway. */
export interface ServiceOptions extends Pick<WorkDeps, 'database' | 'media' | 'provider' | 'publicUrl'> {
  /** Contains the journal and unfinished uploads. */
  dataDir: string;
  settings?: Settings;
  /** @defaultValue downloads from the allowed hosts */
  downloads?: Partial<WorkDeps['downloads']>;
  metrics?: Partial<Metrics>;
  /** Resolves the host names of clients' URLs. */
  lookup?: Resolve;
  /** @defaultValue nothing is priced */
  spending?: SpendingOptions;
  /** Called when jobs that waited have become due. */
  onWake?: () => void;
  /** Receives what other processes would be notified of. */
  announce?: WorkDeps['wakeups']['announce'];
  /** Receives warnings and errors, as lines of the log. */
  onLog?: (line: string) => void;
}

/** The services and periodic work of a gateway process. Nothing runs by itself: a test calls each pass. */
export interface Composition extends Omit<ScheduleDeps, 'database' | 'config' | 'erasures' | 'webhooks'> {
  services: Services;
  journal: Journal;
  signer: UrlSigner;
}

/** Composes the services of a process as the app does, without server, poller and wake-ups. */
export function composeServices({
  settings,
  lookup,
  onWake,
  announce,
  spending = unpriced,
  onLog = () => undefined,
  ...given
}: ServiceOptions): Composition {
  const { database, dataDir, provider } = given;
  const config = readConfig({ ...settings, DATA_DIR: dataDir });
  const logger = createLogger('warn', { write: onLog });
  const guard = createGuard({ allow: config.PHOTO_URL_ALLOW, resolve: createResolver(lookup) });
  const downloads = new Downloads(guard, provider);
  const journal = new Journal(join(dataDir, 'journal'));
  journal.start();
  const idle = new Wakeups({ url: '', logger });
  const deps = {
    ...given,
    ...{ config, logger, guard, journal },
    metrics: { unknownWord: ignore, expectedEnd: ignore, submission: ignore, ...given.metrics } as Metrics,
    budget: makeBudget({ config, database, provider }),
    downloads: {
      photo: downloads.photo.bind(downloads),
      result: downloads.result.bind(downloads),
      ...given.downloads,
    },
    imageProcessor: new ImageProcessor(createImageSemaphore(2)),
    spool: new UploadSpool(join(dataDir, 'uploads')),
    signer: new UrlSigner(['a secret of the tests']),
    signingSecrets: ['a secret of the tests'] as const,
    wakeups: { announce: announce ?? ignore, read: () => null },
    requireStore: () => Promise.resolve(),
    costlyReads: { begin: () => Promise.resolve(database) },
    clock: new DatabaseClock(database),
    feed: new EventFeed({ reader: streamReader(database), wakeups: idle, logger }),
    ownerFeed: new OwnerFeed({ database, wakeups: idle, logger }),
    clientTokens: { findMany: () => Promise.resolve([]) } as never,
    quotas: new QuotaService(database, noLimits, new Spending(spending), () => Promise.resolve(0)),
    localUrl: given.publicUrl,
  };
  const services = createServices(deps);
  const wake = onWake ?? ignore;
  return {
    ...createJobWork(deps, services, wake),
    ...createMediaWork(deps, services, wake),
    ...{ services, journal, signer: deps.signer },
  };
}

const ignore = (): void => undefined;
const noLimits = { trainingsPerDay: null, avatarsPerDay: null, running: null };
