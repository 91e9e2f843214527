import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { newId } from '../../src/core/ids';
import { localViewer, type Viewer } from '../../src/core/viewer';
import type { PhotoEntity } from '../../src/photos/photo.entity';
import { scheduleDeletion } from '../../src/storage/media-deletion.repository';
import { StorageUnavailableError } from '../../src/storage/media-store';
import { openPhotoEnvironment, type PhotoEnvironment } from '../support/photo-environment';
import { facePhoto } from '../support/pictures';
import { put } from '../support/raw-client';

const otherOwner: Viewer = { ...localViewer, owner: 'other-owner' };

let environment: PhotoEnvironment;
beforeAll(async () => {
  environment = await openPhotoEnvironment();
});
afterAll(() => environment.stop());

/** A READY photo. */
async function photo(): Promise<PhotoEntity> {
  const [upload] = await environment.photos.createUploads(localViewer, [
    { filename: 'me.jpg', contentType: 'image/jpeg', byteSize: 1000 },
  ]);
  expect(await put(upload!.uploadUrl, await facePhoto(1))).toMatchObject({ status: 201 });
  return (await environment.photos.find(localViewer, upload!.photo.id))!;
}

describe('a photo', () => {
  it('does not exist for other owners', async () => {
    const { id } = await photo();

    expect(await environment.photos.find(otherOwner, id)).toBeNull();
    await environment.photos.delete(otherOwner, id);
    expect(await environment.photos.find(localViewer, id)).toMatchObject({ status: 'READY' });
  });

  it('is removed with its file and URLs when deleted, and deleting it twice succeeds', async () => {
    const ready = await photo();
    const viewUrl = environment.photos.viewUrl(ready)!;
    expect((await fetch(viewUrl)).status).toBe(200);

    await environment.photos.delete(localViewer, ready.id);

    expect(await environment.photos.find(localViewer, ready.id)).toBeNull();
    expect((await fetch(viewUrl)).status).toBe(404);
    expect(await environment.store.has(`photos/${ready.id}.jpg`)).toBe(false);
    expect(await environment.database.rows('SELECT key FROM media_deletions')).toEqual([]);
    await environment.photos.delete(localViewer, ready.id);
  });

  it('is deleted at once for its owner, and from the store once that is available', async () => {
    const { id } = await photo();
    const key = `photos/${id}.jpg`;
    environment.store.beforeDelete = () =>
      Promise.reject(new StorageUnavailableError(new Error('not mounted')));

    await environment.photos.delete(localViewer, id);

    expect(await environment.photos.find(localViewer, id)).toBeNull();
    expect(await environment.store.has(key)).toBe(true);
    expect(await environment.database.rows('SELECT key, tries FROM media_deletions')).toEqual([
      { key, tries: 1 },
    ]);

    environment.store.beforeDelete = () => Promise.resolve();
    await environment.database.rows('UPDATE media_deletions SET due_at = now()');
    expect(await environment.deletion.sweep(10)).toBe(1);
    expect(await environment.store.has(key)).toBe(false);
    expect(await environment.deletion.sweep(10)).toBe(0);
  });

  it('is deleted from the store although others of the same batch fail', async () => {
    const keys = Array.from({ length: 30 }, () => `photos/${newId()}.jpg`);
    for (const key of keys) await environment.store.put(key, Readable.from([Buffer.from('face')]), 10);
    await scheduleDeletion(environment.database, keys);
    const failing = new Set(keys.slice(0, 10));
    environment.store.beforeDelete = async (key) => {
      if (failing.has(key)) throw new StorageUnavailableError(new Error('not permitted'));
    };

    expect(await environment.deletion.sweep(100)).toBe(30);

    environment.store.beforeDelete = () => Promise.resolve();
    const left = await environment.database.rows<{ key: string; waits: boolean }>(
      `SELECT key, due_at BETWEEN now() + interval '1 s' AND now() + interval '2 s' AS waits FROM media_deletions`,
    );
    expect(new Set(left.map(({ key }) => key))).toEqual(failing);
    expect(left.every(({ waits }) => waits)).toBe(true);
    expect(await Promise.all(keys.map((key) => environment.store.has(key)))).toEqual(
      keys.map((key) => failing.has(key)),
    );
    await environment.database.rows('UPDATE media_deletions SET due_at = now()');
    expect(await environment.deletion.sweep(100)).toBe(10);
    expect(await environment.store.has(keys[0]!)).toBe(false);
  });

  it('is deleted with the next batch although another owner deleted many photos before', async () => {
    const many = Array.from({ length: 300 }, () => `photos/${newId()}.jpg`);
    await scheduleDeletion(environment.database, many);
    const few = Array.from({ length: 10 }, () => `photos/${newId()}.jpg`);
    for (const key of few) await environment.store.put(key, Readable.from([Buffer.from('face')]), 10);
    await scheduleDeletion(environment.database, few);
    await environment.database.rows(
      `UPDATE media_deletions SET due_at = now() - interval '1 min' WHERE key = (SELECT min(key) FROM media_deletions)`,
    );

    await environment.deletion.sweep(100);

    for (const key of few) expect(await environment.store.has(key)).toBe(false);
    // The batch includes the longest pending photo.
    expect(
      await environment.database.rows(
        `SELECT key FROM media_deletions WHERE due_at <= now() - interval '1 min'`,
      ),
    ).toEqual([]);
    expect(await environment.deletion.sweep(1_000)).toBe(210);
  });

  it('that no training uses is purged in time, including its personal data', async () => {
    const { id } = await photo();
    const hours = await environment.database.rows<{ hours: number }>(
      'SELECT round(extract(epoch FROM purge_at - now()) / 3600)::integer AS hours FROM photos WHERE id = $1',
      [id],
    );
    expect(hours).toEqual([{ hours: 24 }]);
    expect(await environment.purgeDue(10)).toBe(0);

    await environment.database.rows('UPDATE photos SET purge_at = now() WHERE id = $1', [id]);
    expect(await environment.purgeDue(10)).toBe(1);
    await environment.deletion.sweep(10);

    expect(await environment.photos.find(localViewer, id)).toMatchObject({
      status: 'PURGED',
      filename: null,
      sourceSha256: null,
    });
    expect(await environment.store.has(`photos/${id}.jpg`)).toBe(false);
    expect(await environment.purgeDue(10)).toBe(0);

    // The row is kept for a month as evidence and then deleted.
    const days = await environment.database.rows(
      'SELECT round(extract(epoch FROM purge_at - now()) / 86400)::integer AS days FROM photos WHERE id = $1',
      [id],
    );
    expect(days).toEqual([{ days: 30 }]);
    await environment.database.rows('UPDATE photos SET purge_at = now() WHERE id = $1', [id]);
    await environment.purgeDue(10);
    expect(await environment.photos.find(localViewer, id)).toBeNull();
  });

  it('that was never uploaded leaves no row', async () => {
    const [upload] = await environment.photos.createUploads(localViewer, [
      { filename: 'me.jpg', contentType: 'image/jpeg', byteSize: 1000 },
    ]);
    await environment.database.rows('UPDATE photos SET purge_at = now() WHERE id = $1', [upload!.photo.id]);

    expect(await environment.purgeDue(10)).toBe(1);

    expect(await environment.photos.find(localViewer, upload!.photo.id)).toBeNull();
    expect(await put(upload!.uploadUrl, await facePhoto(1))).toMatchObject({ status: 404 });
  });
});

describe('the sweep of orphans', () => {
  it('deletes only files without a row', async () => {
    const known = `photos/${(await photo()).id}.jpg`;
    const orphans = [`photos/${newId()}.jpg`, `avatars/${newId()}.png`, `avatars/${newId()}.preview.jpg`];
    for (const key of orphans) await environment.store.put(key, Readable.from([Buffer.from('face')]), 10);

    expect(await environment.deletion.sweepOrphans(new AbortController().signal)).toBe(3);
    expect(await environment.deletion.sweep(10)).toBe(3);

    expect(await Promise.all([known, ...orphans].map((key) => environment.store.has(key)))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(await environment.deletion.sweepOrphans(new AbortController().signal)).toBe(0);
  });

  it('deletes what a killed process has not finished storing', async () => {
    const drafts = join(environment.mediaDir, '.drafts');
    const longAgo = new Date(Date.now() - 3_700_000);
    await mkdir(drafts, { recursive: true });
    await Promise.all(['old', 'new'].map((name) => writeFile(join(drafts, name), 'half a face')));
    await utimes(join(drafts, 'old'), longAgo, longAgo);

    await environment.deletion.sweepOrphans(new AbortController().signal);

    expect(await readdir(drafts)).toEqual(['new']);
  });

  it('is complete if the store refuses to remove what is unfinished', async () => {
    await environment.store.put(`photos/${newId()}.jpg`, Readable.from([Buffer.from('face')]), 10);
    const refusal = new StorageUnavailableError(new Error('AccessDenied'));
    const { store } = environment;
    store.removeUnfinished = () => Promise.reject(refusal);
    expect(await environment.deletion.sweepOrphans(new AbortController().signal)).toBe(1);
    expect(await environment.deletion.sweep(10)).toBe(1);
  });

  it('repeats a deletion that was scheduled again while it ran', async () => {
    const key = `photos/${newId()}.jpg`;
    await scheduleDeletion(environment.database, [key]);
    let isFirst = true;
    environment.store.beforeDelete = async () => {
      if (!isFirst) return;
      isFirst = false;
      await scheduleDeletion(environment.database, [key]);
    };

    expect(await environment.deletion.sweep(10)).toBe(1);

    environment.store.beforeDelete = () => Promise.resolve();
    expect(await environment.database.rows('SELECT key, tries FROM media_deletions')).toEqual([
      { key, tries: 0 },
    ]);
    expect(await environment.deletion.sweep(10)).toBe(1);
    expect(await environment.database.rows('SELECT key FROM media_deletions')).toEqual([]);
  });
});
