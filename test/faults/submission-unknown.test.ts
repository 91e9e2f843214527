import { type Job, useJobHarness } from '../support/job-harness';
import { graceMs } from '../support/job-process';
import { begin, jobTypes, jobTypesWithPhotos, outcomes, running, runAllWork } from '../support/job-scenarios';
import { accepts, failed, isUnclear, refuses } from '../support/scripted-provider';

describe('a submission whose outcome is unknown', () => {
  const harness = useJobHarness();

  describe.each(jobTypes)('of a %s', (jobType) => {
    const start = (): Promise<Job> => begin(harness, jobType);

    it('is made and paid again when a person retries an UNCERTAIN job', async () => {
      const job = await start();
      harness.provider.next(isUnclear(), accepts('ref-2'));
      await harness.worker.submit(job.table);
      await harness.retry(job);
      await runAllWork(harness, job, harness.worker);
      expect(await harness.row(job)).toMatchObject({
        status: running[job.table],
        attempt: 2,
        providerRef: 'ref-2',
      });
      expect(await outcomes(harness, job)).toEqual(['UNKNOWN', 'ACCEPTED']);
      expect(harness.provider.calls).toHaveLength(2);
    });

    it('is not made again when the response arrives between the retry and the second call', async () => {
      const job = await start();
      const call = harness.provider.hold();
      const submitting = harness.worker.submit(job.table);
      await call.arrived;
      await runAllWork(harness, job, harness.process());
      await harness.retry(job);
      call.answer(accepts('ref-1'));
      await submitting;
      await runAllWork(harness, job, harness.worker);
      expect(await harness.row(job)).toMatchObject({
        status: running[job.table],
        providerRef: 'ref-1',
        attempt: 1,
      });
      expect(harness.provider.calls).toHaveLength(1);
    });

    it('keeps both ids in the ledger when the first response arrives after the second call', async () => {
      const job = await start();
      const call = harness.provider.hold();
      const submitting = harness.worker.submit(job.table);
      await call.arrived;
      const other = harness.process();
      await runAllWork(harness, job, other);
      await harness.retry(job);
      harness.provider.next(accepts('ref-2'));
      await runAllWork(harness, job, other);
      call.answer(accepts('ref-1'));
      await submitting;
      expect(await harness.row(job)).toMatchObject({
        status: running[job.table],
        providerRef: 'ref-2',
        attempt: 2,
      });
      expect((await harness.ledger(job)).map(({ providerRef }) => providerRef)).toEqual(['ref-1', 'ref-2']);
      expect(harness.worker.recorder.isBehind).toBe(false);
    });

    it('is not reverted by a journal entry that is read again after a retry', async () => {
      const job = await start();
      harness.provider.next(accepts('ref-1'));
      harness.worker.crashAt('submission:stored');
      await harness.worker.submit(job.table);
      harness.provider.says('ref-1', failed());
      await harness.untilDue(job);
      await harness.process().poll(job.table);
      await harness.retry(job);
      const next = harness.successor(harness.worker);
      await next.replay();
      expect(await harness.row(job)).toMatchObject({ status: 'QUEUED', providerRef: null });
      harness.provider.next(accepts('ref-2'));
      await runAllWork(harness, job, next);
      expect(await harness.row(job)).toMatchObject({ status: running[job.table], providerRef: 'ref-2' });
    });

    it('is not made again by a retry if it failed permanently', async () => {
      const job = await start();
      harness.provider.next(refuses());
      await harness.worker.submit(job.table);
      await expect(harness.retry(job)).rejects.toMatchObject({ code: 'NOT_RETRYABLE' });
      await runAllWork(harness, job, harness.worker);
      expect(harness.provider.calls).toHaveLength(1);
    });
  });

  describe('whose outcome is still unknown after the grace period', () => {
    const afterGrace = async (job: Job): Promise<void> => {
      await harness.age(job, graceMs + 1_000);
      await harness.worker.submit(job.table);
    };

    it.each(jobTypesWithPhotos)('is made again if no photo of the %s was fetched', async (jobType) => {
      const job = await begin(harness, jobType);
      harness.provider.next(isUnclear());
      await harness.worker.submit(job.table);
      await harness.age(job, graceMs - 60_000);
      await harness.worker.submit(job.table);
      expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN' });
      await afterGrace(job);
      await runAllWork(harness, job, harness.worker);
      expect(await harness.row(job)).toMatchObject({ status: running[job.table], attempt: 2 });
      expect(await outcomes(harness, job)).toEqual(['NOT_EXECUTED', 'ACCEPTED']);
      expect(harness.provider.calls).toHaveLength(2);
    });

    it.each(jobTypesWithPhotos)(
      'fails if a photo of the %s was fetched, and is repeated only by a person',
      async (jobType) => {
        const job = await begin(harness, jobType);
        harness.provider.next(isUnclear());
        await harness.worker.submit(job.table);
        await harness.fetchPhoto(harness.provider.calls[0]!);
        await afterGrace(job);
        await runAllWork(harness, job, harness.worker);
        expect(await harness.row(job)).toMatchObject({
          status: 'FAILED',
          failureCode: 'SUBMISSION_UNKNOWN',
          failureRetryable: true,
        });
        expect(harness.provider.calls).toHaveLength(1);
        await harness.retry(job);
        await runAllWork(harness, job, harness.worker);
        expect(await harness.row(job)).toMatchObject({ status: running[job.table], attempt: 2 });
        expect(harness.provider.calls).toHaveLength(2);
      },
    );

    it('counts only fetches of the same attempt', async () => {
      const job = await harness.train();
      harness.provider.next(isUnclear(), isUnclear());
      await harness.worker.submit(job.table);
      await harness.fetchPhoto(harness.provider.calls[0]!);
      await harness.retry(job);
      await harness.untilDue(job);
      await harness.worker.submit(job.table);
      await afterGrace(job);
      await runAllWork(harness, job, harness.worker);
      expect(await outcomes(harness, job)).toEqual(['UNKNOWN', 'NOT_EXECUTED', 'ACCEPTED']);
      expect(harness.provider.calls).toHaveLength(3);
    });

    it('fails for a generation of a model, which fetches no photo', async () => {
      const job = await harness.generate();
      harness.provider.next(isUnclear());
      await harness.worker.submit(job.table);
      await afterGrace(job);
      await runAllWork(harness, job, harness.worker);
      expect(await harness.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'SUBMISSION_UNKNOWN' });
      expect(harness.provider.calls).toHaveLength(1);
    });

    it('continues if the id arrives after it failed', async () => {
      const job = await harness.generate();
      const call = harness.provider.hold();
      const submitting = harness.worker.submit(job.table);
      await call.arrived;
      const other = harness.process();
      await runAllWork(harness, job, other);
      await harness.age(job, graceMs + 1_000);
      await other.submit(job.table);
      expect(await harness.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'SUBMISSION_UNKNOWN' });
      call.answer(accepts('ref-1'));
      await submitting;
      expect(await harness.row(job)).toMatchObject({
        status: 'GENERATING',
        providerRef: 'ref-1',
        failureCode: null,
      });
    });
  });
});
