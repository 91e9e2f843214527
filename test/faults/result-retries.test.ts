import { DownloadError } from '../../src/upstream/download';
import { resultDeadlineMs } from '../support/job-process';
import { answers, fileOf, useResultHarness, type Delivery } from '../support/result-harness';
import { done, failed, isNotFound, timesOut } from '../support/scripted-provider';

const hourMs = 3_600_000;
const first = ['https://pictures.example/1', 'https://pictures.example/2'];
const fresh = ['https://pictures.example/1?fresh', 'https://pictures.example/2?fresh'];

const breaks: Delivery = () => Promise.reject(new DownloadError('UNREACHABLE', 'The picture was cut.'));
const html = fileOf(Buffer.from('<!doctype html><title>Please log in</title>'));
const tooLarge: Delivery = () => Promise.reject(new DownloadError('TOO_LARGE', 'The picture is too large.'));

describe('a finished picture', () => {
  const harness = useResultHarness();

  it.each<[string, Delivery]>([
    ['500', answers(500)],
    ['a cut or compressed answer', breaks],
    ['an HTML page', html],
    ['an empty file', fileOf(Buffer.alloc(0))],
    ['a file that is too large', tooLarge],
  ])('is retried after %s at growing intervals, and stored when it arrives', async (_, delivery) => {
    const job = await harness.finished(...first);
    harness.host.set(first[0]!, delivery);
    const waits: number[] = [];
    for (let time = 0; time < 8; time += 1) {
      await harness.tryAgain();
      const [row] = await harness.avatars(job);
      waits.push(row!.dueAt!.getTime() - Date.now());
    }
    expect(waits[0]).toBeLessThan(1_500);
    expect(waits.at(-1)).toBeGreaterThan(60_000);
    expect(await harness.row(job)).toMatchObject({ status: 'STORING' });
    expect(await harness.states(job)).toEqual(['PENDING', 'STORED']);
    harness.host.clear();
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED', failureCode: null });
    expect(await harness.eventSequence(job)).toEqual(['STORING', 'AVATAR', 'STORING', 'AVATAR', 'COMPLETED']);
  });

  it.each([403, 404, 410, 302])('is fetched from a fresh URL at once after a %i', async (status) => {
    const job = await harness.finished(...first);
    for (const url of first) harness.host.set(url, answers(status));
    await harness.says(job, done(...fresh));
    await harness.tryAgain();
    // One poll for both pictures.
    expect(harness.asked).toBe(1);
    expect((await harness.avatars(job)).map(({ sourceUrl }) => sourceUrl)).toEqual(fresh);
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
  });

  it('is retried until its deadline, regardless of the number of failures', async () => {
    const job = await harness.finished(...first);
    for (const url of first) harness.host.set(url, answers(404));
    await harness.tryAgain(30);
    expect(await harness.states(job)).toEqual(['PENDING', 'PENDING']);
    const [row] = await harness.avatars(job);
    expect(row!.dueAt!.getTime() - Date.now()).toBeLessThanOrEqual(resultDeadlineMs);
    expect(harness.asked).toBe(30);
  });

  it('causes no upstream call when the budget is exhausted', async () => {
    const job = await harness.finished(...first);
    for (const url of first) harness.host.set(url, answers(404));
    await harness.database.rows(`UPDATE upstream_accounts SET paused_until = now() + interval '1 h'`);
    await harness.tryAgain(3);
    expect(harness.asked).toBe(0);
    expect(await harness.states(job)).toEqual(['PENDING', 'PENDING']);
  });

  it('delays its generation for a limited time: PARTIAL without it, COMPLETED when it arrives', async () => {
    const job = await harness.finished(...first);
    harness.host.set(first[1]!, breaks);
    await harness.tryAgain();
    await harness.age(job, resultDeadlineMs - 60_000);
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({ status: 'STORING' });
    await harness.age(job, 61_000);
    await harness.tryAgain();
    const partial = await harness.row(job);
    expect(partial).toMatchObject({ status: 'PARTIAL', progress: 100, failureCode: null, dueAt: null });
    expect(harness.worker.counted).toEqual(['delayed']);
    expect(await harness.states(job)).toEqual(['STORED', 'DELAYED']);
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({ status: 'PARTIAL' });
    harness.host.clear();
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED', progress: 100 });
    expect((await harness.eventSequence(job)).slice(-3)).toEqual(['PARTIAL', 'AVATAR', 'COMPLETED']);
  });

  it.each<[string, Delivery, string]>([
    ['cannot be reached', answers(503), 'RESULT_UNREACHABLE'],
    ['is not a picture', html, 'RESULT_UNUSABLE'],
  ])('fails a generation of which all %s, and completes it when it arrives', async (_, delivery, code) => {
    const job = await harness.finished(...first);
    for (const url of first) harness.host.set(url, delivery);
    await harness.tryAgain();
    await harness.age(job, resultDeadlineMs + 1_000);
    await harness.tryAgain();
    const row = await harness.row(job);
    expect(row).toMatchObject({ status: 'FAILED', failureCode: code, failureRetryable: true, dueAt: null });
    expect(row.failureMessage).toContain('retried until');
    const reservations = (): Promise<{ returned_at: Date | null }[]> =>
      harness.database.rows('SELECT returned_at FROM quota_reservations WHERE job_id = $1', [job.id]);
    harness.host.delete(first[0]!);
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({
      status: 'PARTIAL',
      failureCode: null,
      progress: 100,
    });
    expect(await reservations()).toEqual([{ returned_at: null }]);
    harness.host.clear();
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
    const after = await harness.eventSequence(job);
    expect(after.slice(after.indexOf('FAILED'))).toEqual([
      'FAILED',
      'AVATAR',
      'PARTIAL',
      'AVATAR',
      'COMPLETED',
    ]);
  });

  it('is LOST only after its deadline and after a fresh URL failed too', async () => {
    const job = await harness.finished(...first);
    for (const url of first) harness.host.set(url, answers(404));
    await harness.tryAgain();
    await harness.age(job, 48 * hourMs + 1_000);
    harness.host.set(fresh[1]!, answers(404));
    await harness.says(job, done(...fresh));
    await harness.tryAgain();
    expect(await harness.states(job)).toEqual(['DELAYED', 'DELAYED']);
    await harness.tryAgain();
    expect(await harness.states(job)).toEqual(['STORED', 'LOST']);
    expect(await harness.row(job)).toMatchObject({ status: 'PARTIAL' });
    expect(harness.worker.counted.filter((what) => what === 'lost')).toHaveLength(1);
  });

  it('is LOST after its deadline when the upstream has no URL for it, with that failure message', async () => {
    const job = await harness.finished(...first);
    for (const url of first) harness.host.set(url, answers(404));
    await harness.tryAgain();
    await harness.age(job, resultDeadlineMs + 1_000);
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({ failureCode: 'RESULT_UNREACHABLE' });
    await harness.age(job, 48 * hourMs);
    await harness.says(job, timesOut());
    await harness.tryAgain();
    expect(await harness.states(job)).toEqual(['DELAYED', 'DELAYED']);
    await harness.says(job, isNotFound());
    await harness.tryAgain();
    expect(await harness.states(job)).toEqual(['LOST', 'LOST']);
    expect(await harness.row(job)).toMatchObject({
      status: 'FAILED',
      failureCode: 'RESULT_EXPIRED',
      dueAt: null,
    });
    expect((await harness.eventSequence(job)).at(-1)).toBe('FAILED');
  });

  it('is LOST when the upstream stays silent for another retention period', async () => {
    const job = await harness.finished(...first);
    for (const url of first) harness.host.set(url, breaks);
    await harness.says(job, failed());
    await harness.age(job, 96 * hourMs + 1_000);
    await harness.tryAgain();
    expect(await harness.states(job)).toEqual(['LOST', 'LOST']);
  });

  it('is stored after its deadline if the upstream still has it', async () => {
    const job = await harness.finished(...first);
    await harness.age(job, 49 * hourMs);
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
  });

  it('does not count an attempt that the shutdown of a process aborted', async () => {
    const job = await harness.finished(...first);
    const stopping = new AbortController();
    for (const url of first) {
      harness.host.set(url, () => {
        stopping.abort();
        return Promise.reject(stopping.signal.reason as Error);
      });
    }
    await harness.untilPicturesDue();
    await harness.worker.storePictures(stopping.signal);
    const rows = await harness.avatars(job);
    expect(rows).toMatchObject([
      { tries: 0, failingSince: null, lease: null },
      { tries: 0, lease: null },
    ]);
    harness.host.clear();
    // Due at once, for any process.
    await harness.process().storePictures();
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
  });

  it('is delayed while the media store cannot write, without an upstream failure', async () => {
    const job = await harness.finished(...first);
    const { media } = harness;
    const put = jest.spyOn(media, 'put').mockRejectedValue(new Error('the disk is full'));
    await harness.tryAgain();
    await harness.age(job, 2 * resultDeadlineMs);
    await harness.tryAgain();
    expect(await harness.avatars(job)).toMatchObject([{ status: 'PENDING', failingSince: null }, {}]);
    expect(harness.asked).toBe(0);
    const [{ waits }] = (await harness.database.rows<{ waits: boolean }>(
      `SELECT bool_and(due_at > now() + interval '1.2 s') AS waits FROM avatars`,
    )) as [{ waits: boolean }];
    expect(waits).toBe(true);
    put.mockRestore();
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
  });

  it('is replaced by a retry, which pays for new pictures', async () => {
    const job = await harness.finished(...first);
    for (const url of first) harness.host.set(url, answers(404));
    await harness.tryAgain();
    await harness.age(job, resultDeadlineMs + 1_000);
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED' });
    await harness.retry(job);
    expect(await harness.avatars(job)).toEqual([]);
    harness.host.clear();
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({ status: 'QUEUED' });
  });

  it('is fetched before pictures that expire later', async () => {
    const [later, sooner] = [await harness.finished(...first), await harness.finished(...fresh)];
    await harness.age(sooner, hourMs);
    await harness.database.rows(
      `UPDATE avatars SET due_at = now() - interval '1 h' WHERE generation_id = $1`,
      [later.id],
    );
    await harness.database.rows(
      `INSERT INTO avatars (id, owner, generation_id, model_id, position, style, source_url, expires_at, due_at)
       SELECT gen_random_uuid(), owner, generation_id, model_id, position + 10 * n, style, source_url, expires_at, due_at
         FROM avatars, generate_series(1, 5) AS n WHERE generation_id = $1`,
      [sooner.id],
    );
    await harness.worker.storePictures();
    // One owner gets half of the slots, whose number is MAX_RESULT_FETCHES.
    expect(harness.fetched).toHaveLength(8);
    expect(new Set(harness.fetched)).toEqual(new Set(fresh));
  });
});
