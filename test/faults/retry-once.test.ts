import { randomUUID } from 'node:crypto';
import { useJobHarness, type Job } from '../support/job-harness';
import { begin, jobTypes, outcomes, runAllWork, running } from '../support/job-scenarios';
import { accepts, isUnclear, saysLater } from '../support/scripted-provider';

describe('a repeated retry', () => {
  const harness = useJobHarness();

  /** A job whose first paid call has an unknown outcome. */
  const uncertain = async (jobType: (typeof jobTypes)[number]): Promise<Job> => {
    const job = await begin(harness, jobType);
    harness.provider.next(isUnclear());
    await harness.worker.submit(job.table);
    expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN', attempt: 1 });
    return job;
  };
  /** Submits the job again, with an unknown outcome again. */
  const failAgain = async (job: Job): Promise<void> => {
    harness.provider.next(isUnclear());
    await harness.untilDue(job);
    await harness.worker.submit(job.table);
    expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN', attempt: 2 });
  };
  const retries = (): Promise<unknown[]> =>
    harness.database.rows(`SELECT 1 FROM audit_log WHERE action IN ('retryModel', 'retryGeneration')`);
  const reservations = (job: Job): Promise<unknown[]> =>
    harness.database.rows('SELECT 1 FROM quota_reservations WHERE job_id = $1', [job.id]);

  describe.each(jobTypes)('of a %s', (jobType) => {
    it('with its key returns the job as it is now, and pays no third attempt after the second has failed', async () => {
      const job = await uncertain(jobType);
      const request = { attempt: 1, idempotencyKey: randomUUID() };
      expect(await harness.retry(job, request)).toMatchObject({ status: 'QUEUED', attempt: 1 });
      expect(await harness.retry(job, request)).toMatchObject({ status: 'QUEUED', attempt: 1 });
      await failAgain(job);
      expect(await harness.retry(job, request)).toMatchObject({ status: 'UNCERTAIN', attempt: 2 });
      await runAllWork(harness, job, harness.worker);
      expect(harness.provider.calls).toHaveLength(2);
      expect(await reservations(job)).toHaveLength(2);
      // A new key is a new retry.
      await harness.retry(job, { attempt: 2, idempotencyKey: randomUUID() });
      harness.provider.next(accepts());
      await runAllWork(harness, job, harness.worker);
      expect(await harness.row(job)).toMatchObject({ status: running[job.table], attempt: 3 });
      expect(await harness.retry(job, request)).toMatchObject({ status: running[job.table], attempt: 3 });
      expect(harness.provider.calls).toHaveLength(3);
    });

    it('with the attempt that was seen is refused once there has been a later one', async () => {
      const job = await uncertain(jobType);
      await harness.retry(job, { attempt: 1 });
      await expect(harness.retry(job, { attempt: 1 })).rejects.toMatchObject({
        code: 'NOT_RETRYABLE',
        field: 'input.id',
      });
      await failAgain(job);
      await expect(harness.retry(job, { attempt: 1 })).rejects.toMatchObject({
        code: 'NOT_RETRYABLE',
        field: 'input.attempt',
        details: { given: 1, latest: 2 },
      });
      expect(harness.provider.calls).toHaveLength(2);
      expect(await harness.retry(job, { attempt: 2 })).toMatchObject({ status: 'QUEUED' });
    });

    it('is refused while the submission repeats itself under new attempt numbers', async () => {
      const job = await uncertain(jobType);
      await harness.retry(job, { attempt: 1 });
      // Surely not executed: QUEUED again by itself, with the number of the call that was not executed.
      harness.provider.next(saysLater(1));
      await harness.untilDue(job);
      await harness.worker.submit(job.table);
      expect(await harness.row(job)).toMatchObject({ status: 'QUEUED', attempt: 2 });
      await expect(harness.retry(job, { attempt: 1 })).rejects.toMatchObject({ code: 'NOT_RETRYABLE' });
      harness.provider.next(isUnclear());
      await harness.untilDue(job);
      await harness.worker.submit(job.table);
      expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN', attempt: 3 });
      await expect(harness.retry(job, { attempt: 1 })).rejects.toMatchObject({ code: 'NOT_RETRYABLE' });
      expect(await outcomes(harness, job)).toEqual(['UNKNOWN', 'NOT_EXECUTED', 'UNKNOWN']);
    });

    it('pays once in all if the first retry ended before it was submitted', async () => {
      const job = await uncertain(jobType);
      const request = { attempt: 1, idempotencyKey: randomUUID() };
      await harness.retry(job, request);
      await harness.age(job, 49 * 3_600_000);
      await harness.worker.submit(job.table);
      expect(await harness.row(job)).toMatchObject({ status: 'FAILED', attempt: 1 });
      expect(await harness.retry(job, request)).toMatchObject({ status: 'FAILED', attempt: 1 });
      expect(harness.provider.calls).toHaveLength(1);
      // Without the key it is accepted: nothing has been charged for the first retry.
      await harness.retry(job, { attempt: 1 });
      await failAgain(job);
      await expect(harness.retry(job, { attempt: 1 })).rejects.toMatchObject({ code: 'NOT_RETRYABLE' });
      expect(harness.provider.calls).toHaveLength(2);
    });
  });

  it('of ten at the same time with one key changes the job once', async () => {
    const job = await uncertain('training');
    const before = (await retries()).length;
    const request = { attempt: 1, idempotencyKey: randomUUID() };
    const answers = await Promise.all(Array.from({ length: 10 }, () => harness.retry(job, request)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set(['QUEUED']));
    expect(await retries()).toHaveLength(before + 1);
    expect(await reservations(job)).toHaveLength(2);
    const queued = (await harness.events(job)).filter(({ payload }) => payload.status === 'QUEUED');
    expect(queued).toHaveLength(2);
  });

  it('with the key of another request is refused', async () => {
    const key = randomUUID();
    const reused = { code: 'IDEMPOTENCY_KEY_REUSED', field: 'input.idempotencyKey' };
    const job = await uncertain('training');
    await harness.retry(job, { attempt: 1, idempotencyKey: key });
    await failAgain(job);
    await expect(harness.retry(job, { attempt: 2, idempotencyKey: key })).rejects.toMatchObject(reused);
    await expect(harness.retry(job, { idempotencyKey: key })).rejects.toMatchObject(reused);
    const other = await uncertain('training');
    await expect(harness.retry(other, { attempt: 1, idempotencyKey: key })).rejects.toMatchObject(reused);
    await expect(harness.train({ idempotencyKey: key })).rejects.toMatchObject(reused);
    expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN', attempt: 2 });
    expect(await harness.row(other)).toMatchObject({ status: 'UNCERTAIN', attempt: 1 });
  });

  it('is not found after the job was deleted', async () => {
    const job = await uncertain('generation');
    const request = { attempt: 1, idempotencyKey: randomUUID() };
    await harness.retry(job, request);
    await harness.delete(job);
    const notFound = { code: 'NOT_FOUND', field: 'input.id' };
    await expect(harness.retry(job, request)).rejects.toMatchObject(notFound);
  });

  it('is accepted with the key of a retry that was refused', async () => {
    const job = await begin(harness, 'training');
    const request = { idempotencyKey: randomUUID() };
    await expect(harness.retry(job, request)).rejects.toMatchObject({ code: 'NOT_RETRYABLE' });
    await expect(harness.retry(job, { ...request, attempt: 7 })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'input.attempt',
      details: { given: 7, latest: 0 },
    });
    harness.provider.next(isUnclear());
    await harness.worker.submit(job.table);
    await expect(harness.retry(job, { ...request, attempt: 0 })).rejects.toMatchObject({
      code: 'NOT_RETRYABLE',
      field: 'input.attempt',
    });
    expect(await harness.retry(job, request)).toMatchObject({ status: 'QUEUED' });
  });
});
