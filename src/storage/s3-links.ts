import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { assertKey, inStore, partsOfKey } from './media-store';
import type { LinkHeaders, ObjectLinks } from './object-links';
import { unlessMissing, withStatus } from './s3-errors';
import { presign } from './s3-presigner';
import type { StoreClock } from './store-clock';

/** The URL of a read stays the same for this time and is valid for twice as long, in milliseconds. */
const readWindowMs = 300_000;

/** No object has this key. */
const exampleKey = 'uploads/00000000-0000-7000-8000-000000000000';

/** Presigned URLs of a bucket. */
export class S3Links implements ObjectLinks {
  constructor(
    private readonly client: S3Client,
    private readonly bucket: string,
    private readonly clock: StoreClock,
  ) {}

  async origin(): Promise<string> {
    return new URL(await this.upload(exampleKey, 1, Date.now() + 1_000)).origin;
  }

  async sizeOf(key: string, abortSignal?: AbortSignal): Promise<number | null> {
    assertKey(key);
    const command = new HeadObjectCommand({ Bucket: this.bucket, Key: key });
    const head = await inStore(() =>
      unlessMissing(this.client.send(command, { abortSignal })).catch(withStatus),
    );
    return head === null ? null : (head.ContentLength ?? 0);
  }

  upload(key: string, byteSize: number, expiresAtMs: number): Promise<string> {
    partsOfKey(key);
    const validMs = expiresAtMs - Date.now();
    const command = new PutObjectCommand({ Bucket: this.bucket, Key: key });
    const options = { signedAtMs: this.clock.now(), validMs, contentLength: byteSize };
    return inStore(() => presign(this.client, command, options));
  }

  async read(key: string, headers: LinkHeaders): Promise<{ url: string; validMs: number }> {
    partsOfKey(key);
    const nowMs = this.clock.now();
    const signedAtMs = Math.floor(nowMs / readWindowMs) * readWindowMs;
    const command = new GetObjectCommand({
      Bucket: this.bucket,
      Key: key,
      ResponseContentType: headers.contentType,
      ResponseContentDisposition: headers.contentDisposition,
      ResponseCacheControl: headers.cacheControl,
    });
    const options = { signedAtMs, validMs: 2 * readWindowMs };
    const url = await inStore(() => presign(this.client, command, options));
    return { url, validMs: signedAtMs + 2 * readWindowMs - nowMs };
  }
}
