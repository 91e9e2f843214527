import { Readable } from 'node:stream';
import type { DomainError } from '../../src/core/errors';
import { newId, toGlobalId } from '../../src/core/ids';
import { localViewer } from '../../src/core/viewer';
import type { PhotoEntity } from '../../src/photos/photo.entity';
import { readObject, StorageUnavailableError } from '../../src/storage/media-store';
import { newKey, pieces, readAll } from '../contract/media-store-suite';
import { maxPhotoBytes, openPhotoEnvironment, type PhotoEnvironment } from '../support/photo-environment';
import { insertInstantGeneration, insertModel, insertSubmission } from '../support/photo-jobs';
import { facePhoto } from '../support/pictures';
import { Suspension } from '../support/suspension';

/** A part of an object whose connection is lost. */
function* endingEarly(): Generator<Buffer> {
  yield Buffer.from('\xff\xd8\xff', 'latin1');
  throw new Error('aborted');
}

describe('a photo that is uploaded to the bucket', () => {
  const { signal } = new AbortController();
  let environment: PhotoEnvironment;
  beforeAll(async () => {
    environment = await openPhotoEnvironment(undefined, true);
  });
  afterAll(() => environment.stop());
  afterEach(() => jest.restoreAllMocks());

  const slot = async (byteSize = 1_000): Promise<{ id: string; uploadUrl: string }> => {
    const file = { filename: 'me.jpg', contentType: 'image/jpeg', byteSize };
    const [upload] = await environment.photos.createUploads(localViewer, [file]);
    return { id: upload!.photo.id, uploadUrl: upload!.uploadUrl };
  };
  const put = async (id: string, bytes: Buffer): Promise<void> => {
    await environment.store.put(`uploads/${id}`, pieces(bytes), bytes.length);
  };
  /** Looks for all files. */
  const check = async (): Promise<void> => {
    await environment.database.rows('UPDATE photos SET due_at = now() WHERE due_at IS NOT NULL');
    await environment.checkUploads(signal);
  };
  const row = async (id: string): Promise<PhotoEntity | null> => environment.photos.find(localViewer, id);
  const keys = async (id: string): Promise<string[]> => {
    const found: string[] = [];
    for await (const key of environment.store.list('')) if (key.includes(id)) found.push(key);
    return found;
  };

  /** What its owner sees. */
  const shown = async (photo: PhotoEntity): Promise<Buffer> => {
    const url = new URL(environment.photos.viewUrl(photo)!);
    const globalId = toGlobalId('Photo', photo.id);
    return readObject(await environment.photos.openForViewer(globalId, url.searchParams));
  };

  it('gets a URL for its size at the bucket; a file that cannot be used gets one of the gateway', async () => {
    const { id, uploadUrl } = await slot(123);
    expect(uploadUrl).toBe(`https://bucket.example/uploads/${id}?size=123`);
    expect((await slot(maxPhotoBytes + 1)).uploadUrl).not.toContain('bucket.example');
  });

  it('waits for its file, is checked, and leaves no file as it was sent', async () => {
    const { id } = await slot();
    await check();
    expect(await row(id)).toMatchObject({ status: 'AWAITING_UPLOAD', tries: 0 });
    const sent = await facePhoto(1, { width: 640 });
    await put(id, sent);
    await check();
    expect(await row(id)).toMatchObject({ status: 'READY', width: 640, problems: [], dueAt: null });
    expect(await keys(id)).toEqual([`photos/${id}.jpg`]);
    expect((await readAll(environment.store, `photos/${id}.jpg`))!.equals(sent)).toBe(false);
  });

  it('is not changed by a file that is uploaded after its check, which is deleted', async () => {
    const { id } = await slot();
    await put(id, await facePhoto(1));
    await check();
    const checked = await readAll(environment.store, `photos/${id}.jpg`);
    await put(id, await facePhoto(2));
    await check();
    await environment.deletion.sweepOrphans(signal);
    await environment.deletion.sweep(100);
    expect(await keys(id)).toEqual([`photos/${id}.jpg`]);
    expect((await readAll(environment.store, `photos/${id}.jpg`))!.equals(checked!)).toBe(true);
  });

  it('is deleted after its check however many such files, and other orphans, there are', async () => {
    const orphans: Record<string, string[]> = {
      'uploads/': Array.from({ length: 501 }, () => newKey('uploads', '')),
      'photos/': [newKey()],
    };
    jest.spyOn(environment.store, 'list').mockImplementation(async function* (prefix) {
      yield* orphans[prefix] ?? [];
    });
    expect(await environment.deletion.sweepOrphans(signal, 1)).toBe(502);
    await environment.deletion.sweep(1_200);
  });

  it('gets no row if its URL cannot be signed', async () => {
    const count = (): Promise<unknown> => environment.database.rows('SELECT count(*) FROM photos');
    const before = await count();
    const signing = jest.spyOn(environment.store.links!, 'upload');
    signing.mockRejectedValue(new StorageUnavailableError(new Error('no credentials')));
    await expect(slot()).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    expect(await count()).toEqual(before);
  });

  it('stays as it was accepted when a check that was suspended until after its lease continues', async () => {
    const { id } = await slot();
    await put(id, await facePhoto(1, { width: 640 }));
    const suspended = new Suspension();
    environment.store.beforePut = () => suspended.pass();
    const first = check();
    await suspended.reached;
    environment.store.beforePut = async () => undefined;
    await put(id, await facePhoto(2, { width: 600 }));
    await check();
    const photo = (await row(id))!;
    expect(photo).toMatchObject({ status: 'READY', width: 600 });
    const accepted = await shown(photo);
    await environment.deletion.sweep(100);
    suspended.end();
    await first;
    expect((await shown(photo)).equals(accepted)).toBe(true);
    await environment.deletion.sweep(100);
    expect(await keys(id)).toHaveLength(1);
    expect((await shown(photo)).equals(accepted)).toBe(true);
    const generationId = await insertInstantGeneration(environment.database, 'SUBMITTING', id);
    await insertSubmission(environment.database, { generationId });
    const call = { jobId: generationId, attempt: 1 };
    const sent = await fetch(environment.training.upstreamUrl(id, call, Date.now() + 60_000));
    expect(Buffer.from(await sent.arrayBuffer()).equals(accepted)).toBe(true);
    await environment.photos.delete(localViewer, id);
    expect(await keys(id)).toEqual([]);
  });

  it.each([
    ['the first', ''],
    ['another', '0123456789abcdef'],
  ])(
    'leaves no bytes of %s check whose process ended before the photo was READY, and none when it is purged',
    async (_, token) => {
      const { id } = await slot();
      await put(id, await facePhoto(1));
      const key = token === '' ? `photos/${id}.jpg` : `photos/${id}.${token}.jpg`;
      await environment.store.put(key, pieces(Buffer.from('of that check')), 100);
      await environment.database.rows('UPDATE photos SET media_token = $2 WHERE id = $1', [id, token]);
      await check();
      await environment.deletion.sweepOrphans(signal);
      await environment.deletion.sweep(100);
      expect(await keys(id)).toEqual([expect.stringMatching(/^photos\/.{36}\.[0-9a-f]{16}\.jpg$/)]);
      expect(await keys(id)).not.toContain(key);
      await environment.database.rows('UPDATE photos SET purge_at = now() WHERE id = $1', [id]);
      await environment.purgeDue(100);
      await environment.deletion.sweep(100);
      expect(await keys(id)).toEqual([]);
    },
  );

  it('leaves no bytes of checks that the bucket stored without an answer', async () => {
    const { id } = await slot();
    await put(id, await facePhoto(1));
    const { store } = environment;
    const original = store.put.bind(store);
    const lost = jest.spyOn(store, 'put').mockImplementation(async (...object) => {
      await original(...object);
      throw new StorageUnavailableError(new Error('no answer'));
    });
    for (let tries = 0; tries < 4; tries += 1) await check();
    lost.mockRestore();
    await check();
    expect(await row(id)).toMatchObject({ status: 'READY' });
    await environment.photos.delete(localViewer, id);
    await environment.deletion.sweep(100);
    expect(await keys(id)).toEqual([]);
  });

  it.each([
    ['PHOTO_TOO_LARGE', 'is larger than announced', () => Buffer.alloc(maxPhotoBytes + 1)],
    ['UNSUPPORTED_TYPE', 'is no picture', () => Buffer.from('<svg onload="alert(1)">')],
  ])('is rejected as %s and deleted if it %s', async (code, _, bytes) => {
    const { id } = await slot();
    await put(id, bytes());
    await check();
    expect(await row(id)).toMatchObject({ status: 'REJECTED', problems: [{ code }], dueAt: null });
    expect(await keys(id)).toEqual([]);
  });

  it.each([
    ['cannot be read', () => Promise.reject(new StorageUnavailableError(new Error('403')))],
    [
      'ends its answer early',
      () => Promise.resolve({ byteSize: 1_000, part: null, stream: Readable.from(endingEarly()) }),
    ],
  ])('is checked later if the bucket %s, however often', async (_, answer) => {
    const { id } = await slot();
    await put(id, await facePhoto(1));
    await environment.database.rows('UPDATE photos SET tries = 30 WHERE id = $1', [id]);
    const open = jest.spyOn(environment.store, 'open').mockImplementation(answer);
    await check();
    expect(await row(id)).toMatchObject({ status: 'AWAITING_UPLOAD', lease: null });
    open.mockRestore();
    await check();
    expect(await row(id)).toMatchObject({ status: 'READY' });
  });

  it('counts towards the limit of its owner after its deletion, until its upload URL ends', async () => {
    const owner = { ...localViewer, owner: 'hoarder' };
    const file = { filename: 'me.jpg', contentType: 'image/jpeg', byteSize: 1 };
    const create = async (count: number): Promise<string[]> => {
      const uploads = await environment.photos.createUploads(owner, Array<typeof file>(count).fill(file));
      return uploads.map(({ photo }) => photo.id);
    };
    const ids = await create(3);
    // That of a model does not count, as before its deletion.
    await insertModel(environment.database, [ids[2]!]);
    await environment.database.rows(
      `INSERT INTO photos (id, owner, status, purge_at) SELECT id, $2, 'AWAITING_UPLOAD', now() + interval '1 h'
         FROM unnest($1::uuid[]) AS id`,
      [Array.from({ length: 997 }, () => newId()), owner.owner],
    );
    for (const id of ids) await environment.photos.delete(owner, id);
    const endsMs = Date.now() + 3_600_000;
    const refused = await create(2).catch((error: unknown) => error as DomainError);
    expect(refused).toMatchObject({ code: 'QUOTA_EXCEEDED', details: { given: 999, maximum: 1_000 } });
    const [, end] = / 2 deleted ones .* ends at (.*) UTC\./.exec((refused as DomainError).message)!;
    expect(Math.abs(Date.parse(`${end}Z`) - endsMs)).toBeLessThan(300_000);
    jest.spyOn(Date, 'now').mockReturnValue(endsMs);
    expect(await create(2)).toHaveLength(2);
  });

  it.each([
    ['by its owner', (id: string) => environment.photos.delete(localViewer, id)],
    [
      'when it was not checked in time',
      async (id: string) => {
        await environment.database.rows('UPDATE photos SET purge_at = now() WHERE id = $1', [id]);
        await environment.purgeDue(100);
        await environment.deletion.sweep(100);
      },
    ],
  ])('is deleted with its file, %s', async (_, remove) => {
    const { id } = await slot();
    await put(id, await facePhoto(1));
    await remove(id);
    await check();
    expect(await row(id)).toBeNull();
    expect(await keys(id)).toEqual([]);
  });
});
