import { pruneTimelines } from '../../src/jobs/timeline.repository';
import { type Job, useJobHarness } from '../support/job-harness';
import { accepts, answersBadly, done } from '../support/scripted-provider';

describe('the entries of a timeline', () => {
  const harness = useJobHarness();

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
});
