import { join } from 'node:path';
import { DiskStore } from './disk-store';
import { type MediaStore, StorageUnavailableError } from './media-store';
import type { S3Store } from './s3-store';
import { checkUploadUrls } from './upload-url-check';

/** Names the store of these settings in messages. */
export function nameOfStore(
  { S3_BUCKET: bucket }: Pick<StoreSettings, 'S3_BUCKET'>,
  dataDir: string,
): string {
  return bucket === undefined
    ? `The folder ${join(dataDir, 'media')} (DATA_DIR)`
    : `The bucket ${bucket} (S3_BUCKET)`;
}

/** The settings of where pictures are stored. */
export interface StoreSettings {
  readonly S3_BUCKET?: string | undefined;
  readonly S3_ENDPOINT?: string | undefined;
  readonly S3_REGION: string;
  readonly S3_ACCESS_KEY_ID?: string | undefined;
  readonly S3_SECRET_ACCESS_KEY?: string | undefined;
  readonly S3_FORCE_PATH_STYLE: boolean;
  readonly S3_UPLOADS: 'gateway' | 'direct';
}

/**
 * Opens the store of pictures: the bucket, which is created if it is missing, or a folder of the data directory.
 * @throws StorageUnavailableError with advice if the bucket cannot be used or created
 */
export async function openMediaStore(settings: StoreSettings, dataDir: string): Promise<MediaStore> {
  return (await openBucket(settings)) ?? new DiskStore(join(dataDir, 'media'));
}

/**
 * Opens the bucket, which is created if it is missing; null if none is configured.
 * @throws StorageUnavailableError, with advice if it cannot be used or created, or if clients may upload to it and could get
 * other objects
 */
export async function openBucket(settings: StoreSettings): Promise<S3Store | null> {
  const {
    S3_BUCKET: bucket,
    S3_ACCESS_KEY_ID: accessKeyId,
    S3_SECRET_ACCESS_KEY: secretAccessKey,
  } = settings;
  if (bucket === undefined) return null;
  // Loaded only where it is used, since it would delay the start.
  const { S3Store } = await import('./s3-store');
  const store = new S3Store({
    bucket,
    endpoint: settings.S3_ENDPOINT,
    region: settings.S3_REGION,
    forcePathStyle: settings.S3_FORCE_PATH_STYLE,
    ...(accessKeyId !== undefined &&
      secretAccessKey !== undefined && { credentials: { accessKeyId, secretAccessKey } }),
  });
  await store.prepare().catch((error: unknown) => {
    throw unusable(bucket, (error as StorageUnavailableError).cause);
  });
  if (settings.S3_UPLOADS === 'direct') await checkUploadUrls(store, bucket);
  return store;
}

/** The cause has the reason. */
function unusable(bucket: string, cause: unknown): StorageUnavailableError {
  return new StorageUnavailableError(
    cause,
    `The bucket ${bucket} (S3_BUCKET) cannot be used. Check S3_ENDPOINT, S3_REGION, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, and that the key may list the bucket or create it.`,
  );
}
