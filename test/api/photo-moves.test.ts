import { randomUUID } from 'node:crypto';
import { newId } from '../../src/core/ids';
import { findPhotos, markFetchRejected, markUploadRejected } from '../../src/photos/photo.repository';
import { photoMoves, photoStatuses, type PhotoStatus } from '../../src/photos/photo.state';
import { openPhotoEnvironment, type PhotoEnvironment } from '../support/photo-environment';
import { facePhoto } from '../support/pictures';

let environment: PhotoEnvironment;
beforeAll(async () => {
  environment = await openPhotoEnvironment();
});
afterAll(() => environment.stop());

const lease = randomUUID();
const problem = { code: 'UNREADABLE', message: 'It is damaged.' };

/** A photo in any state, with all columns set, so that a wrong transition would succeed. */
async function photoIn(status: PhotoStatus): Promise<string> {
  const id = newId();
  await environment.database.rows(
    `INSERT INTO photos (id, owner, status, source_url, source_sha256, width, height, byte_size, due_at, lease, purge_at)
     VALUES ($1, 'local', $2::text, CASE $2 WHEN 'FETCHING' THEN 'https://example.com/' END, $3, 1, 1, 1, now(), $4, CASE WHEN $2 <> 'PURGED' THEN now() END)`,
    [id, status, (await environment.intake.check(await facePhoto(1))).sha256, lease],
  );
  return id;
}

/** All transitions of a photo. */
const happenings: Record<string, (id: string) => Promise<unknown>> = {
  'an upload': async (id) =>
    environment.intake.keep(id, await environment.intake.check(await facePhoto(1)), null),
  'a fetch': async (id) =>
    environment.intake.keep(id, await environment.intake.check(await facePhoto(1)), lease),
  'a bad upload': (id) => markUploadRejected(environment.database, id, problem),
  'a bad fetch': (id) => markFetchRejected(environment.database, id, problem, lease),
  'the purge': () => environment.purgeDue(1),
};

describe('a photo', () => {
  it('takes the state transitions of its table only', async () => {
    const seen = new Map<PhotoStatus, Set<PhotoStatus>>();
    for (const from of photoStatuses) {
      const reached = new Set<PhotoStatus>();
      for (const happen of Object.values(happenings)) {
        await environment.database.rows('DELETE FROM photos');
        const id = await photoIn(from);
        const before = JSON.stringify((await findPhotos(environment.database, 'local', [id]))[0]);
        await happen(id);
        const [photo] = await findPhotos(environment.database, 'local', [id]);
        if (photo && JSON.stringify(photo) !== before) reached.add(photo.status);
      }
      seen.set(from, reached);
    }

    // An unused slot is deleted instead of purged: it has no file and no personal data.
    const expected = { ...photoMoves, AWAITING_UPLOAD: ['READY', 'REJECTED'] };
    expect(Object.fromEntries([...seen].map(([from, to]) => [from, [...to].sort()]))).toEqual(
      Object.fromEntries(Object.entries(expected).map(([from, to]) => [from, [...to].sort()])),
    );
  });
});
