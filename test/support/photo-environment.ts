import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileRoutes } from '../../src/app/file-routes';
import type { Services } from '../../src/app/services';
import type { Database } from '../../src/database/database';
import { photoUse } from '../../src/generations/generation.kind';
import { purgeDuePhotos } from '../../src/photos/job-photo.repository';
import { DiskStore } from '../../src/storage/disk-store';
import type { StoredObject } from '../../src/storage/media-store';
import type { ObjectLinks } from '../../src/storage/object-links';
import type { Resolve } from '../../src/upstream/name-resolution';
import { TestDatabase } from './database';
import { ScriptedProvider } from './scripted-provider';
import { composeServices, type Composition } from './services';
import { startTinyGateway } from './tiny-gateway';

/** The limit on one photo in these tests, in bytes. */
export const maxPhotoBytes = 3_000_000;

/** The photo services and routes on a new database and directory. */
export interface PhotoEnvironment {
  database: Database;
  store: WatchedStore;
  /** The folder of the store. */
  mediaDir: string;
  signer: Composition['signer'];
  photos: Services['photos'];
  training: Services['jobPhotos'];
  intake: Services['intake'];
  /** Runs one pass that fetches photos from URLs; returns how many it claimed. */
  fetchDue(signal: AbortSignal): Promise<number>;
  /** Purges due photos; returns how many were due. */
  purgeDue(limit: number): Promise<number>;
  deletion: Services['deletion'];
  /** Runs one pass that looks for files in the bucket; returns how many it looked for. */
  checkUploads(signal: AbortSignal): Promise<number>;
  /** How often waiting jobs were announced as due. */
  wakes: () => number;
  stop(): Promise<void>;
}

/** A disk store whose steps a test can delay or fail. */
class WatchedStore extends DiskStore {
  /** Set if clients upload to the bucket. */
  links?: ObjectLinks;
  /** Awaited before a file is stored. */
  beforePut: () => Promise<void> = async () => undefined;
  /** Awaited before a file is deleted. */
  beforeDelete: (key: string) => Promise<void> = async () => undefined;

  override async put(key: string, bytes: AsyncIterable<Uint8Array>, maxBytes: number): Promise<StoredObject> {
    await this.beforePut();
    return super.put(key, bytes, maxBytes);
  }

  override async deleteMany(
    keys: readonly string[],
    mayDelete?: () => boolean,
  ): Promise<ReadonlyMap<string, unknown>> {
    const failures = new Map<string, unknown>();
    for (const key of keys) await this.beforeDelete(key).catch((error: unknown) => failures.set(key, error));
    const others = await super.deleteMany(
      keys.filter((key) => !failures.has(key)),
      mayDelete,
    );
    return new Map([...failures, ...others]);
  }

  /** Lists all files, including new ones. */
  override list(prefix: string): AsyncGenerator<string> {
    return super.list(prefix, 0);
  }

  async has(key: string): Promise<boolean> {
    for await (const listed of this.list(key)) if (listed === key) return true;
    return false;
  }
}

/** URLs that are not used. */
const unusedLinks: ObjectLinks = {
  origin: () => Promise.resolve('https://bucket.example'),
  upload: (key, byteSize) => Promise.resolve(`https://bucket.example/${key}?size=${byteSize}`),
  read: (key) => Promise.resolve({ url: `https://bucket.example/${key}`, validMs: 1_000 }),
  sizeOf: () => Promise.resolve(null),
};

/**
 * Photos are not kept after a training. `lookup` is the system's resolver.
 * @param isDirect - whether clients upload to a bucket, which is a folder here
 */
export async function openPhotoEnvironment(lookup?: Resolve, isDirect = false): Promise<PhotoEnvironment> {
  const testDatabase = await TestDatabase.create();
  const folder = await mkdtemp(join(tmpdir(), 'likeness-photos-'));
  const database = await testDatabase.pool(10);
  const mediaDir = join(folder, 'media');
  const store = new WatchedStore(mediaDir);
  if (isDirect) store.links = unusedLinks;
  let wakes = 0;
  const composition = composeServices({
    ...{ database, media: store, dataDir: folder, provider: new ScriptedProvider(), lookup },
    publicUrl: () => gateway.url,
    settings: {
      PHOTO_URL_ALLOW: '127.0.0.1,photos.example.org',
      MAX_PHOTO_BYTES: String(maxPhotoBytes),
      PHOTO_RETENTION: '0s',
      MAX_PHOTO_FETCHES: '26',
      ...(isDirect && { S3_BUCKET: 'pictures', S3_UPLOADS: 'direct' }),
    },
    onWake: () => (wakes += 1),
  });
  const { services, photos: work, directUploads, deletion, signer, journal } = composition;
  const gateway = await startTinyGateway({ routes: fileRoutes(services) });
  return {
    ...{ database, store, mediaDir, signer, deletion },
    intake: services.intake,
    photos: services.photos,
    training: services.jobPhotos,
    fetchDue: async (signal) => {
      const pass = await work.processBatch(signal);
      await Promise.all(pass.work);
      return pass.work.length;
    },
    checkUploads: async (signal) => {
      const pass = await directUploads!.processBatch(signal);
      await Promise.all(pass.work);
      return pass.work.length;
    },
    purgeDue: (limit) => database.transaction((sql) => purgeDuePhotos(sql, photoUse, limit)),
    wakes: () => wakes,
    stop: async () => {
      await gateway.stop();
      journal.stop();
      await testDatabase.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
