import { pruneTimelines } from '../../src/jobs/timeline.repository';
import type { Job } from '../support/job-harness';
import { resultDeadlineMs } from '../support/job-process';
import { answers, fileOf, useResultHarness } from '../support/result-harness';
import { accepts, answersBadly, done, isNotFound } from '../support/scripted-provider';

const pictures = ['https://pictures.example/1', 'https://pictures.example/2'];
const hourMs = 3_600_000;

interface Entry {
  kind: string;
  message: string;
  call: { httpStatus: number | null; durationMs: number; correlationId: string | null } | null;
}

describe('the entries of a timeline', () => {
  const harness = useResultHarness();

  const pollOnce = async (job: Job): Promise<void> => {
    await harness.untilDue(job);
    await harness.worker.poll(job.table);
  };
  const submitted = async (): Promise<Job> => {
    const job = await harness.train();
    harness.provider.next(accepts('ref-1'));
    await harness.worker.submit(job.table);
    return job;
  };
  const insertMany = (job: Job, kind: string, count: number): Promise<unknown> =>
    harness.database.rows(
      `INSERT INTO timeline_entries (id, owner, model_id, attempt, kind, occurred_at, polls, outcome, duration_ms)
       SELECT ('01900000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'local', $1, 1, $2, now(), n, 'RUNNING', 1
         FROM generate_series(1, $3) AS n`,
      [job.id, kind, count],
    );
  const countOf = async (job: Job): Promise<Record<string, number>> => {
    const counts = await harness.database.rows<{ kind: string; count: number }>(
      'SELECT kind, count(*)::int FROM timeline_entries WHERE model_id = $1 GROUP BY 1',
      [job.id],
    );
    return Object.fromEntries(counts.map(({ kind, count }) => [kind, count]));
  };

  it.each([
    ['polls', 'polls = 60'],
    ['attempts', 'attempt = 11'],
  ])('are 1,000 of a job with many %s: the oldest polls are dropped first', async (_, change) => {
    const job = await submitted();
    await insertMany(job, 'POLLED', 1_500);
    await harness.database.rows(`UPDATE models SET ${change} WHERE id = $1`, [job.id]);
    harness.provider.says('ref-1', change.startsWith('polls') ? answersBadly() : done());
    await pollOnce(job);
    const kept = await countOf(job);
    expect(Object.values(kept).reduce((sum, count) => sum + count, 0)).toBe(1_000);
    expect(kept).toMatchObject({ REQUESTED: 1, SUBMITTED: 1 });
    const [oldest] = await harness.database.rows<{ polls: number }>(
      `SELECT min(polls)::int AS polls FROM timeline_entries WHERE kind = 'POLLED' AND id < '01900000-0000-7000-9000-000000000000'`,
    );
    expect(oldest!.polls).toBeGreaterThan(500);
  });

  it('are the latest ones of a job with many attempts', async () => {
    const job = await submitted();
    await insertMany(job, 'ACTED_ON', 1_500);
    await harness.database.rows('UPDATE models SET attempt = 11 WHERE id = $1', [job.id]);
    harness.provider.says('ref-1', done());
    await pollOnce(job);
    expect(await countOf(job)).toMatchObject({
      REQUESTED: 1,
      SUBMITTED: 1,
      STATUS_CHANGED: 3,
      ACTED_ON: 995,
    });
  });

  it('are deleted with their age, at most 1,000 entries at a time', async () => {
    const job = await submitted();
    await insertMany(job, 'POLLED', 1_200);
    const prune = (): Promise<number> => pruneTimelines(harness.database, 86_400_000);
    expect([await prune(), await prune(), await prune()]).toEqual([1_000, 200, 0]);
    expect(await countOf(job)).toEqual({ REQUESTED: 1, STATUS_CHANGED: 2, SUBMITTED: 1 });
  });

  /** The entries of a finished job after the poll that found its result. */
  const afterResult = async (job: Job): Promise<Entry[]> => {
    const fields =
      'timeline(first: 100) { nodes { kind message call { httpStatus durationMs correlationId } } }';
    const { nodes } = (await harness.readJob<{ timeline: { nodes: Entry[] } }>(job, fields)).timeline;
    return nodes.slice(nodes.findIndex(({ message }) => message === 'The status became STORING.') + 1);
  };
  const outline = async (job: Job): Promise<string[]> =>
    (await afterResult(job)).map(({ kind, call }) => `${kind} ${call?.httpStatus}`);

  it('are the downloads of pictures and requests for their URLs, of which equal ones share an entry', async () => {
    const job = await harness.finished(...pictures);
    for (const url of pictures) harness.host.set(url, answers(503));
    await harness.tryAgain(4);
    harness.host.set(pictures[0]!, fileOf(Buffer.from('<!doctype html>')));
    await harness.tryAgain(2);
    harness.host.clear();
    await harness.tryAgain();
    const entries = await afterResult(job);
    expect(entries.map(({ kind }) => kind).slice(-3)).toEqual([
      ...['AVATAR_STORED', 'AVATAR_STORED', 'STATUS_CHANGED'],
    ]);
    // Of more than twenty; which are adjacent depends on the order of the downloads.
    expect(entries.length).toBeLessThan(12);
    expect(entries.slice(0, 2)).toMatchObject([
      {
        kind: 'DOWNLOAD_FAILED',
        message: 'A picture could not be downloaded; it is tried again.',
        call: { httpStatus: 503, correlationId: expect.stringMatching(/^download of https:/) as string },
      },
      { kind: 'POLLED', message: 'The avatar service was asked how the job stands; it was finished.' },
    ]);
    expect(entries).toContainEqual(
      expect.objectContaining({
        message: 'A picture was downloaded, but its bytes cannot be used; it is tried again.',
      }),
    );
    const stored = entries.filter(({ kind }) => kind === 'AVATAR_STORED');
    expect(stored.map(({ call }) => call!.httpStatus)).toEqual([200, 200]);
    for (const { call } of stored) expect(call!.durationMs).toBeGreaterThanOrEqual(0);
  });

  it('are one for each picture that is lost, and none for an error of the server itself', async () => {
    const job = await harness.finished(...pictures);
    const put = jest.spyOn(harness.media, 'put').mockRejectedValue(new Error('The disk is full.'));
    await harness.tryAgain();
    put.mockRestore();
    expect(await outline(job)).toEqual([]);
    for (const url of pictures) harness.host.set(url, answers(410));
    await harness.age(job, 48 * hourMs + resultDeadlineMs);
    await harness.says(job, isNotFound());
    await harness.tryAgain();
    expect(await harness.states(job)).toEqual(['LOST', 'LOST']);
    const entries = await afterResult(job);
    expect(entries.map(({ kind }) => kind)).toEqual([
      ...['POLLED', 'DOWNLOAD_FAILED', 'DOWNLOAD_FAILED', 'STATUS_CHANGED'],
    ]);
    expect(entries[1]).toMatchObject({
      message: expect.stringContaining('It is lost.') as string,
      call: { httpStatus: 410 },
    });
  });

  it('are 1,000 of a job whose downloads fail in turns, however long', async () => {
    const job = await harness.finished(...pictures);
    await harness.database.rows(
      `INSERT INTO timeline_entries (id, owner, generation_id, attempt, kind, occurred_at, outcome, http_status, duration_ms)
       SELECT ('01900000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'local', $1, 1, 'DOWNLOAD_FAILED', now(), 'UNREACHABLE', 500 + n % 2, 1
         FROM generate_series(1, 1200) AS n`,
      [job.id],
    );
    await harness.database.rows('UPDATE avatars SET tries = 6 WHERE generation_id = $1', [job.id]);
    for (const url of pictures) harness.host.set(url, answers(503));
    await harness.tryAgain();
    const [row] = await harness.database.rows<{ count: number }>(
      'SELECT count(*)::int FROM timeline_entries WHERE generation_id = $1',
      [job.id],
    );
    expect(row!.count).toBe(1_000);
  });
});
