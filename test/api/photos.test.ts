import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { newId, toGlobalId } from '../../src/core/ids';
import { localViewer, type Viewer } from '../../src/core/viewer';
import type { PhotoEntity } from '../../src/photos/photo.entity';
import type { PhotoUpload } from '../../src/photos/photo.service';
import { StorageUnavailableError } from '../../src/storage/media-store';
import { maxPhotoBytes, openPhotoEnvironment, type PhotoEnvironment } from '../support/photo-environment';
import { privateMarker, jpegSegment, phonePhoto, withSegments } from '../support/picture-bytes';
import { face, facePhoto } from '../support/pictures';
import { put, putInPieces } from '../support/raw-client';
import { Suspension } from '../support/suspension';

let environment: PhotoEnvironment;
beforeAll(async () => {
  environment = await openPhotoEnvironment();
});
afterAll(() => environment.stop());

async function slot(): Promise<PhotoUpload> {
  const [upload] = await environment.photos.createUploads(localViewer, [
    { filename: 'me.jpg', contentType: 'image/jpeg', byteSize: 1000 },
  ]);
  return upload!;
}

async function row({ photo }: PhotoUpload): Promise<PhotoEntity | null> {
  return environment.photos.find(localViewer, photo.id);
}

describe('photo uploads', () => {
  it('accepts a photo at its URL and serves it to its owner upright, small and without metadata', async () => {
    const upload = await slot();
    expect(upload).toMatchObject({
      photo: { status: 'AWAITING_UPLOAD', filename: 'me.jpg' },
      headers: [{ name: 'Content-Type', value: 'image/jpeg' }],
    });
    const photo = withSegments(
      await face(1).withMetadata({ orientation: 6 }).jpeg().toBuffer(),
      jpegSegment(0xfe, privateMarker),
    );

    const answer = await put(upload.uploadUrl, photo);

    const id = toGlobalId('Photo', upload.photo.id);
    expect(answer).toMatchObject({
      status: 201,
      body: { id, status: 'READY', width: 600, height: 800, problems: [] },
    });
    const shown = await fetch(environment.photos.viewUrl((await row(upload))!)!);
    const bytes = Buffer.from(await shown.arrayBuffer());
    expect(bytes).toHaveLength(answer.body.byteSize as number);
    expect(bytes.includes(privateMarker)).toBe(false);
    const { format, width, height, exif, icc, xmp } = await sharp(bytes).metadata();
    expect({ format, width, height, exif, icc, xmp }).toEqual({ format: 'jpeg', width: 512, height: 512 });
  });

  it.each(['webp', 'avif', 'heic'] as const)('converts a photo in %s', async (type) => {
    const [upload] = await environment.photos.createUploads(localViewer, [
      { filename: `me.${type}`, contentType: `image/${type}`, byteSize: 1000 },
    ]);
    const photo = type === 'heic' ? phonePhoto : await face(1).toFormat(type, { effort: 0 }).toBuffer();
    expect(await put(upload!.uploadUrl, photo)).toMatchObject({
      status: 201,
      body: { status: 'READY', problems: [] },
    });
    const shown = await fetch(environment.photos.viewUrl((await row(upload!))!)!);
    const { format, width, height } = await sharp(Buffer.from(await shown.arrayBuffer())).metadata();
    expect({ format, width, height }).toEqual({ format: 'jpeg', width: 512, height: 512 });
  });

  it('repeats the answer for the same bytes, and does not replace a photo', async () => {
    const { uploadUrl } = await slot();
    const first = await put(uploadUrl, await facePhoto(1));

    expect(await put(uploadUrl, await facePhoto(1))).toEqual({ ...first, status: 200 });
    expect(await put(uploadUrl, await facePhoto(2))).toMatchObject({
      status: 409,
      body: { code: 'INVALID_INPUT' },
    });
  });

  it.each([
    ['a GIF', () => face(1).gif().toBuffer(), 415, 'PHOTO_TYPE_UNSUPPORTED', 'UNSUPPORTED_TYPE'],
    ['a cut JPEG', async () => (await facePhoto(1)).subarray(0, 9_000), 422, 'PHOTO_INVALID', 'UNREADABLE'],
    ['a small photo', () => facePhoto(1, { width: 300, height: 255 }), 422, 'PHOTO_INVALID', 'TOO_SMALL'],
    ['nothing', () => Buffer.alloc(0), 422, 'PHOTO_INVALID', 'UNREADABLE'],
    ['too many bytes', () => Buffer.alloc(maxPhotoBytes + 1), 413, 'PHOTO_TOO_LARGE', 'PHOTO_TOO_LARGE'],
  ])(
    'rejects %s with the reason, and accepts another photo instead',
    async (_, make, status, code, problem) => {
      const upload = await slot();

      const answer = await put(upload.uploadUrl, await make());

      expect(answer).toMatchObject({ status, body: { code } });
      expect(await row(upload)).toMatchObject({
        status: 'REJECTED',
        problems: [{ code: problem, message: answer.body.message }],
      });
      expect(await put(upload.uploadUrl, await facePhoto(1))).toMatchObject({
        status: 201,
        body: { status: 'READY', problems: [] },
      });
    },
  );

  it('rejects too many announced bytes before reading, and counts unannounced bytes', async () => {
    const announced = putInPieces((await slot()).uploadUrl, maxPhotoBytes + 1);
    announced.write(Buffer.alloc(10));
    expect(await announced.answer).toMatchObject({ status: 413, body: { code: 'PHOTO_TOO_LARGE' } });

    const counted = putInPieces((await slot()).uploadUrl);
    counted.write(Buffer.alloc(maxPhotoBytes + 1));
    expect(await counted.answer).toMatchObject({ status: 413, body: { code: 'PHOTO_TOO_LARGE' } });
  });

  it('accepts its own URL only, until it expires', async () => {
    const { uploadUrl, photo } = await slot();
    const other = await slot();
    const path = new URL(uploadUrl).pathname;
    const expired = uploadUrl.replace(
      /\?.*/,
      `?${environment.signer.sign('photo-upload', path, Date.now() - 1000)}`,
    );
    const ofOther = uploadUrl.replace(/\?.*/, new URL(other.uploadUrl).search);
    const longer = uploadUrl.replace(/expires=\d+/, `expires=${Math.ceil(Date.now() / 1000) + 99_999}`);
    const ofView = uploadUrl.replace(
      /\?.*/,
      new URL(environment.photos.viewUrl({ id: photo.id, status: 'READY' })!).search,
    );

    expect(await put(expired, await facePhoto(1))).toMatchObject({
      status: 410,
      body: { code: 'UPLOAD_URL_EXPIRED' },
    });
    for (const url of [ofOther, longer, ofView]) {
      expect(await put(url, await facePhoto(1))).toMatchObject({
        status: 403,
        body: { code: 'INVALID_SIGNATURE' },
      });
    }
  });

  it('keeps one of two photos that race for a slot, with its file', async () => {
    const upload = await slot();
    const rivals = await Promise.all([facePhoto(1), facePhoto(2), facePhoto(3)]);

    const answers = await Promise.all(rivals.map((photo) => put(upload.uploadUrl, photo)));

    const winner = answers.findIndex(({ status }) => status === 201);
    expect(
      answers.filter(({ status }) => status !== 201).every(({ status }) => [409, 503].includes(status)),
    ).toBe(true);
    const kept = (await row(upload))!;
    expect(kept.sourceSha256).toBe(createHash('sha256').update(rivals[winner]!).digest('hex'));
    const { prepared } = await environment.intake.check(rivals[winner]!);
    const shown = await fetch(environment.photos.viewUrl(kept)!);
    expect(Buffer.from(await shown.arrayBuffer()).equals(prepared.jpeg)).toBe(true);
  });

  it('accepts a photo again after an aborted upload', async () => {
    const upload = await slot();
    const broken = putInPieces(upload.uploadUrl, 10_000);
    broken.write(Buffer.alloc(100));
    broken.cut();
    await expect(broken.answer).rejects.toThrow('socket hang up');

    expect(await put(upload.uploadUrl, await facePhoto(1))).toMatchObject({ status: 201 });
  });

  it('accepts the same photo again at once after a store failure', async () => {
    const upload = await slot();
    environment.store.beforePut = () => Promise.reject(new StorageUnavailableError(new Error('disk full')));
    expect(await put(upload.uploadUrl, await facePhoto(1))).toMatchObject({
      status: 503,
      body: { code: 'SERVICE_UNAVAILABLE' },
    });

    environment.store.beforePut = () => Promise.resolve();
    expect(await put(upload.uploadUrl, await facePhoto(1))).toMatchObject({ status: 201 });
  });

  it('shows the photo that was accepted after an upload that was suspended while it was stored continues', async () => {
    const upload = await slot();
    const suspended = new Suspension();
    environment.store.beforePut = () => suspended.pass();
    // As another process receives it.
    const early = await environment.intake.check(await facePhoto(1));
    const storing = environment.intake.keep(upload.photo.id, early, null);
    await suspended.reached;
    environment.store.beforePut = () => Promise.resolve();
    await environment.database.rows("UPDATE photos SET updated_at = now() - interval '2 min' WHERE id = $1", [
      upload.photo.id,
    ]);
    const accepted = await facePhoto(2);
    expect(await put(upload.uploadUrl, accepted)).toMatchObject({ status: 201 });
    suspended.end();
    expect(await storing).toBeNull();
    const { prepared } = await environment.intake.check(accepted);
    const shown = await fetch(environment.photos.viewUrl((await row(upload))!)!);
    expect(Buffer.from(await shown.arrayBuffer()).equals(prepared.jpeg)).toBe(true);
  });

  it('is shown, and deleted, if a process of an earlier version stored it after failures of this version', async () => {
    const upload = await slot();
    expect(await put(upload.uploadUrl, await facePhoto(1))).toMatchObject({ status: 201 });
    // That version changes no tokens.
    await environment.database.rows("UPDATE photos SET media_token = '0123456789abcdef' WHERE id = $1", [
      upload.photo.id,
    ]);
    expect((await fetch(environment.photos.viewUrl((await row(upload))!)!)).status).toBe(200);
    await environment.photos.delete(localViewer, upload.photo.id);
    expect(await environment.store.has(`photos/${upload.photo.id}.jpg`)).toBe(false);
  });

  it('shows the photo of the first of two tries, after the second has announced its own and failed', async () => {
    const upload = await slot();
    const suspended = new Suspension();
    environment.store.beforePut = () => suspended.pass();
    // As another process receives it.
    const received = await environment.intake.check(await facePhoto(1));
    const storing = environment.intake.keep(upload.photo.id, received, null);
    await suspended.reached;
    environment.store.beforePut = () => Promise.reject(new StorageUnavailableError(new Error('disk full')));
    expect(await put(upload.uploadUrl, await facePhoto(1))).toMatchObject({ status: 503 });
    environment.store.beforePut = () => Promise.resolve();
    suspended.end();
    expect(await storing).toMatchObject({ status: 'READY' });
    expect((await fetch(environment.photos.viewUrl((await row(upload))!)!)).status).toBe(200);
  });

  it('keeps the file of a photo that an earlier version has accepted under the same key meanwhile', async () => {
    const upload = await slot();
    environment.store.beforePut = async () => {
      await environment.database.rows(
        "UPDATE photos SET status = 'READY', width = 1, height = 1, byte_size = 1 WHERE id = $1",
        [upload.photo.id],
      );
    };
    const answer = await put(upload.uploadUrl, await facePhoto(1));
    environment.store.beforePut = () => Promise.resolve();
    expect(answer).toMatchObject({ status: 200 });
    await environment.deletion.sweep(10);
    expect(await environment.store.has(`photos/${upload.photo.id}.jpg`)).toBe(true);
  });

  it('leaves no file of a photo that was deleted while it was stored', async () => {
    const upload = await slot();
    environment.store.beforePut = async () => {
      await environment.photos.delete(localViewer, upload.photo.id);
    };

    const answer = await put(upload.uploadUrl, await facePhoto(1));

    environment.store.beforePut = () => Promise.resolve();
    expect(answer).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
    await environment.deletion.sweep(10);
    expect(await environment.store.has(`photos/${upload.photo.id}.jpg`)).toBe(false);
  });
});

describe('upload slots', () => {
  const good = { filename: 'a.png', contentType: 'image/png', byteSize: 1 };

  it.each([
    [[], 'INVALID_INPUT', 'input.files'],
    [Array.from({ length: 31 }, () => good), 'INVALID_INPUT', 'input.files'],
  ])(
    'are rejected with code and field if there are none or too many files (%#)',
    async (files, code, field) => {
      await expect(environment.photos.createUploads(localViewer, files)).rejects.toMatchObject({
        code,
        field,
      });
    },
  );

  it('are limited per owner', async () => {
    const hoarder: Viewer = { ...localViewer, owner: 'hoarder' };
    await environment.database.rows(
      `INSERT INTO photos (id, owner, status, purge_at) SELECT id, 'hoarder', 'AWAITING_UPLOAD', now() + interval '1 h'
         FROM unnest($1::uuid[]) AS id`,
      [Array.from({ length: 999 }, () => newId())],
    );

    await expect(environment.photos.createUploads(hoarder, [good, good])).rejects.toMatchObject({
      code: 'QUOTA_EXCEEDED',
    });
    await expect(environment.photos.createUploads(hoarder, [good])).resolves.toHaveLength(1);
  });
});
