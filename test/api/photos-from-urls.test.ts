import { createServer, type Server } from 'node:http';
import { localViewer } from '../../src/core/viewer';
import type { PhotoSource } from '../../src/photos/job-photo.service';
import type { PhotoEntity } from '../../src/photos/photo.entity';
import { StorageUnavailableError } from '../../src/storage/media-store';
import { maxPhotoBytes, openPhotoEnvironment, type PhotoEnvironment } from '../support/photo-environment';
import { insertInstantGeneration, insertModel } from '../support/photo-jobs';
import { face, facePhoto } from '../support/pictures';
import { listening, stopped } from '../support/servers';
import { cloudForms, hostOf } from '../unit/url-corpus';

const fieldAt = (index: number): string => `input.photos[${index}].url`;
const sourceAt = (url: string, index: number): PhotoSource => ({ url, field: fieldAt(index) });

let environment: PhotoEnvironment;
let host: Server;
let base: string;
let atOnce = 0;
let maxAtOnce = 0;
/** The content of each path; 404 elsewhere. */
const files = new Map<string, Buffer>();

beforeAll(async () => {
  environment = await openPhotoEnvironment();
  host = createServer((request, response) => {
    maxAtOnce = Math.max(maxAtOnce, (atOnce += 1));
    response.on('close', () => (atOnce -= 1));
    if (request.url === '/reset.jpg') request.socket.resetAndDestroy();
    const file = files.get(request.url!.replace(/\?.*/, ''));
    response.writeHead(file ? 200 : 404);
    response.end(file);
  });
  base = `http://127.0.0.1:${await listening(host)}`;
  files.set('/a/me.jpg', await facePhoto(1));
  files.set('/gif.jpg', await face(1).gif().toBuffer());
  files.set('/large.png', Buffer.alloc(maxPhotoBytes + 1));
  for (let index = 0; index < 12; index += 1) files.set(`/${index}.jpg`, await facePhoto(index));
});
afterAll(async () => {
  await environment.stop();
  await stopped(host);
});

const never = new AbortController().signal;

/** A model that waits for the photos of these URLs, as `trainModel` creates it. */
async function trainFrom(urls: readonly string[]): Promise<{ modelId: string; ids: string[] }> {
  return environment.database.transaction(async (sql) => {
    const ids = await environment.training.accept(sql, localViewer, urls.map(sourceAt));
    return { modelId: await insertModel(sql, ids), ids };
  });
}

async function photo(id: string): Promise<PhotoEntity> {
  return (await environment.photos.find(localViewer, id))!;
}

async function isDue(table: 'models' | 'generations', id: string): Promise<boolean> {
  const [row] = await environment.database.rows<{ due: boolean }>(
    `SELECT due_at <= now() AS due FROM ${table} WHERE id = $1`,
    [id],
  );
  return row!.due;
}

/** Makes the next attempt due. */
async function makeDue(id: string): Promise<void> {
  await environment.database.rows('UPDATE photos SET due_at = now() WHERE id = $1', [id]);
}

describe('photos from URLs', () => {
  it('are fetched, checked and stored like uploads, and wake waiting jobs', async () => {
    const { modelId, ids } = await trainFrom([`${base}/a/me.jpg?size=large`]);
    const generationId = await insertInstantGeneration(environment.database, 'QUEUED', ids[0]!);
    expect(await photo(ids[0]!)).toMatchObject({ status: 'FETCHING', filename: 'me.jpg' });
    expect(await isDue('models', modelId)).toBe(false);
    const wakes = environment.wakes();

    expect(await environment.fetchDue(never)).toBe(1);

    expect(await photo(ids[0]!)).toMatchObject({
      status: 'READY',
      width: 800,
      height: 600,
      sourceUrl: null,
      dueAt: null,
      lease: null,
      purgeAt: null,
    });
    expect(await isDue('models', modelId)).toBe(true);
    expect(await isDue('generations', generationId)).toBe(true);
    expect(environment.wakes()).toBe(wakes + 1);
    expect((await fetch(environment.photos.viewUrl(await photo(ids[0]!))!)).status).toBe(200);
    expect(await environment.fetchDue(never)).toBe(0);
  });

  it.each([
    ['/gif.jpg', 'UNSUPPORTED_TYPE'],
    ['/large.png', 'PHOTO_TOO_LARGE'],
  ])('are rejected by content: %s', async (path, code) => {
    const { modelId, ids } = await trainFrom([base + path]);

    await environment.fetchDue(never);

    expect(await photo(ids[0]!)).toMatchObject({ status: 'REJECTED', problems: [{ code }], sourceUrl: null });
    expect(await isDue('models', modelId)).toBe(true);
  });

  it('are tried three times, and rejected with one message for all causes', async () => {
    const closed = createServer();
    const port = await listening(closed);
    await stopped(closed);
    const { ids } = await trainFrom([
      `${base}/nothing.jpg`,
      `http://127.0.0.1:${port}/`,
      `${base}/reset.jpg`,
    ]);

    for (let tries = 1; tries <= 3; tries += 1) {
      expect(await environment.fetchDue(never)).toBe(3);
      expect(await environment.fetchDue(never)).toBe(0);
      const found = await Promise.all(ids.map(photo));
      expect(found.map(({ status }) => status)).toEqual(
        Array.from({ length: 3 }, () => (tries < 3 ? 'FETCHING' : 'REJECTED')),
      );
      await Promise.all(found.filter(({ status }) => status === 'FETCHING').map(({ id }) => makeDue(id)));
    }

    const problems = (await Promise.all(ids.map(photo))).flatMap((found) => found.problems);
    expect(problems.map(({ code }) => code)).toEqual(Array.from({ length: 3 }, () => 'PHOTO_UNREACHABLE'));
    expect(new Set(problems.map(({ message }) => message)).size).toBe(1);
  });

  it.each(['ftp://example.com/a.jpg', 'nonsense', 'http://10.0.0.1/a.jpg', 'http://localhost/a.jpg'])(
    'are rejected at once with the field if they are not public: %s',
    async (url) => {
      await expect(trainFrom(['https://example.com/a.jpg', url])).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        field: fieldAt(1),
      });
    },
  );

  it("are rejected at once at every address of a cloud provider's metadata or host service", async () => {
    for (const address of cloudForms) {
      const given = trainFrom(['https://example.com/a.jpg', `http://${hostOf(address)}/metadata`]);
      const error: unknown = await given.catch((reason: unknown) => reason);
      expect({ address, error }).toMatchObject({ error: { code: 'INVALID_INPUT', field: fieldAt(1) } });
    }
  });

  it('are rejected when one is given twice', async () => {
    await expect(trainFrom([`${base}/1.jpg`, `${base}/1.jpg`])).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: fieldAt(1),
    });
  });

  it('are fetched with the concurrency of MAX_PHOTO_FETCHES, of which one owner gets half', async () => {
    const urls = Array.from({ length: 40 }, (_, index) => `${base}/${index % 12}.jpg?${index}`);
    const { ids } = await trainFrom(urls);
    maxAtOnce = 0;

    const passes: number[] = [];
    for (let taken = -1; taken !== 0; passes.push(taken)) taken = await environment.fetchDue(never);

    expect(passes).toEqual([13, 13, 13, 1, 0]);
    expect(maxAtOnce).toBeLessThanOrEqual(13);
    const found = await Promise.all(ids.map(photo));
    expect(new Set(found.map(({ status }) => status))).toEqual(new Set(['READY']));
  });

  it('wait while the store is unavailable', async () => {
    const { ids } = await trainFrom([`${base}/1.jpg`]);
    environment.store.beforePut = () => Promise.reject(new StorageUnavailableError(new Error('disk full')));
    for (let tries = 1; tries <= 5; tries += 1) {
      expect(await environment.fetchDue(never)).toBe(1);
      await makeDue(ids[0]!);
    }
    expect(await photo(ids[0]!)).toMatchObject({ status: 'FETCHING', tries: 5 });

    environment.store.beforePut = () => Promise.resolve();
    expect(await environment.fetchDue(never)).toBe(1);
    expect(await photo(ids[0]!)).toMatchObject({ status: 'READY' });
  });

  it('are released at once when the process stops', async () => {
    const { ids } = await trainFrom([`${base}/1.jpg`]);
    const stopping = new AbortController();
    environment.store.beforePut = () => {
      stopping.abort();
      return Promise.reject(new Error('stopping'));
    };

    await environment.fetchDue(stopping.signal);

    environment.store.beforePut = () => Promise.resolve();
    expect(await photo(ids[0]!)).toMatchObject({ status: 'FETCHING', lease: null, tries: 0 });
    expect(await environment.fetchDue(never)).toBe(1);
    expect(await photo(ids[0]!)).toMatchObject({ status: 'READY' });
  });

  it('stay with the worker that took them over', async () => {
    const { ids } = await trainFrom([`${base}/1.jpg`]);
    environment.store.beforePut = async () => {
      environment.store.beforePut = () => Promise.resolve();
      await makeDue(ids[0]!);
      expect(await environment.fetchDue(never)).toBe(1);
      expect(await photo(ids[0]!)).toMatchObject({ status: 'READY' });
    };
    const wakes = environment.wakes();

    expect(await environment.fetchDue(never)).toBe(1);

    expect(environment.wakes()).toBe(wakes + 1);
    expect(await photo(ids[0]!)).toMatchObject({ status: 'READY' });
    expect(await environment.store.has(`photos/${ids[0]}.jpg`)).toBe(true);
  });

  it('leave nothing behind when they are deleted while they are being stored', async () => {
    const { ids } = await trainFrom([`${base}/1.jpg`]);
    environment.store.beforePut = async () => {
      await environment.photos.delete(localViewer, ids[0]!);
    };

    await environment.fetchDue(never);

    environment.store.beforePut = () => Promise.resolve();
    await environment.deletion.sweep(10);
    expect(await environment.store.has(`photos/${ids[0]}.jpg`)).toBe(false);
  });
});
