import { Readable } from 'node:stream';
import { createLogger } from '../../src/core/logger';
import { DatabaseClock } from '../../src/database/database-clock';
import type { Wake } from '../../src/events/wake';
import { AvatarCheckWork } from '../../src/generations/avatar-check.work';
import { avatarKeys } from '../../src/generations/avatar.entity';
import { GenerationCompletion } from '../../src/generations/generation-completion';
import { createImageSemaphore, ImageProcessor } from '../../src/images/image-processor';
import { JobRepository } from '../../src/jobs/job.repository';
import { MediaDeletion } from '../../src/storage/media-deletion';
import { scheduleDeletion } from '../../src/storage/media-deletion.repository';
import { answers, fileOf, paint, useResultHarness, sha256Of } from '../support/result-harness';

const url = 'https://pictures.example/1';

describe('a picture that is being stored', () => {
  const harness = useResultHarness();

  it('has the bytes of the lease holder when another worker was suspended', async () => {
    const job = await harness.finished(url);
    const other = harness.process();
    const bytes = await paint('#753');
    harness.worker.pauseAt('result:written', async () => {
      // The lease ends meanwhile, and another worker fetches different bytes.
      harness.host.set(url, fileOf(bytes));
      await harness.tryAgain(1, other);
    });
    await harness.tryAgain();
    const [row] = await harness.avatars(job);
    expect(row).toMatchObject({ status: 'STORED', sha256: sha256Of(bytes) });
    const [key, previewKey] = avatarKeys(row!);
    expect(await harness.keysOf([row!.id])).toEqual([key, previewKey]);
    expect(sha256Of(await harness.bytesOf(key!))).toBe(row!.sha256);
    expect((await harness.eventSequence(job)).filter((what) => what === 'AVATAR')).toHaveLength(1);
  });

  it('is not stored by a worker whose lease has ended, even if no other worker claimed it', async () => {
    const job = await harness.finished(url);
    harness.worker.pauseAt('result:stored', () => harness.untilPicturesDue());
    await harness.tryAgain();
    // The answer lacks the second picture.
    expect(await harness.states(job)).toEqual(['PENDING', 'LOST']);
    await harness.tryAgain();
    expect(await harness.states(job)).toEqual(['STORED', 'LOST']);
  });

  it('is not stored before the store returns the bytes that were written', async () => {
    const job = await harness.finished(url);
    const [row] = await harness.avatars(job);
    harness.worker.pauseAt('result:written', async () => {
      harness.worker.pauseAt(null);
      const [key] = await harness.keysOf([row!.id]);
      await harness.media.put(key!, Readable.from([await paint('#357')]), 10_000);
    });
    await harness.tryAgain();
    expect(await harness.states(job)).toEqual(['PENDING', 'LOST']);
    await harness.tryAgain();
    expect(await harness.states(job)).toEqual(['STORED', 'LOST']);
  });

  it('leaves no file when it is deleted meanwhile', async () => {
    const job = await harness.finished(url);
    const [row] = await harness.avatars(job);
    harness.worker.pauseAt('result:written', () => harness.delete(job));
    await harness.tryAgain();
    expect(await harness.keysOf([row!.id])).toEqual([]);
  });

  it.each(['deleted', 'stored', 'not available'])(
    'leaves no file of a killed process once it is %s',
    async (end) => {
      const job = await harness.finished(url);
      harness.worker.crashAt('result:stored');
      await harness.tryAgain();
      const [row] = await harness.avatars(job);
      expect(await harness.keysOf([row!.id])).toHaveLength(2);
      harness.worker = harness.successor(harness.worker);
      if (end === 'not available') harness.host.set(url, answers(503));
      if (end === 'deleted') await harness.delete(job);
      else await harness.tryAgain();
      const [present] = await harness.avatars(job);
      expect(await harness.keysOf([row!.id])).toEqual(
        present?.status === 'STORED' ? avatarKeys(present) : [],
      );
    },
  );

  it('leaves only files that the orphan sweep deletes when a process is killed while it replaces a damaged picture', async () => {
    const job = await harness.finished(url);
    await harness.tryAgain();
    const { database, media } = harness;
    await database.rows(
      `UPDATE avatars SET damaged_at = now(), due_at = now(), source_url = $1 WHERE status = 'STORED'`,
      [url],
    );
    harness.worker.crashAt('result:stored');
    await harness.tryAgain();
    harness.worker = harness.successor(harness.worker);
    await harness.tryAgain();
    const [row] = await harness.avatars(job);
    expect(row).toMatchObject({ status: 'STORED', damagedAt: null });
    expect(await harness.keysOf([row!.id])).toHaveLength(4);
    // Makes the files older than any attempt can take.
    const aged = Object.assign(Object.create(media) as typeof media, {
      list: (prefix: string) => media.list(prefix, 0),
    });
    await new MediaDeletion(database, aged, createLogger('silent')).sweepOrphans(
      new AbortController().signal,
    );
    expect(await harness.keysOf([row!.id])).toEqual(avatarKeys(row!));
  });

  it('is not deleted by a process that was suspended before its deletion, and resumed after it was restored', async () => {
    const job = await harness.finished(url);
    await harness.tryAgain();
    const [row] = await harness.avatars(job);
    const { database, media } = harness;
    await scheduleDeletion(database, avatarKeys(row!));
    const scheduled = (): Promise<unknown[]> =>
      database.rows('SELECT key FROM media_deletions WHERE key = ANY($1)', [avatarKeys(row!)]);
    /** A process that is suspended for a minute while it deletes the first key. */
    const suspended: typeof media = Object.assign(Object.create(media) as typeof media, {
      deleteMany: (keys: readonly string[], mayDelete: () => boolean) => {
        const now = performance.now.bind(performance);
        jest.spyOn(performance, 'now').mockImplementation(() => now() + 60_000);
        return media.deleteMany(keys, mayDelete);
      },
    });
    const sweep = (store: typeof media): Promise<number> =>
      new MediaDeletion(database, store, createLogger('silent')).sweep(10);
    expect(await sweep(suspended)).toBe(2);
    jest.restoreAllMocks();
    expect(await harness.presentKeysOf([row!.id])).toEqual(avatarKeys(row!));
    expect(await scheduled()).toHaveLength(2);
    // Another process has leased them since.
    const taken = Object.assign(Object.create(media) as typeof media, {
      deleteMany: async () => {
        await database.rows('UPDATE media_deletions SET tries = tries + 1');
        return new Map();
      },
    });
    await database.rows('UPDATE media_deletions SET due_at = now()');
    expect(await sweep(taken)).toBe(2);
    expect(await scheduled()).toHaveLength(2);
  });

  it('does not wait for its deletion behind bytes whose deletion has failed', async () => {
    const job = await harness.finished(url);
    await harness.tryAgain();
    const [row] = await harness.avatars(job);
    const { database, media } = harness;
    const keys = avatarKeys(row!);
    const orderAfterFailuresOf = async (key: string): Promise<string[]> => {
      await scheduleDeletion(database, keys);
      await database.rows('UPDATE media_deletions SET tries = 3 WHERE key = $1', [key]);
      const deleted: string[] = [];
      const recorded = Object.assign(Object.create(media) as typeof media, {
        deleteMany: (each: readonly string[], mayDelete: () => boolean) => {
          deleted.push(...each);
          return media.deleteMany(each, mayDelete);
        },
      });
      await new MediaDeletion(database, recorded, createLogger('silent')).sweep(10);
      return deleted;
    };
    const [picture, preview] = keys;
    expect(await orderAfterFailuresOf(picture!)).toEqual([preview, picture]);
    expect(await orderAfterFailuresOf(preview!)).toEqual([picture, preview]);
  });

  it('is deleted by one process at a slow store, which begins no deletion that could outlast its lease', async () => {
    const job = await harness.finished(url);
    await harness.tryAgain();
    const [row] = await harness.avatars(job);
    const { database, media } = harness;
    await scheduleDeletion(database, avatarKeys(row!));
    /** The deletion of the first key takes 12 s of the 20 s. */
    const slow: typeof media = Object.assign(Object.create(media) as typeof media, {
      deleteMany: async ([first, ...others]: readonly string[], mayDelete: () => boolean) => {
        await media.delete(first!);
        const now = performance.now.bind(performance);
        jest.spyOn(performance, 'now').mockImplementation(() => now() + 12_000);
        return media.deleteMany(others, mayDelete);
      },
    });
    expect(await new MediaDeletion(database, slow, createLogger('silent')).sweep(10)).toBe(2);
    jest.restoreAllMocks();
    const kept = await harness.presentKeysOf([row!.id]);
    expect(kept).toHaveLength(1);
    // It is free for another process, as if it had not been leased.
    const pending = await database.rows(
      'SELECT key, tries, due_at <= now() AS "isDue" FROM media_deletions WHERE key = ANY($1)',
      [avatarKeys(row!)],
    );
    expect(pending).toEqual([{ key: kept[0], tries: 0, isDue: true }]);
  });

  it('is not marked as damaged by a process that was suspended while another store became that of the database', async () => {
    const job = await harness.finished(url);
    await harness.tryAgain();
    await harness.database.rows(`UPDATE avatars SET check_at = now() WHERE status = 'STORED'`);
    const isMissing = Object.assign(Object.create(harness.media) as typeof harness.media, {
      open: () => Promise.resolve(null),
    });
    let comparisons = 0;
    const compare = (): Promise<void> =>
      (comparisons += 1) === 1 ? Promise.resolve() : Promise.reject(new Error('It is another store.'));
    const { database } = harness;
    const deps = { database, media: isMissing, logger: createLogger('silent') };
    const imageProcessor = new ImageProcessor(createImageSemaphore(1, 1));
    const checks = new AvatarCheckWork({ ...deps, imageProcessor }, 1, () => undefined, compare);
    await expect(checks.processBatch(10, new AbortController().signal)).rejects.toThrow('another store');
    const [row] = await harness.avatars(job);
    expect(row).toMatchObject({ status: 'STORED', damagedAt: null });
  });

  it('keeps its file when the response to its commit is lost', async () => {
    const job = await harness.finished(url);
    harness.worker.pauseAt('result:shown', () => Promise.reject(new Error('the connection was reset')));
    await harness.tryAgain();
    const [row] = await harness.avatars(job);
    expect(row).toMatchObject({ status: 'STORED' });
    expect(await harness.keysOf([row!.id])).toEqual(avatarKeys(row!));
  });

  it('is announced to subscribers when the sweep completes its generation', async () => {
    const job = await harness.finished(url);
    await harness.tryAgain();
    await harness.database.rows(
      `UPDATE generations SET status = 'STORING', progress = 90, completed_at = NULL, due_at = now() WHERE id = $1`,
      [job.id],
    );
    const announced: Wake[] = [];
    const announcer = { announce: (wake: Wake) => announced.push(wake) };
    const { database } = harness;
    const jobs = new JobRepository(database, announcer);
    await new GenerationCompletion(jobs, announcer, new DatabaseClock(database)).sweep(database);
    expect((await harness.row(job)).status).not.toBe('STORING');
    expect(announced).toEqual([{ streams: [job.streamId] }]);
  });
});
