import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type GetObjectCommandOutput,
  type ListMultipartUploadsCommandOutput,
  type _Object as S3Object,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { eachOf } from '../core/iterators';
import { contentTypeOf } from './content-type';
import { MeasuredSource } from './measured-source';
import {
  assertKey,
  DeletionRefused,
  inStore,
  type MediaStore,
  type OpenObject,
  type RangeRequest,
  readMediaKey,
  StorageUnavailableError,
  type StoredObject,
} from './media-store';
import { s3Client, type S3Options } from './s3-client';
import { isNoObject, statusOf, unlessMissing, unlessUnsupported } from './s3-errors';
import { S3Links } from './s3-links';
import { endIfSilent } from './silent-answer';
import { StoreClock } from './store-clock';

/** An object in a list. */
export interface ListedObject {
  readonly key: string;
  readonly byteSize: number;
}

/** The size of the parts of a larger object, in bytes: the least that S3 allows. Each put holds one part in memory. */
const partBytes = 5 * 1024 * 1024;

/** Maximum concurrent deletions of a call. Not all compatible stores can delete several objects at once. */
const deletionsAtOnce = 16;

/**
 * How long a bucket may take to answer a deletion, in milliseconds: less than a lease, so that the deletion is postponed before
 * another process repeats it, and less than a mutation may take.
 */
const deletionMs = 5_000;

/** Overwritten by each check; no valid key. */
const checkKey = '.check';

/**
 * Stores media in a bucket of S3 or a compatible store, under their keys. An object that was put is as durable as the
 * store makes it.
 *
 * Errors of the store become StorageUnavailableError; errors of the source of the bytes pass through.
 */
export class S3Store implements MediaStore {
  readonly links: S3Links;
  readonly clock = new StoreClock();
  private readonly client: S3Client;
  private readonly reader: S3Client;
  private readonly timeoutMs: number;

  constructor(private readonly options: S3Options) {
    const { timeoutMs = 15_000 } = options;
    this.timeoutMs = timeoutMs;
    this.client = s3Client({ ...options, timeoutMs }, { socketTimeout: timeoutMs });
    // The time limit of its answers is that of endIfSilent.
    this.reader = s3Client(
      { ...options, timeoutMs },
      { requestTimeout: timeoutMs, throwOnRequestTimeout: true },
    );
    for (const client of [this.client, this.reader]) this.clock.watch(client);
    this.links = new S3Links(this.client, options.bucket, this.clock);
  }

  /**
   * Makes sure that the bucket exists.
   * @throws StorageUnavailableError if it cannot be used or created
   */
  async prepare(): Promise<void> {
    const { bucket: Bucket } = this.options;
    if (await inStore(() => unlessMissing(this.look()))) return;
    await inStore(async () => {
      try {
        // The SDK adds the region of the client, unless it is us-east-1, which S3 refuses in this request.
        await this.client.send(new CreateBucketCommand({ Bucket }));
      } catch (error) {
        // Another process may have been faster.
        if (!(await this.look().catch(() => null))) throw error;
      }
    });
  }

  async put(key: string, bytes: AsyncIterable<Uint8Array>, maxBytes: number): Promise<StoredObject> {
    const target = this.target(key);
    const source = new MeasuredSource(bytes, maxBytes);
    try {
      const chunks = source.chunks();
      const first = await chunks.next();
      const start = first.done ? new Uint8Array() : first.value;
      const Body = Readable.from(joined(start, chunks), { objectMode: false });
      const params = { ...target, Body, ContentType: contentTypeOf(start) };
      await new Upload({ client: this.client, params, partSize: partBytes, queueSize: 1 }).done();
    } catch (error) {
      source.rethrow();
      throw new StorageUnavailableError(error);
    }
    const { stored } = source;
    // Some compatible stores answer 200 with an error in the body.
    if ((await this.links.sizeOf(key)) !== stored.byteSize)
      throw new StorageUnavailableError(new Error('The bucket has not stored what it confirmed.'));
    return stored;
  }

  async open(key: string, range?: RangeRequest): Promise<OpenObject | null> {
    const target = this.target(key);
    try {
      const output = await this.reader.send(new GetObjectCommand({ ...target, ...headerOf(range) }));
      const opened = openedOf(output);
      endIfSilent(opened.stream, this.timeoutMs);
      return opened;
    } catch (error) {
      if (isNoObject(error)) return null;
      if (statusOf(error) === 416) return this.nothingOf(key);
      throw new StorageUnavailableError(error);
    }
  }

  async delete(key: string): Promise<void> {
    const target = this.target(key);
    const abortSignal = AbortSignal.timeout(deletionMs);
    await inStore(() =>
      this.client.send(new DeleteObjectCommand(target), { abortSignal }).catch((error: unknown) => {
        if (!isNoObject(error)) throw error;
      }),
    );
    if ((await this.links.sizeOf(key, abortSignal)) !== null)
      throw new StorageUnavailableError(new Error('The bucket has not deleted what it confirmed.'));
  }

  async deleteMany(
    keys: readonly string[],
    mayDelete = (): boolean => true,
  ): Promise<ReadonlyMap<string, unknown>> {
    const failures = new Map<string, unknown>();
    await eachOf(keys, deletionsAtOnce, async (key) => {
      try {
        if (!mayDelete()) throw new DeletionRefused();
        await this.delete(key);
      } catch (error) {
        failures.set(key, error);
      }
    });
    return failures;
  }

  async *list(prefix: string, olderThanMs: number): AsyncGenerator<string> {
    for await (const { key } of this.listSizes(prefix, olderThanMs)) yield key;
  }

  /** The objects of {@link list} with their sizes in bytes. */
  async *listSizes(prefix: string, olderThanMs: number): AsyncGenerator<ListedObject> {
    let next: string | undefined;
    do {
      const page = await inStore(() =>
        this.client.send(
          new ListObjectsV2Command({
            Bucket: this.options.bucket,
            Prefix: prefix,
            ...(next !== undefined && { ContinuationToken: next }),
          }),
        ),
      );
      // Some compatible stores round the time up to a whole second. The answer has corrected the clock.
      const writtenBefore = olderThanMs === 0 ? Infinity : this.clock.now() - olderThanMs + 1_000;
      for (const object of page.Contents ?? []) {
        const listed = listedIn(object, writtenBefore);
        if (listed) yield listed;
      }
      next = page.NextContinuationToken;
    } while (next !== undefined);
  }

  async removeUnfinished(): Promise<void> {
    const { bucket: Bucket, staleUploadMs = 3_600_000 } = this.options;
    let page: ListMultipartUploadsCommandOutput | null = null;
    do {
      const after: ListMultipartUploadsCommandOutput | null = page;
      page = await inStore(() => this.unfinishedUploads(after));
      const begunBefore = this.clock.now() - staleUploadMs;
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (!Initiated || Initiated.getTime() > begunBefore) continue;
        await inStore(() =>
          unlessMissing(this.client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))),
        );
      }
    } while (page.IsTruncated && page.NextKeyMarker !== undefined);
  }

  async check(): Promise<void> {
    await inStore(() =>
      this.client.send(
        new PutObjectCommand({ Bucket: this.options.bucket, Key: checkKey, Body: new Uint8Array(1) }),
      ),
    );
  }

  /** @throws StorageUnavailableError if {@link removeUnfinished} cannot work */
  async checkUnfinished(): Promise<void> {
    await inStore(() => this.unfinishedUploads(null));
  }

  /**
   * Begins an upload in parts, and aborts it, as {@link put} does with one that fails and {@link removeUnfinished} with one of
   * a killed process. Succeeds if the bucket has no such uploads.
   * @throws StorageUnavailableError if it cannot be aborted
   */
  async checkAbort(): Promise<void> {
    const target = { Bucket: this.options.bucket, Key: checkKey };
    const begin = new CreateMultipartUploadCommand(target);
    const UploadId = (await inStore(() => unlessUnsupported(this.client.send(begin))))?.UploadId;
    if (UploadId === undefined) return;
    const command = new AbortMultipartUploadCommand({ ...target, UploadId });
    await inStore(() => unlessMissing(this.client.send(command)));
  }

  /** Whether the bucket keeps versions of deleted objects; false if it cannot be asked. */
  async keepsDeleted(): Promise<boolean> {
    const command = new GetBucketVersioningCommand({ Bucket: this.options.bucket });
    const { Status } = await this.client.send(command).catch(() => ({ Status: undefined }));
    return Status !== undefined;
  }

  /** @throws the SDK's error, with the reason, if the bucket cannot be used */
  private async look(): Promise<unknown> {
    const { bucket: Bucket } = this.options;
    try {
      return await this.client.send(new HeadBucketCommand({ Bucket }));
    } catch (error) {
      // The answer to a HEAD has no reason.
      if (statusOf(error) !== 404) await this.client.send(new ListObjectsV2Command({ Bucket, MaxKeys: 1 }));
      throw error;
    }
  }

  private target(key: string): { Bucket: string; Key: string } {
    assertKey(key);
    return { Bucket: this.options.bucket, Key: key };
  }

  /** An object of which nothing is read. */
  private async nothingOf(key: string): Promise<OpenObject | null> {
    const byteSize = await this.links.sizeOf(key);
    return byteSize === null ? null : { byteSize, part: null, stream: Readable.from([]) };
  }

  /** A page of the unfinished uploads. */
  private async unfinishedUploads(
    after: ListMultipartUploadsCommandOutput | null,
  ): Promise<ListMultipartUploadsCommandOutput> {
    const markers = after && { KeyMarker: after.NextKeyMarker, UploadIdMarker: after.NextUploadIdMarker };
    const command = new ListMultipartUploadsCommand({ Bucket: this.options.bucket, ...markers });
    // Some compatible stores cannot list them.
    return (await unlessUnsupported(this.client.send(command))) ?? { $metadata: {} };
  }
}

async function* joined(start: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (start.length > 0) yield start;
  yield* rest;
}

function headerOf(range: RangeRequest | undefined): { Range?: string } {
  if (!range) return {};
  return { Range: 'suffix' in range ? `bytes=-${range.suffix}` : `bytes=${range.start}-${range.end ?? ''}` };
}

function openedOf({ Body, ContentRange = '', ContentLength = 0 }: GetObjectCommandOutput): OpenObject {
  const [start, end, byteSize] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(ContentRange)?.slice(1).map(Number) ?? [
    0,
    ContentLength - 1,
    ContentLength,
  ];
  const part = end! >= start! ? { start: start!, end: end! } : null;
  return { byteSize: byteSize!, part, stream: Body as Readable };
}

/** Null if it is not a picture, or was written at `writtenBefore` (in milliseconds) or later. */
function listedIn({ Key, LastModified, Size }: S3Object, writtenBefore: number): ListedObject | null {
  if (Key === undefined || LastModified === undefined || Size === undefined) return null;
  const isListed = readMediaKey(Key) !== null && LastModified.getTime() <= writtenBefore;
  return isListed ? { key: Key, byteSize: Size } : null;
}
