import { localViewer } from '../../src/core/viewer';
import type { PhotoEntity } from '../../src/photos/photo.entity';
import { StorageUnavailableError } from '../../src/storage/media-store';
import { pieces, readAll } from '../contract/media-store-suite';
import { maxPhotoBytes, openPhotoEnvironment, type PhotoEnvironment } from '../support/photo-environment';
import { facePhoto } from '../support/pictures';

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

  it('is checked later if the bucket cannot be read', async () => {
    const { id } = await slot();
    await put(id, await facePhoto(1));
    const open = jest.spyOn(environment.store, 'open');
    open.mockRejectedValue(new StorageUnavailableError(new Error('403')));
    await check();
    expect(await row(id)).toMatchObject({ status: 'AWAITING_UPLOAD', lease: null });
    open.mockRestore();
    await check();
    expect(await row(id)).toMatchObject({ status: 'READY' });
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
