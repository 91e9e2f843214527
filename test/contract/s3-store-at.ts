import { S3Store } from '../../src/storage/s3-store';

/** The store in the bucket `pictures` of a server on this machine. */
export const storeAt = (port: number, timeoutMs?: number): S3Store =>
  new S3Store({
    bucket: 'pictures',
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
    forcePathStyle: true,
    timeoutMs,
  });
