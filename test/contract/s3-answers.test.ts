import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskStore } from '../../src/storage/disk-store';
import { openBucket } from '../../src/storage/open-store';
import { S3Store } from '../../src/storage/s3-store';
import { checkUploadUrls } from '../../src/storage/upload-url-check';
import { likeness, type CommandResult } from '../support/command-line';
import { listening, stopped } from '../support/servers';
import { newKey, pieces } from './media-store-suite';
import { storeAt } from './s3-store-at';

/** From when until when a presigned URL is valid, in Unix milliseconds. */
function validity(url: string): [number, number] {
  const { searchParams } = new URL(url);
  const iso = searchParams.get('X-Amz-Date')!.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5');
  const begin = Date.parse(iso);
  return [begin, begin + 1_000 * Number(searchParams.get('X-Amz-Expires'))];
}

const settingsOf = (port: number): Record<string, string> => ({
  ...{ S3_BUCKET: 'pictures', S3_ENDPOINT: `http://127.0.0.1:${port}`, S3_FORCE_PATH_STYLE: 'true' },
  ...{ S3_ACCESS_KEY_ID: 'key', S3_SECRET_ACCESS_KEY: 'secret' },
});

describe('a bucket whose answers are wrong', () => {
  let answer: (request: IncomingMessage) => [status: number, body?: string, headers?: object];
  const server = createHttpServer((request, response) => {
    request.resume().on('end', () => {
      const [status, body = '', headers = {}] = answer(request);
      response.writeHead(status, { 'content-type': 'application/xml', ...headers }).end(body);
    });
  });
  let port: number;
  let store: S3Store;

  beforeAll(async () => {
    port = await listening(server);
    store = storeAt(port);
  });
  afterAll(() => stopped(server));

  const unavailable = { name: 'StorageUnavailableError' };
  const error = (code: string, message = ''): string =>
    `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;

  it('has not deleted an object that is still there', async () => {
    answer = ({ method }) => (method === 'DELETE' ? [204] : [200, '', { 'content-length': 7 }]);
    const key = newKey();
    expect(await store.deleteMany([key])).toEqual(new Map([[key, expect.objectContaining(unavailable)]]));
  });

  it.each([
    ['answers 200 with an error', error('InternalError'), [404]],
    ['has another number of bytes', '', [200, '', { 'content-length': 5 }]],
  ] as const)('has not stored an object if it %s', async (_, body, head) => {
    answer = ({ method }) => (method === 'PUT' ? [200, body] : [...head]);
    await expect(store.put(newKey(), pieces('a face'), 100)).rejects.toMatchObject(unavailable);
  });

  it.each([
    [403, 'InvalidAccessKeyId'],
    [507, 'InsufficientStorage'],
  ])('is unavailable if it answers %i %s', async (status, code) => {
    answer = () => [status, error(code)];
    await expect(store.put(newKey(), pieces('a face'), 100)).rejects.toMatchObject(unavailable);
    // The object has several parts.
    const part = 'x'.repeat(4_000_000);
    await expect(store.put(newKey(), pieces(part, part, part), 2e7)).rejects.toMatchObject(unavailable);
    await expect(store.open(newKey())).rejects.toMatchObject(unavailable);
    await expect(store.check()).rejects.toMatchObject(unavailable);
  });

  it('has not stored an object of several parts if it answers their completion with 200 and an error', async () => {
    const upload = '<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>';
    const aborted: (string | undefined)[] = [];
    answer = ({ method, url }) => {
      if (method === 'DELETE') aborted.push(url);
      if (method !== 'POST') return [method === 'HEAD' ? 404 : 200, '', { etag: '"part"' }];
      return [200, url!.includes('uploads') ? upload : error('InternalError')];
    };
    const part = 'x'.repeat(4_000_000);
    await expect(store.put(newKey(), pieces(part, part), 2e7)).rejects.toMatchObject(unavailable);
    expect(aborted).toEqual([expect.stringContaining('uploadId=u')]);
  });

  it('is refused at the start with its reason and what to check', async () => {
    answer = () => [403, error('InvalidAccessKeyId', 'No such key.')];
    const settings = {
      ...{ S3_BUCKET: 'pictures', S3_ENDPOINT: `http://127.0.0.1:${port}`, S3_REGION: 'us-east-1' },
      ...{ S3_ACCESS_KEY_ID: 'a', S3_SECRET_ACCESS_KEY: 'b', S3_FORCE_PATH_STYLE: true },
    };
    await expect(openBucket({ ...settings, S3_UPLOADS: 'gateway' })).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringMatching(
        /^The bucket pictures \(S3_BUCKET\) .* Check S3_ENDPOINT.*S3_SECRET_ACCESS_KEY/,
      ),
      cause: { message: 'No such key.' },
    });
  });

  describe('that is asked to store a copy of another object by an upload URL', () => {
    /** @param refused - how it answers an upload with another header than that of the URL */
    const check = (refused: number, accepts: (uploads: number) => boolean = () => true): Promise<void> => {
      const stored = new Set<string>();
      let uploads = 0;
      const put = (key: string, isPresigned: boolean): [number, string?] => {
        if (isPresigned && !accepts(++uploads)) return [403, error('AccessDenied', 'Request has expired')];
        stored.add(key);
        return [200];
      };
      answer = ({ method, headers, url }) => {
        const key = url!.split('?')[0]!;
        if (Object.keys(headers).some((name) => /copy|manifest|symlink/.test(name)))
          return [refused, error('AccessDenied')];
        if (method === 'PUT') return put(key, url!.includes('X-Amz-Signature'));
        if (method === 'DELETE') return [stored.delete(key) ? 204 : 200];
        const isFound = method === 'HEAD' && stored.has(key);
        return isFound ? [200, '', { 'content-length': 5 }] : [404, error('NoSuchKey')];
      };
      return checkUploadUrls(store, 'pictures');
    };

    it('refuses it', async () => {
      await expect(check(403)).resolves.toBeUndefined();
    });

    it.each([
      ['is overloaded', 503, undefined, 503],
      ['does not accept the URL itself, such as since it has expired', 403, () => false, 403],
      ['no longer accepts the URL', 400, (uploads: number) => uploads < 2, 403],
    ])('is not taken for one that refuses it if it %s', async (_, status, accepts, named) => {
      await expect(check(status, accepts)).rejects.toMatchObject({
        ...unavailable,
        cause: { message: `The bucket answered a trial upload with status ${named}.` },
      });
    });

    it('is not taken for one that refuses it if it does not find the other object', async () => {
      await expect(check(404)).rejects.toMatchObject({
        ...unavailable,
        cause: { message: expect.stringContaining('by the header x-amz-copy-source') },
      });
    });

    it('is not taken for one that refuses it if what it accepted is not there', async () => {
      await expect(check(200)).rejects.toMatchObject({
        ...unavailable,
        cause: { message: 'The bucket does not have the trial upload that it accepted.' },
      });
    });
  });

  it('names the status of a refused HEAD, whose answer has no reason', async () => {
    answer = ({ method }) => [method === 'HEAD' ? 403 : 200];
    await expect(store.delete(newKey())).rejects.toMatchObject({
      cause: { message: 'The bucket answered HEAD with status 403.' },
    });
  });

  it('is unavailable if there are no credentials to sign URLs with', async () => {
    const credentials = (): Promise<never> => Promise.reject(new Error('no credentials'));
    const without = new S3Store({
      ...{ bucket: 'pictures', region: 'us-east-1', forcePathStyle: true },
      credentials: credentials as unknown as { accessKeyId: string; secretAccessKey: string },
    });
    const headers = { contentType: 'image/png', contentDisposition: 'inline', cacheControl: 'private' };
    await expect(without.links.upload(newKey(), 1, Date.now() + 60_000)).rejects.toMatchObject(unavailable);
    await expect(without.links.read(newKey(), headers)).rejects.toMatchObject(unavailable);
  });

  it.each([
    ['NoSuchBucket', error('NoSuchBucket')],
    ['a page of another server', '<html><body>Not found</body></html>'],
    ['nothing', ''],
  ])('says nothing about an object with 404 and %s', async (_, body) => {
    answer = () => [404, body];
    const key = newKey();
    await expect(store.open(key)).rejects.toMatchObject(unavailable);
    expect([...(await store.deleteMany([key])).keys()]).toEqual([key]);
  });

  it('lacks an object, and has deleted it, with 404 and NoSuchKey', async () => {
    answer = () => [404, error('NoSuchKey')];
    expect(await store.open(newKey())).toBeNull();
    expect(await store.deleteMany([newKey()])).toEqual(new Map());
  });

  it.each([
    ['ahead', 8],
    ['behind', -8],
  ])('gives URLs that are valid by its own clock, which is %s', async (_, minutes) => {
    const storeNow = (): number => Date.now() + minutes * 60_000;
    answer = () => [404, '', { date: new Date(storeNow()).toUTCString() }];
    const { links } = store;
    const key = newKey();
    await links.sizeOf(key);
    const headers = { contentType: 'image/png', contentDisposition: 'inline', cacheControl: 'private' };
    const readAtMs = storeNow();
    const { url, validMs } = await links.read(key, headers);
    const [begin, end] = validity(url);
    expect(begin).toBeLessThanOrEqual(storeNow());
    expect(end).toBeGreaterThan(storeNow() + 240_000);
    expect(end).toBeLessThanOrEqual(begin + 600_000);
    // Answers have the time of a whole second.
    expect(readAtMs + validMs).toBeLessThanOrEqual(end + 1_000);
    const uploadUrl = await links.upload(key, 1, Date.now() + 3_600_000);
    expect(new URL(uploadUrl).searchParams.get('X-Amz-SignedHeaders')).toBe('content-length;host');
    const upload = validity(uploadUrl);
    expect(upload[1]).toBeLessThanOrEqual(storeNow() + 3_601_000);
    expect(upload[0]).toBeLessThanOrEqual(storeNow() + 1_000);
    expect(upload[1]).toBeGreaterThan(storeNow() + 3_500_000);
    // The other tests have a clock that agrees.
    answer = () => [404];
    await links.sizeOf(key);
    expect(store.clock.aheadMs).toBe(0);
    // The time of a cached answer is that of its first one.
    answer = () => [404, '', { date: new Date(storeNow()).toUTCString(), age: '480' }];
    await links.sizeOf(key);
    expect(validity((await links.read(key, headers)).url)[1]).toBeGreaterThan(Date.now());
    expect(store.clock.aheadMs).toBe(0);
  });

  it('has objects that are as old as its own clock says', async () => {
    const storeNow = Date.now() - 2 * 3_600_000;
    const time = new Date(storeNow).toISOString();
    const aborted: unknown[] = [];
    answer = ({ method, url }) => {
      if (method === 'DELETE') aborted.push(url);
      const body = url!.includes('uploads')
        ? `<ListMultipartUploadsResult><Upload><Key>k</Key><UploadId>u</UploadId><Initiated>${time}</Initiated></Upload></ListMultipartUploadsResult>`
        : `<ListBucketResult><Contents><Key>${newKey()}</Key><LastModified>${time}</LastModified><Size>1</Size></Contents></ListBucketResult>`;
      return [200, body, { date: new Date(storeNow).toUTCString() }];
    };
    const found: string[] = [];
    for await (const key of store.list('', 3_600_000)) found.push(key);
    await store.removeUnfinished();
    expect([found, aborted]).toEqual([[], []]);
    answer = () => [404];
    await store.links.sizeOf(newKey());
  });

  it('gets no pictures whose originals are deleted, if it has other bytes than it was sent', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'likeness-move-'));
    await new DiskStore(join(dataDir, 'media')).put(newKey(), pieces('a face'), 100);
    let isStored = false;
    answer = ({ method, url }) => {
      if (method === 'PUT') isStored = true;
      if (method === 'PUT' || !url!.includes('/photos/')) return [200];
      if (!isStored) return [404, error('NoSuchKey')];
      return [200, method === 'GET' ? 'a fake' : '', { 'content-length': 6 }];
    };
    const settings = { ...settingsOf(port), DATA_DIR: dataDir };
    const move = (): Promise<CommandResult> =>
      likeness(settings, 'media', 'move', '--from', 'disk', '--to', 's3');
    expect(await move()).toMatchObject({
      code: 1,
      remarks: expect.stringMatching(
        /The copy of photos\/.* differs from its original, which was kept/,
      ) as string,
    });
    const early = { 'content-length': 600, connection: 'close' };
    answer = ({ method, url }) =>
      method === 'GET' && url!.includes('/photos/') ? [200, 'a f', early] : [200];
    expect((await move()).remarks).toContain('Retry in a minute. (aborted)');
    answer = () => [403, error('InvalidAccessKeyId')];
    expect((await move()).remarks).toContain(
      'The bucket pictures (S3_BUCKET) cannot be used. Check S3_ENDPOINT',
    );
    await rm(dataDir, { recursive: true });
  });

  it('lists its objects, and the doctor warns, if unfinished uploads may not be listed', async () => {
    const key = newKey();
    const objects = `<ListBucketResult><Contents><Key>${key}</Key><LastModified>2020-01-01T00:00:00Z</LastModified><Size>1</Size></Contents></ListBucketResult>`;
    answer = ({ url }) => {
      const { searchParams } = new URL(url!, 'http://bucket');
      if (searchParams.has('uploads')) return [403, error('AccessDenied', 'not with this key')];
      return [200, searchParams.has('list-type') ? objects : ''];
    };
    const found: string[] = [];
    for await (const each of store.list('', 3_600_000)) found.push(each);
    expect(found).toEqual([key]);
    await expect(store.removeUnfinished()).rejects.toMatchObject(unavailable);
    const { out } = await likeness(settingsOf(port), 'doctor');
    expect(out).toMatch(/unfinished uploads +WARN .*not with this key/);
    expect(out).toContain('unfinished uploads: Allow s3:ListBucketMultipartUploads');
  });

  it('gets presigned URLs with the token of temporary credentials', async () => {
    const credentials = { accessKeyId: 'of a role', secretAccessKey: 'secret', sessionToken: 'its token' };
    const { links } = new S3Store({ bucket: 'b', region: 'us-east-1', forcePathStyle: true, credentials });
    const url = new URL(await links.upload(newKey(), 1, Date.now() + 60_000));
    expect(url.searchParams.get('X-Amz-Security-Token')).toBe('its token');
  });

  it('is used if another process has just created it, and not if it belongs to others', async () => {
    let [isCreated, code] = [false, 'BucketAlreadyOwnedByYou'];
    answer = ({ method }) => {
      if (method === 'HEAD') return [isCreated ? 200 : 404];
      isCreated = code === 'BucketAlreadyOwnedByYou';
      return [409, error(code)];
    };
    await expect(store.prepare()).resolves.toBeUndefined();
    [isCreated, code] = [false, 'BucketAlreadyExists'];
    await expect(store.prepare()).rejects.toMatchObject(unavailable);
  });

  it('is rid of unfinished uploads on all pages of their list', async () => {
    const upload = (id: string): string =>
      `<Upload><Key>k</Key><UploadId>${id}</UploadId><Initiated>2020-01-01T00:00:00Z</Initiated></Upload>`;
    const aborted: (string | null)[] = [];
    answer = ({ method, url }) => {
      const { searchParams } = new URL(url!, 'http://bucket');
      if (method === 'DELETE') {
        aborted.push(searchParams.get('uploadId'));
        // Another process was faster.
        return [404, error('NoSuchUpload')];
      }
      const isLast = searchParams.get('upload-id-marker') === 'one';
      const next =
        '<IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>one</NextUploadIdMarker>';
      return [
        200,
        `<ListMultipartUploadsResult>${isLast ? upload('two') : next + upload('one')}</ListMultipartUploadsResult>`,
      ];
    };
    await store.removeUnfinished();
    expect(aborted).toEqual(['one', 'two']);
  });
});
