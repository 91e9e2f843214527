import { createServer, type Server } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { localViewer } from '../../src/core/viewer';
import { maxClientLookups } from '../../src/upstream/name-resolution';
import { openPhotoEnvironment, type PhotoEnvironment } from '../support/photo-environment';
import { facePhoto } from '../support/pictures';
import { listening, stopped } from '../support/servers';
import { until } from '../support/until';

let environment: PhotoEnvironment;
let host: Server;
let port: number;
let looked: string[] = [];
let answerLookups: () => void = () => undefined;

beforeAll(async () => {
  let answered = Promise.resolve();
  answered = new Promise((resolve) => (answerLookups = resolve));
  environment = await openPhotoEnvironment(async (name) => {
    looked.push(name);
    await turn();
    if (name.startsWith('hangs')) await answered;
    return [{ address: '127.0.0.1', family: 4 }];
  });
  const photo = await facePhoto(1);
  host = createServer((_, response) => response.end(photo));
  port = await listening(host);
});

beforeEach(() => (looked = []));

afterAll(async () => {
  await environment.stop();
  await stopped(host);
});

/** Photos of an owner that are to be fetched from these URLs. */
const addPhotos = (owner: string, urls: readonly string[]): Promise<string[]> =>
  environment.database.transaction((sql) =>
    environment.training.accept(
      sql,
      { ...localViewer, owner },
      urls.map((url) => ({ url, field: 'input.photos' })),
    ),
  );

const rowsOf = (ids: readonly string[]): Promise<{ status: string; tries: number }[]> =>
  environment.database.rows('SELECT status, tries FROM photos WHERE id = ANY($1) ORDER BY id', [ids]);

const photoUrl = (path: string): string => `http://photos.example.org:${port}${path}`;

describe('host names in photo URLs', () => {
  it('are resolved once for photos of one host', async () => {
    const ids = await addPhotos(
      'carol',
      Array.from({ length: 10 }, (_, index) => photoUrl(`/${index}.jpg`)),
    );
    await environment.fetchDue(new AbortController().signal);
    expect((await rowsOf(ids)).map(({ status }) => status)).toEqual(ids.map(() => 'READY'));
    expect(looked).toEqual(['photos.example.org']);
  });

  it('with silent name servers take a share of the lookups, and other owners fetch their photos', async () => {
    const stop = new AbortController();
    const names = Array.from({ length: 12 }, (_, index) => `hangs-${index}.example.org`);
    const hanging = await addPhotos(
      'alice',
      names.map((name) => `http://${name}/1.jpg`),
    );
    const passes = [environment.fetchDue(stop.signal)];
    await until(() => looked.length >= maxClientLookups / 2);
    const others = await addPhotos('bob', [photoUrl('/bob.jpg')]);
    passes.push(environment.fetchDue(stop.signal));
    await until(async () => (await rowsOf(others))[0]!.status === 'READY');
    expect(looked.filter((name) => name.startsWith('hangs'))).toHaveLength(maxClientLookups / 2);
    stop.abort(new Error('The test ends.'));
    await Promise.all(passes);
    // No attempt is counted: the host had no chance to answer.
    expect(new Set((await rowsOf(hanging)).map(({ status, tries }) => `${status} ${tries}`))).toEqual(
      new Set(['FETCHING 0']),
    );
    // The lookups continue after their downloads were aborted, and still count.
    await environment.database.rows('UPDATE photos SET due_at = now() WHERE id = ANY($1)', [hanging]);
    const stopAgain = new AbortController();
    const again = environment.fetchDue(stopAgain.signal);
    await until(
      async () => (await rowsOf(hanging)).filter(({ tries }) => tries === 1).length === maxClientLookups / 2,
    );
    stopAgain.abort(new Error('The test ends.'));
    expect(await again).toBe(names.length);
    expect(looked.filter((name) => name.startsWith('hangs'))).toHaveLength(maxClientLookups / 2);
    answerLookups();
  });
});
