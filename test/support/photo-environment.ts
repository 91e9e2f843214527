import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Features } from '../../src/app/features';
import { mediaRoutes } from '../../src/app/media';
import { createLogger } from '../../src/core/logger';
import { UrlSigner } from '../../src/core/signature';
import type { TransferLimits } from '../../src/core/transfers';
import type { Database } from '../../src/database/database';
import { createImageSemaphore, ImageProcessor } from '../../src/images/image-processor';
import { purgeDuePhotos } from '../../src/photos/job-photo.repository';
import { JobPhotoService } from '../../src/photos/job-photo.service';
import { PhotoIntake } from '../../src/photos/photo-intake';
import { PhotoUploadService } from '../../src/photos/photo-upload.service';
import { PhotoUrls } from '../../src/photos/photo-urls';
import { PhotoService } from '../../src/photos/photo.service';
import { PhotoWork } from '../../src/photos/photo.work';
import { DiskStore } from '../../src/storage/disk-store';
import { MediaDeletion } from '../../src/storage/media-deletion';
import type { MediaStore, OpenObject, RangeRequest, StoredObject } from '../../src/storage/media-store';
import { UploadSpool } from '../../src/storage/upload-spool';
import { Downloads } from '../../src/upstream/downloads';
import { createGuard } from '../../src/upstream/guard';
import { createResolver, type Resolve } from '../../src/upstream/name-resolution';
import { TestDatabase } from './database';
import { startTinyGateway } from './tiny-gateway';

/** The limit on one photo in these tests, in bytes. */
export const maxPhotoBytes = 3_000_000;

/** The photo services and routes on a new database and directory. */
export interface PhotoEnvironment {
  database: Database;
  store: WatchedStore;
  signer: UrlSigner;
  photos: PhotoService;
  training: JobPhotoService;
  intake: PhotoIntake;
  /** Runs one pass that fetches photos from URLs; returns how many it claimed. */
  fetchDue(signal: AbortSignal): Promise<number>;
  /** Purges due photos; returns how many were due. */
  purgeDue(limit: number): Promise<number>;
  deletion: MediaDeletion;
  /** How often waiting jobs were announced as due. */
  wakes: () => number;
  stop(): Promise<void>;
}

/** A disk store whose steps a test can delay or fail. */
class WatchedStore implements MediaStore {
  /** Awaited before a file is stored. */
  beforePut: () => Promise<void> = async () => undefined;
  /** Awaited before a file is deleted. */
  beforeDelete: (key: string) => Promise<void> = async () => undefined;

  constructor(private readonly inner: MediaStore) {}

  async put(key: string, bytes: AsyncIterable<Uint8Array>, maxBytes: number): Promise<StoredObject> {
    await this.beforePut();
    return this.inner.put(key, bytes, maxBytes);
  }

  open(key: string, range?: RangeRequest): Promise<OpenObject | null> {
    return this.inner.open(key, range);
  }

  async delete(key: string): Promise<void> {
    await this.beforeDelete(key);
    return this.inner.delete(key);
  }

  async deleteMany(keys: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
    const failures = new Map<string, unknown>();
    for (const key of keys) await this.beforeDelete(key).catch((error: unknown) => failures.set(key, error));
    const others = await this.inner.deleteMany(keys.filter((key) => !failures.has(key)));
    return new Map([...failures, ...others]);
  }

  /** Lists all files, including new ones. */
  list(prefix: string): AsyncIterable<string> {
    return this.inner.list(prefix, 0);
  }

  check(): Promise<void> {
    return this.inner.check();
  }

  async has(key: string): Promise<boolean> {
    for await (const listed of this.list(key)) if (listed === key) return true;
    return false;
  }
}

/**
 * `retentionMs` is how long photos are kept after a training; `limits` are those of uploads; `lookup` is the system's
 * resolver.
 */
export async function openPhotoEnvironment(
  retentionMs = 0,
  limits: Partial<TransferLimits> = {},
  lookup?: Resolve,
): Promise<PhotoEnvironment> {
  const testDatabase = await TestDatabase.create();
  const folder = await mkdtemp(join(tmpdir(), 'likeness-photos-'));
  const database = await testDatabase.pool(10);
  const store = new WatchedStore(new DiskStore(folder));
  const spool = new UploadSpool(join(folder, '.uploads'));
  const base = (): string => gateway.url;
  const environment = build({ database, store, spool, base, retentionMs, limits, lookup });
  const features = { ...environment, jobPhotos: environment.training };
  // Only routes of photos are requested.
  const gateway = await startTinyGateway({ routes: mediaRoutes(features as unknown as Features) });
  const stop = async (): Promise<void> => {
    await gateway.stop();
    await testDatabase.drop();
    await rm(folder, { recursive: true, force: true });
  };
  return { ...environment, stop };
}

type Built = Omit<PhotoEnvironment, 'stop'> & { uploads: PhotoUploadService };

interface BuildOptions {
  database: Database;
  store: WatchedStore;
  spool: UploadSpool;
  base: () => string;
  retentionMs: number;
  limits: Partial<TransferLimits>;
  lookup: Resolve | undefined;
}

/** Limits that tests do not reach by accident. */
const generous: TransferLimits = {
  maxTransfers: 100,
  maxPerOwner: 100,
  minBytesPerSecond: 1_000,
  graceMs: 15_000,
};

function build({ database, store, spool, base, retentionMs, limits, lookup }: BuildOptions): Built {
  const logger = createLogger('silent');
  const signer = new UrlSigner(['a secret of the tests']);
  const urls = new PhotoUrls(signer, base);
  const deletion = new MediaDeletion(database, store, logger);
  const intake = new PhotoIntake(database, store, new ImageProcessor(createImageSemaphore(2)));
  const guard = createGuard({ allow: ['127.0.0.1', 'photos.example.org'], resolve: createResolver(lookup) });
  let wakes = 0;
  const work = new PhotoWork({
    database,
    intake,
    downloads: new Downloads(guard, () => false),
    logger,
    leaseMs: 20_000,
    maxPhotoBytes,
    onReady: () => (wakes += 1),
  });
  const parts = { database, media: store, urls };
  return {
    database,
    store,
    signer,
    deletion,
    intake,
    photos: new PhotoService({ ...parts, deletion, maxPhotoBytes }),
    training: new JobPhotoService({
      ...parts,
      checkUrl: (url) => guard.checkUrl(url),
      onUnrecordedFetch: () => undefined,
      retentionMs,
    }),
    uploads: new PhotoUploadService({
      ...{ database, urls, intake, spool },
      maxBytes: maxPhotoBytes,
      limits: { ...generous, ...limits },
    }),
    purgeDue: (limit) => database.transaction((sql) => purgeDuePhotos(sql, limit)),
    fetchDue: async (signal) => {
      const pass = await work.processBatch(signal);
      await pass.ended;
      return pass.started;
    },
    wakes: () => wakes,
  };
}
