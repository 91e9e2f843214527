import { randomUUID } from 'node:crypto';
import { newId } from '../../src/core/ids';
import { photoMoves, photoStatuses, type PhotoStatus } from '../../src/photos/photo.state';
import { openPhotoHouse, type PhotoHouse } from '../support/photo-house';
import { facePhoto } from '../support/pictures';

let house: PhotoHouse;
beforeAll(async () => {
  house = await openPhotoHouse();
});
afterAll(() => house.stop());

const lease = randomUUID();
const problem = { code: 'UNREADABLE', message: 'It is damaged.' };

/** A photo in any state, with everything set that would let a move through by mistake. */
async function photoIn(status: PhotoStatus): Promise<string> {
  const id = newId();
  await house.database.rows(
    `INSERT INTO photos (id, owner, status, source_url, source_sha256, width, height, byte_size, due_at, lease, purge_at)
     VALUES ($1, 'local', $2::text, CASE $2 WHEN 'FETCHING' THEN 'https://example.com/' END, $3, 1, 1, 1, now(), $4, CASE WHEN $2 <> 'PURGED' THEN now() END)`,
    [id, status, (await house.intake.check(await facePhoto(1))).sha256, lease],
  );
  return id;
}

/** Whatever may happen to a photo. */
const happenings: Record<string, (id: string) => Promise<unknown>> = {
  'an upload': async (id) => house.intake.keep(id, await house.intake.check(await facePhoto(1)), null),
  'a fetch': async (id) => house.intake.keep(id, await house.intake.check(await facePhoto(1)), lease),
  'a bad upload': (id) => house.intake.rejectUploaded(id, problem),
  'a bad fetch': (id) => house.intake.rejectFetched(id, problem, lease),
  'the purge': () => house.purge.purgeDue(1),
};

describe('a photo', () => {
  it('moves as its table says, and in no other way', async () => {
    const seen = new Map<PhotoStatus, Set<PhotoStatus>>();
    for (const from of photoStatuses) {
      const reached = new Set<PhotoStatus>();
      for (const happen of Object.values(happenings)) {
        await house.database.rows('DELETE FROM photos');
        const id = await photoIn(from);
        const before = JSON.stringify((await house.photos.byIds([id]))[0]);
        await happen(id);
        const [photo] = await house.photos.byIds([id]);
        if (photo && JSON.stringify(photo) !== before) reached.add(photo.status);
      }
      seen.set(from, reached);
    }

    // A slot that was never used is deleted instead of purged: no bytes, nothing to tell.
    const expected = { ...photoMoves, AWAITING_UPLOAD: ['READY', 'REJECTED'] };
    expect(Object.fromEntries([...seen].map(([from, to]) => [from, [...to].sort()]))).toEqual(
      Object.fromEntries(Object.entries(expected).map(([from, to]) => [from, [...to].sort()])),
    );
  });
});
