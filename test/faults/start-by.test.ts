import { useJobHarness, type Job } from '../support/job-harness';
import { begin, outcomes, type JobType } from '../support/job-scenarios';
import { isUnclear, saysLater } from '../support/scripted-provider';

const harness = useJobHarness();

const jobTypes: JobType[] = ['training', 'generation'];

/** The moment until which the job may wait has passed. */
async function expire({ table, id }: Job): Promise<void> {
  await harness.database.rows(`UPDATE ${table} SET start_by = now() - interval '1 ms' WHERE id = $1`, [id]);
}

describe.each(jobTypes)('a %s that was not submitted until its startBy', (jobType) => {
  const statuses = async (job: Job): Promise<string[]> =>
    (await harness.events(job)).map(({ payload }) => payload.status);

  const expectUnpaid = async (job: Job): Promise<void> => {
    expect(await harness.row(job)).toMatchObject({ status: 'CANCELLED', dueAt: null, failureCode: null });
    expect((await statuses(job)).at(-1)).toBe('CANCELLED');
    const reserved =
      'SELECT returned_at IS NOT NULL AS "isReturned" FROM quota_reservations WHERE job_id = $1';
    expect(await harness.database.rows(reserved, [job.id])).toEqual([{ isReturned: true }]);
  };

  it('is cancelled instead of submitted, without a call', async () => {
    const job = await begin(harness, jobType);
    await expire(job);
    await harness.worker.submit(job.table);
    expect(harness.provider.calls).toHaveLength(0);
    await expectUnpaid(job);
  });

  it('is cancelled while no call is possible', async () => {
    const job = await begin(harness, jobType);
    await expire(job);
    await harness.worker.endOverdue(job.table);
    await expectUnpaid(job);
  });

  it('is cancelled after a call that was certainly not executed', async () => {
    const job = await begin(harness, jobType);
    harness.provider.next(saysLater(1));
    await harness.worker.submit(job.table);
    await expire(job);
    await harness.untilDue(job);
    await harness.worker.submit(job.table);
    expect(await outcomes(harness, job)).toEqual(['NOT_EXECUTED']);
    await expectUnpaid(job);
  });

  it('is not cancelled once its call has begun', async () => {
    const job = await begin(harness, jobType);
    harness.provider.next(isUnclear());
    await harness.worker.submit(job.table);
    await expire(job);
    await harness.worker.endOverdue(job.table);
    expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN', attempt: 1 });
    // A retry has no such limit.
    await harness.retry(job);
    expect(await harness.row(job)).toMatchObject({ status: 'QUEUED', startBy: null });
  });

  it('is not cancelled before', async () => {
    const job = await begin(harness, jobType);
    await harness.database.rows(
      `UPDATE ${job.table} SET start_by = now() + interval '1 hour' WHERE id = $1`,
      [job.id],
    );
    await harness.worker.endOverdue(job.table);
    await harness.worker.submit(job.table);
    expect(harness.provider.calls).toHaveLength(1);
  });
});

describe('the place in the queue', () => {
  const placeOf = async ({ table, id }: Job): Promise<Date> => {
    const [row] = await harness.database.rows<{ at: Date }>(
      `SELECT queued_at AS at FROM ${table} WHERE id = $1`,
      [id],
    );
    return row!.at;
  };

  it('stays the same after a call that was certainly not executed, and is the last one after a retry', async () => {
    const job = await begin(harness, 'training');
    const first = await placeOf(job);
    harness.provider.next(saysLater(1));
    await harness.worker.submit(job.table);
    expect(await harness.row(job)).toMatchObject({ status: 'QUEUED', attempt: 1 });
    expect(await placeOf(job)).toEqual(first);
    harness.provider.next(isUnclear());
    await harness.untilDue(job);
    await harness.worker.submit(job.table);
    await harness.retry(job);
    expect((await placeOf(job)).getTime()).toBeGreaterThan(first.getTime());
  });
});
