import { DomainError } from '../../src/core/errors';
import { newId } from '../../src/core/ids';
import { localViewer, type Viewer } from '../../src/core/viewer';
import { engines } from '../../src/database/engine';
import { photoUse } from '../../src/generations/generation.kind';
import { type PhotoSource, JobPhotoService } from '../../src/photos/job-photo.service';
import { PhotoUrls } from '../../src/photos/photo-urls';
import { findPhotos } from '../../src/photos/photo.repository';
import { pieces } from '../contract/media-store-suite';
import { openPhotoEnvironment, type PhotoEnvironment } from '../support/photo-environment';
import { insertInstantGeneration, insertModel, insertSubmission, setStatus } from '../support/photo-jobs';
import { facePhoto } from '../support/pictures';
import { put } from '../support/raw-client';

const fieldAt = (index: number): string => `input.photos[${index}].photoId`;
const sourceAt = (photoId: string, index: number): PhotoSource => ({ photoId, field: fieldAt(index) });

let environment: PhotoEnvironment;
beforeAll(async () => {
  environment = await openPhotoEnvironment();
});
afterAll(() => environment.stop());

/** Global ids and URLs of upload slots. */
async function slots(count: number): Promise<{ id: string; url: string }[]> {
  const file = { filename: 'me.jpg', contentType: 'image/jpeg', byteSize: 1000 };
  const uploads = await environment.photos.createUploads(
    localViewer,
    Array.from({ length: count }, () => file),
  );
  return uploads.map(({ photo, uploadUrl }) => ({ id: photo.id, url: uploadUrl }));
}

/** The UUIDs of READY photos. */
async function readyPhotos(count: number): Promise<string[]> {
  const given = await slots(count);
  for (const { url } of given) expect(await put(url, await facePhoto(1))).toMatchObject({ status: 201 });
  return given.map(({ id }) => id);
}

async function hold(ids: readonly string[], viewer: Viewer = localViewer): Promise<void> {
  await environment.database.transaction((sql) =>
    environment.training.accept(sql, viewer, ids.map(sourceAt)),
  );
}

/** A model as `trainModel` creates it. */
async function train(ids: string[]): Promise<{ modelId: string; ids: string[] }> {
  return environment.database.transaction(async (sql) => {
    await environment.training.accept(sql, localViewer, ids.map(sourceAt));
    return { modelId: await insertModel(sql, ids), ids };
  });
}

async function release(jobId: string): Promise<void> {
  await environment.database.transaction((sql) => environment.training.release(sql, jobId));
}

async function statuses(ids: readonly string[]): Promise<(string | undefined)[]> {
  return (await findPhotos(environment.database, 'local', ids)).map((photo) => photo?.status);
}

describe('photos for a training', () => {
  it('are returned in the given order', async () => {
    const [first, second, third] = await readyPhotos(3);
    const { modelId, ids } = await train([third!, first!, second!]);

    const photos = await environment.training.list(environment.database, modelId);

    expect(photos.map(({ id }) => id)).toEqual(ids);
    const ofModels = await environment.photos.ofModels(localViewer, [newId(), modelId]);
    expect(ofModels.map((list) => list.map(({ id }) => id))).toEqual([[], ids]);
    expect(await environment.photos.ofModels({ ...localViewer, owner: 'other' }, [modelId])).toEqual([[]]);
  });

  it('are rejected with the field if missing, not uploaded, unusable or duplicate', async () => {
    const [ready] = await readyPhotos(1);
    const [empty, bad] = await slots(2);
    await put(bad!.url, Buffer.from('no picture'));

    await expect(hold([ready!, newId()])).rejects.toMatchObject({ code: 'NOT_FOUND', field: fieldAt(1) });
    await expect(hold([empty!.id])).rejects.toMatchObject({ code: 'PHOTO_NOT_READY', field: fieldAt(0) });
    await expect(hold([ready!, bad!.id])).rejects.toMatchObject({
      code: 'PHOTO_INVALID',
      field: fieldAt(1),
      message: expect.stringContaining('JPEG') as string,
    });
    await expect(hold([ready!, ready!])).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: fieldAt(1),
    });
    await expect(hold([ready!], { ...localViewer, owner: 'another' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      field: fieldAt(0),
    });
  });

  it('are kept while the training lasts and purged after it', async () => {
    const { modelId, ids } = await train(await readyPhotos(2));
    await environment.database.rows('UPDATE photos SET purge_at = now() WHERE id = $1', [ids[0]]);
    expect(await environment.purgeDue(10)).toBe(1);
    expect(await statuses(ids)).toEqual(['READY', 'READY']);

    await setStatus(environment.database, 'models', modelId, 'READY');
    await release(modelId);

    expect(await environment.purgeDue(10)).toBe(2);
    expect(await statuses(ids)).toEqual(['PURGED', 'PURGED']);
    await environment.deletion.sweep(10);
    expect(await environment.store.has(`photos/${ids[0]}.jpg`)).toBe(false);
    expect(await environment.training.holdForRetry(environment.database, localViewer, modelId)).toBe(0);
  });

  it('are kept while any other job needs them', async () => {
    const photoIds = await readyPhotos(1);
    const first = await train(photoIds);
    const second = await train(photoIds);
    const generationId = await insertInstantGeneration(environment.database, 'GENERATING', first.ids[0]!);

    await setStatus(environment.database, 'models', first.modelId, 'READY');
    await release(first.modelId);
    expect(await environment.purgeDue(10)).toBe(0);

    await setStatus(environment.database, 'models', second.modelId, 'READY');
    await release(second.modelId);
    expect(await environment.purgeDue(10)).toBe(0);

    await setStatus(environment.database, 'generations', generationId, 'STORING');
    await release(generationId);
    expect(await environment.purgeDue(10)).toBe(1);
    expect(await statuses(first.ids)).toEqual(['PURGED']);
  });

  it('can be reserved for another attempt before they are purged', async () => {
    const { modelId } = await train(await readyPhotos(2));
    await release(modelId);

    expect(await environment.training.holdForRetry(environment.database, localViewer, modelId)).toBe(2);

    expect(await environment.purgeDue(10)).toBe(0);
  });

  it('are deleted with their model, except those of another model', async () => {
    const [own, common] = await readyPhotos(2);
    const first = await train([own!, common!]);
    await train([common!]);
    // As if a later try had stored the photo.
    const key = `photos/${own}.later.jpg`;
    await environment.database.rows("UPDATE photos SET media_token = 'later' WHERE id = $1", [own]);
    await environment.store.put(key, pieces(Buffer.from('a photo')), 100);

    await environment.database.transaction(async (sql) => {
      await environment.training.deleteOfModel(sql, first.modelId);
      await sql.rows('DELETE FROM models WHERE id = $1', [first.modelId]);
    });

    expect(await statuses(first.ids)).toEqual([undefined, 'READY']);
    expect(await environment.purgeDue(10)).toBe(0);
    await environment.deletion.sweep(10);
    for (const each of [`photos/${own}.jpg`, key]) expect(await environment.store.has(each)).toBe(false);
    expect(await environment.store.has(`photos/${first.ids[1]}.jpg`)).toBe(true);
  });

  it('wake a waiting model when one of them is deleted', async () => {
    const [kept, deleted] = await readyPhotos(2);
    const { modelId } = await train([kept!, deleted!]);

    await environment.photos.delete(localViewer, deleted!);

    expect(
      await environment.database.rows('SELECT due_at <= now() AS due FROM models WHERE id = $1', [modelId]),
    ).toEqual([{ due: true }]);
    expect(await environment.training.list(environment.database, modelId)).toHaveLength(1);
  });
});

describe('photos for the upstream', () => {
  const soon = (): number => Date.now() + 60_000;

  async function evidence(jobId: string, attempt = 1): Promise<boolean> {
    const [row] = await environment.database.rows<{ fetched: boolean }>(
      `SELECT photos_fetched_at IS NOT NULL AS fetched FROM submissions
        WHERE (model_id = $1 OR generation_id = $1) AND attempt = $2`,
      [jobId, attempt],
    );
    return row!.fetched;
  }

  it.each(['SUBMITTING', 'UNCERTAIN', 'TRAINING'])(
    'are served while a model is %s, which proves the call',
    async (status) => {
      const { modelId, ids } = await train(await readyPhotos(1));
      await setStatus(environment.database, 'models', modelId, status);
      await insertSubmission(environment.database, { modelId });
      expect(await evidence(modelId)).toBe(false);

      const answer = await fetch(
        environment.training.upstreamUrl(ids[0]!, { jobId: modelId, attempt: 1 }, soon()),
      );

      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toBe('image/jpeg');
      expect((await answer.arrayBuffer()).byteLength).toBe(
        (await findPhotos(environment.database, 'local', ids))[0]!.byteSize,
      );
      expect(await evidence(modelId)).toBe(true);
    },
  );

  it('are served for a generation from one photo', async () => {
    const { ids } = await train(await readyPhotos(1));
    const generationId = await insertInstantGeneration(environment.database, 'SUBMITTING', ids[0]!);
    await insertSubmission(environment.database, { generationId });

    const answer = await fetch(
      environment.training.upstreamUrl(ids[0]!, { jobId: generationId, attempt: 1 }, soon()),
    );

    expect(answer.status).toBe(200);
    expect(await evidence(generationId)).toBe(true);
    const photos = await environment.training.list(environment.database, generationId);
    expect(photos.map(({ id }) => id)).toEqual(ids);
  });

  it('are not served after the training or for an abandoned attempt, but the request is recorded', async () => {
    const { modelId, ids } = await train(await readyPhotos(1));
    await setStatus(environment.database, 'models', modelId, 'SUBMITTING');
    await insertSubmission(environment.database, { modelId });
    await insertSubmission(environment.database, { modelId }, 2);
    const url = (attempt: number, expiresAtMs = soon()): string =>
      environment.training.upstreamUrl(ids[0]!, { jobId: modelId, attempt }, expiresAtMs);

    expect((await fetch(url(2))).status).toBe(404);
    expect(await evidence(modelId, 2)).toBe(true);
    expect((await fetch(url(1, Date.now() - 5000))).status).toBe(404);
    expect(await evidence(modelId, 1)).toBe(true);
    expect((await fetch(url(1))).status).toBe(200);
    // QUEUED again: the attempt has ended, and the next one has another number.
    for (const status of ['QUEUED', 'READY']) {
      await setStatus(environment.database, 'models', modelId, status);
      expect((await fetch(url(1))).status).toBe(404);
    }
  });

  it('are served by their own URL only, but every request for the attempt is recorded', async () => {
    const { modelId, ids } = await train(await readyPhotos(2));
    await setStatus(environment.database, 'models', modelId, 'TRAINING');
    await insertSubmission(environment.database, { modelId });
    const url = environment.training.upstreamUrl(ids[0]!, { jobId: modelId, attempt: 1 }, soon());

    expect((await fetch(url.replace(ids[0]!, ids[1]!))).status).toBe(403);
    expect((await fetch(url.replace('/1/', '/2/'))).status).toBe(403);
    expect(await evidence(modelId)).toBe(true);
  });

  it('are not served while the database cannot record the request', async () => {
    const { modelId, ids } = await train(await readyPhotos(1));
    const urls = new PhotoUrls(environment.signer, () => 'http://localhost');
    const down = () => Promise.reject(new DomainError('SERVICE_UNAVAILABLE', 'The database is down.'));
    const opened: string[] = [];
    let unrecorded = 0;
    const cutOff = new JobPhotoService({
      database: { engine: engines.postgresql, rows: down, entities: down, transaction: down },
      media: Object.assign(Object.create(environment.store) as typeof environment.store, {
        open: (key: string) => {
          opened.push(key);
          return environment.store.open(key);
        },
      }),
      urls,
      checkUrl: (url) => new URL(url),
      onUnrecordedFetch: () => (unrecorded += 1),
      retentionMs: 0,
      use: photoUse,
    });
    const call = { jobId: modelId, attempt: 1 };
    const query = new URL(cutOff.upstreamUrl(ids[0]!, call, soon())).searchParams;

    await expect(cutOff.openForUpstream(ids[0]!, call, query)).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
    });
    expect(opened).toEqual([]);
    expect(unrecorded).toBe(1);
  });
});
