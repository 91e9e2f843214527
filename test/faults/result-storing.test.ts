import { createLogger } from '../../src/core/logger';
import type { Wake } from '../../src/events/wake';
import { avatarKeys } from '../../src/generations/avatar-keys';
import { GenerationCompletion } from '../../src/generations/generation-completion';
import { JobStore } from '../../src/jobs/job.store';
import { MediaDeletion } from '../../src/storage/media-deletion';
import { fileOf, paint, ResultBench, sha256Of } from '../support/result-bench';

const url = 'https://pictures.example/1';

describe('a picture that is being stored', () => {
  let bench: ResultBench;

  beforeAll(async () => {
    bench = await ResultBench.open();
  });

  afterEach(() => bench.clear());

  afterAll(() => bench.jobs.stop());

  it('has the bytes of the worker that holds the lease, when another one was suspended', async () => {
    const job = await bench.finished(url);
    const other = bench.jobs.process();
    const bytes = await paint('#753');
    bench.worker.pauseAt('result:written', async () => {
      // The lease ends meanwhile, and what another worker fetches is different.
      bench.host.set(url, fileOf(bytes));
      await bench.tryAgain(1, other);
    });
    await bench.tryAgain();
    const [row] = await bench.avatars(job);
    expect(row).toMatchObject({ status: 'STORED', sha256: sha256Of(bytes) });
    const [key, previewKey] = avatarKeys(row!);
    expect(await bench.keysOf([row!.id])).toEqual([key, previewKey]);
    expect(sha256Of(await bench.bytesOf(key!))).toBe(row!.sha256);
    expect((await bench.told(job)).filter((what) => what === 'AVATAR')).toHaveLength(1);
  });

  it('is not stored by a worker whose lease has ended, though no other has claimed it', async () => {
    const job = await bench.finished(url);
    bench.worker.pauseAt('result:stored', () => bench.untilDue());
    await bench.tryAgain();
    expect(await bench.states(job)).toEqual(['PENDING']);
    await bench.tryAgain();
    expect(await bench.states(job)).toEqual(['STORED']);
  });

  it('leaves no bytes when it is deleted meanwhile', async () => {
    const job = await bench.finished(url);
    const [row] = await bench.avatars(job);
    bench.worker.pauseAt('result:written', () => bench.jobs.delete(job));
    await bench.tryAgain();
    expect(await bench.keysOf([row!.id])).toEqual([]);
  });

  it.each(['deleted', 'stored'])('leaves no bytes of a process that died, once it is %s', async (end) => {
    const job = await bench.finished(url);
    bench.worker.crashAt('result:stored');
    await bench.tryAgain();
    const [row] = await bench.avatars(job);
    expect(await bench.keysOf([row!.id])).toHaveLength(2);
    bench.worker = bench.jobs.successor(bench.worker);
    if (end === 'deleted') await bench.jobs.delete(job);
    else await bench.tryAgain();
    const [stored] = await bench.avatars(job);
    expect(await bench.keysOf([row!.id])).toEqual(stored ? avatarKeys(stored) : []);
  });

  it('leaves bytes that the sweep of orphans deletes when a process died while it replaced a damaged picture', async () => {
    const job = await bench.finished(url);
    await bench.tryAgain();
    const { database, media } = bench.jobs;
    await database.rows('UPDATE avatars SET damaged_at = now(), due_at = now(), source_url = $1', [url]);
    bench.worker.crashAt('result:stored');
    await bench.tryAgain();
    bench.worker = bench.jobs.successor(bench.worker);
    await bench.tryAgain();
    const [row] = await bench.avatars(job);
    expect(row).toMatchObject({ status: 'STORED', damagedAt: null });
    expect(await bench.keysOf([row!.id])).toHaveLength(4);
    // As if they had lain there for longer than any try may take.
    const aged = Object.assign(Object.create(media) as typeof media, {
      list: (prefix: string) => media.list(prefix, 0),
    });
    await new MediaDeletion(database, aged, createLogger('silent')).sweepOrphans(
      new AbortController().signal,
    );
    expect(await bench.keysOf([row!.id])).toEqual(avatarKeys(row!));
  });

  it('keeps its bytes when the answer to the commit that stored it is lost', async () => {
    const job = await bench.finished(url);
    bench.worker.pauseAt('result:shown', () => Promise.reject(new Error('the connection was reset')));
    await bench.tryAgain();
    const [row] = await bench.avatars(job);
    expect(row).toMatchObject({ status: 'STORED' });
    expect(await bench.keysOf([row!.id])).toEqual(avatarKeys(row!));
  });

  it('is announced to subscribers when the sweep completes its generation', async () => {
    const job = await bench.finished(url);
    await bench.tryAgain();
    await bench.jobs.database.rows(
      `UPDATE generations SET status = 'STORING', progress = 90, completed_at = NULL, due_at = now() WHERE id = $1`,
      [job.id],
    );
    const announced: Wake[] = [];
    const announcer = { announce: (wake: Wake) => announced.push(wake) };
    const { database } = bench.jobs;
    await new GenerationCompletion(new JobStore(database, announcer), announcer).sweep(database);
    expect((await bench.jobs.row(job)).status).not.toBe('STORING');
    expect(announced).toEqual([{ streams: [job.streamId] }]);
  });
});
