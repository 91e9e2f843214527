import { DownloadError } from '../../src/upstream/download';
import { resultDeadlineMs } from '../support/job-process';
import { answers, fileOf, ResultBench, type Delivery } from '../support/result-bench';
import { done, failed, isNotFound, timesOut } from '../support/scripted-provider';

const hourMs = 3_600_000;
const first = ['https://pictures.example/1', 'https://pictures.example/2'];
const fresh = ['https://pictures.example/1?fresh', 'https://pictures.example/2?fresh'];

const breaks: Delivery = () => Promise.reject(new DownloadError('UNREACHABLE', 'The picture was cut.'));
const html = fileOf(Buffer.from('<!doctype html><title>Please log in</title>'));
const tooLarge: Delivery = () => Promise.reject(new DownloadError('TOO_LARGE', 'The picture is too large.'));

describe('a finished picture', () => {
  let bench: ResultBench;

  beforeAll(async () => {
    bench = await ResultBench.open();
  });

  afterEach(() => bench.clear());

  afterAll(() => bench.jobs.stop());

  it.each<[string, Delivery]>([
    ['500', answers(500)],
    ['a cut or compressed answer', breaks],
    ['an HTML page', html],
    ['an empty file', fileOf(Buffer.alloc(0))],
    ['a file that is too large', tooLarge],
  ])('is tried again after %s, at growing intervals, and stored when it comes', async (_, delivery) => {
    const job = await bench.finished(...first);
    bench.host.set(first[0]!, delivery);
    const waits: number[] = [];
    for (let time = 0; time < 8; time += 1) {
      await bench.tryAgain();
      const [row] = await bench.avatars(job);
      waits.push(row!.dueAt!.getTime() - Date.now());
    }
    expect(waits[0]).toBeLessThan(1_500);
    expect(waits.at(-1)).toBeGreaterThan(60_000);
    expect(await bench.jobs.row(job)).toMatchObject({ status: 'STORING' });
    expect(await bench.states(job)).toEqual(['PENDING', 'STORED']);
    bench.host.clear();
    await bench.tryAgain();
    expect(await bench.jobs.row(job)).toMatchObject({ status: 'COMPLETED', failureCode: null });
    expect(await bench.told(job)).toEqual(['STORING', 'AVATAR', 'STORING', 'AVATAR', 'COMPLETED']);
  });

  it.each([403, 404, 410, 302])('is asked for under a fresh URL at once after a %i', async (status) => {
    const job = await bench.finished(...first);
    for (const url of first) bench.host.set(url, answers(status));
    await bench.says(job, done(...fresh));
    await bench.tryAgain();
    // One question for both pictures.
    expect(bench.asked).toBe(1);
    expect((await bench.avatars(job)).map(({ sourceUrl }) => sourceUrl)).toEqual(fresh);
    await bench.tryAgain();
    expect(await bench.jobs.row(job)).toMatchObject({ status: 'COMPLETED' });
  });

  it('is not given up while its time is not over, however often it fails', async () => {
    const job = await bench.finished(...first);
    for (const url of first) bench.host.set(url, answers(404));
    await bench.tryAgain(30);
    expect(await bench.states(job)).toEqual(['PENDING', 'PENDING']);
    const [row] = await bench.avatars(job);
    expect(row!.dueAt!.getTime() - Date.now()).toBeLessThanOrEqual(resultDeadlineMs);
    expect(bench.asked).toBe(30);
  });

  it('is not asked for by calls that the budget does not have', async () => {
    const job = await bench.finished(...first);
    for (const url of first) bench.host.set(url, answers(404));
    await bench.jobs.database.rows(`UPDATE upstream_accounts SET paused_until = now() + interval '1 h'`);
    await bench.tryAgain(3);
    expect(bench.asked).toBe(0);
    expect(await bench.states(job)).toEqual(['PENDING', 'PENDING']);
  });

  it('holds its generation up for a time only: PARTIAL without it, COMPLETED when it comes', async () => {
    const job = await bench.finished(...first);
    bench.host.set(first[1]!, breaks);
    await bench.tryAgain();
    await bench.jobs.age(job, resultDeadlineMs - 60_000);
    await bench.tryAgain();
    expect(await bench.jobs.row(job)).toMatchObject({ status: 'STORING' });
    await bench.jobs.age(job, 61_000);
    await bench.tryAgain();
    const partial = await bench.jobs.row(job);
    expect(partial).toMatchObject({ status: 'PARTIAL', progress: 100, failureCode: null, dueAt: null });
    expect(bench.worker.counted).toEqual(['delayed']);
    expect(await bench.states(job)).toEqual(['STORED', 'DELAYED']);
    await bench.tryAgain();
    expect(await bench.jobs.row(job)).toMatchObject({ status: 'PARTIAL' });
    bench.host.clear();
    await bench.tryAgain();
    expect(await bench.jobs.row(job)).toMatchObject({ status: 'COMPLETED', progress: 100 });
    expect((await bench.told(job)).slice(-3)).toEqual(['PARTIAL', 'AVATAR', 'COMPLETED']);
  });

  it.each<[string, Delivery, string]>([
    ['cannot be reached', answers(503), 'RESULT_UNREACHABLE'],
    ['is no picture', html, 'RESULT_UNUSABLE'],
  ])('fails a generation of which all %s, and moves it on when it comes', async (_, delivery, code) => {
    const job = await bench.finished(...first);
    for (const url of first) bench.host.set(url, delivery);
    await bench.tryAgain();
    await bench.jobs.age(job, resultDeadlineMs + 1_000);
    await bench.tryAgain();
    const row = await bench.jobs.row(job);
    expect(row).toMatchObject({ status: 'FAILED', failureCode: code, failureRetryable: true, dueAt: null });
    expect(row.failureMessage).toContain('still tried');
    const reservations = (): Promise<{ returned_at: Date | null }[]> =>
      bench.jobs.database.rows('SELECT returned_at FROM quota_reservations WHERE job_id = $1', [job.id]);
    bench.host.delete(first[0]!);
    await bench.tryAgain();
    expect(await bench.jobs.row(job)).toMatchObject({ status: 'PARTIAL', failureCode: null, progress: 100 });
    expect(await reservations()).toEqual([{ returned_at: null }]);
    bench.host.clear();
    await bench.tryAgain();
    expect(await bench.jobs.row(job)).toMatchObject({ status: 'COMPLETED' });
    const after = await bench.told(job);
    expect(after.slice(after.indexOf('FAILED'))).toEqual([
      'FAILED',
      'AVATAR',
      'PARTIAL',
      'AVATAR',
      'COMPLETED',
    ]);
  });

  it('is lost only when its time is over and a fresh URL has failed too', async () => {
    const job = await bench.finished(...first);
    for (const url of first) bench.host.set(url, answers(404));
    await bench.tryAgain();
    await bench.jobs.age(job, 48 * hourMs + 1_000);
    bench.host.set(fresh[1]!, answers(404));
    await bench.says(job, done(...fresh));
    await bench.tryAgain();
    expect(await bench.states(job)).toEqual(['DELAYED', 'DELAYED']);
    await bench.tryAgain();
    expect(await bench.states(job)).toEqual(['STORED', 'LOST']);
    expect(await bench.jobs.row(job)).toMatchObject({ status: 'PARTIAL' });
    expect(bench.worker.counted.filter((what) => what === 'lost')).toHaveLength(1);
  });

  it('is lost after its time when the upstream says that it has none, and the failure says so', async () => {
    const job = await bench.finished(...first);
    for (const url of first) bench.host.set(url, answers(404));
    await bench.tryAgain();
    await bench.jobs.age(job, resultDeadlineMs + 1_000);
    await bench.tryAgain();
    expect(await bench.jobs.row(job)).toMatchObject({ failureCode: 'RESULT_UNREACHABLE' });
    await bench.jobs.age(job, 48 * hourMs);
    await bench.says(job, timesOut());
    await bench.tryAgain();
    expect(await bench.states(job)).toEqual(['DELAYED', 'DELAYED']);
    await bench.says(job, isNotFound());
    await bench.tryAgain();
    expect(await bench.states(job)).toEqual(['LOST', 'LOST']);
    expect(await bench.jobs.row(job)).toMatchObject({
      status: 'FAILED',
      failureCode: 'RESULT_EXPIRED',
      dueAt: null,
    });
    expect((await bench.told(job)).at(-1)).toBe('FAILED');
  });

  it('is given up when the upstream answers nothing for as long again as it keeps pictures', async () => {
    const job = await bench.finished(...first);
    for (const url of first) bench.host.set(url, breaks);
    await bench.says(job, failed());
    await bench.jobs.age(job, 96 * hourMs + 1_000);
    await bench.tryAgain();
    expect(await bench.states(job)).toEqual(['LOST', 'LOST']);
  });

  it('is stored after its time, too, if the upstream still has it', async () => {
    const job = await bench.finished(...first);
    await bench.jobs.age(job, 49 * hourMs);
    await bench.tryAgain();
    expect(await bench.jobs.row(job)).toMatchObject({ status: 'COMPLETED' });
  });

  it('is not counted as tried by a process that stops', async () => {
    const job = await bench.finished(...first);
    const stopping = new AbortController();
    for (const url of first) {
      bench.host.set(url, () => {
        stopping.abort();
        return Promise.reject(stopping.signal.reason as Error);
      });
    }
    await bench.untilDue();
    await bench.worker.storePictures(stopping.signal);
    const rows = await bench.avatars(job);
    expect(rows).toMatchObject([
      { tries: 0, failingSince: null, lease: null },
      { tries: 0, lease: null },
    ]);
    bench.host.clear();
    // Due at once, for any process.
    await bench.jobs.process().storePictures();
    expect(await bench.jobs.row(job)).toMatchObject({ status: 'COMPLETED' });
  });

  it('is waited for, and no failure of the upstream, while our own store takes nothing', async () => {
    const job = await bench.finished(...first);
    const { media } = bench.jobs;
    const put = jest.spyOn(media, 'put').mockRejectedValue(new Error('the disk is full'));
    await bench.tryAgain();
    await bench.jobs.age(job, 2 * resultDeadlineMs);
    await bench.tryAgain();
    expect(await bench.avatars(job)).toMatchObject([{ status: 'PENDING', failingSince: null }, {}]);
    expect(bench.asked).toBe(0);
    put.mockRestore();
    await bench.tryAgain();
    expect(await bench.jobs.row(job)).toMatchObject({ status: 'COMPLETED' });
  });

  it('is given up by a retry, which pays for new ones', async () => {
    const job = await bench.finished(...first);
    for (const url of first) bench.host.set(url, answers(404));
    await bench.tryAgain();
    await bench.jobs.age(job, resultDeadlineMs + 1_000);
    await bench.tryAgain();
    expect(await bench.jobs.row(job)).toMatchObject({ status: 'FAILED' });
    await bench.jobs.retry(job);
    expect(await bench.avatars(job)).toEqual([]);
    bench.host.clear();
    await bench.tryAgain();
    expect(await bench.jobs.row(job)).toMatchObject({ status: 'QUEUED' });
  });

  it('is fetched before those that expire later', async () => {
    const [later, sooner] = [await bench.finished(...first), await bench.finished(...fresh)];
    await bench.jobs.age(sooner, hourMs);
    await bench.jobs.database.rows(
      `UPDATE avatars SET due_at = now() - interval '1 h' WHERE generation_id = $1`,
      [later.id],
    );
    await bench.jobs.database.rows(
      `INSERT INTO avatars (id, owner, generation_id, model_id, position, style, source_url, expires_at, due_at)
       SELECT gen_random_uuid(), owner, generation_id, model_id, position + 10 * n, style, source_url, expires_at, due_at
         FROM avatars, generate_series(1, 5) AS n WHERE generation_id = $1`,
      [sooner.id],
    );
    await bench.worker.storePictures();
    // One owner gets half of the 24 slots.
    expect(bench.fetched).toHaveLength(12);
    expect(new Set(bench.fetched)).toEqual(new Set(fresh));
  });
});
