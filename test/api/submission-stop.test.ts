import { type Job, useJobHarness } from '../support/job-harness';
import { leaseMs } from '../support/job-process';
import { begin, jobTypes, outcomes, running } from '../support/job-scenarios';

describe('a process that stops or was suspended', () => {
  const harness = useJobHarness();

  describe.each(jobTypes)('with a queued %s', (jobType) => {
    const start = (): Promise<Job> => begin(harness, jobType);

    it('claims no job after SIGTERM', async () => {
      const job = await start();
      const before = await harness.row(job);
      await harness.worker.submit(job.table, AbortSignal.abort());
      expect(await harness.row(job)).toEqual(before);
      expect(harness.provider.calls).toHaveLength(0);
    });

    it('makes no paid call for a job claimed before SIGTERM, which another process then makes', async () => {
      const job = await start();
      const stopping = new AbortController();
      // The pass has started, and takes its calls from the budget.
      harness.worker.onStatement = (text) => {
        if (text.includes('submit_tokens')) stopping.abort();
      };
      await harness.worker.submit(job.table, stopping.signal);
      expect(stopping.signal.aborted).toBe(true);
      expect(await harness.row(job)).toMatchObject({ status: 'QUEUED', attempt: 0, lease: null });
      expect(harness.provider.calls).toHaveLength(0);
      await harness.process().submit(job.table);
      expect(await harness.row(job)).toMatchObject({ status: running[job.table], attempt: 1 });
    });

    it('makes no paid call if it was suspended before it for longer than its lease', async () => {
      harness.provider.requestsPerMinute = 60;
      const job = await start();
      const { now } = Date;
      const clock = jest.spyOn(Date, 'now');
      harness.worker.pauseAt('submission:before-call', async () => {
        clock.mockImplementation(() => now() + leaseMs + 1_000);
        await Promise.resolve();
      });
      try {
        await harness.worker.submit(job.table);
      } finally {
        clock.mockRestore();
      }
      expect(harness.provider.calls).toHaveLength(0);
      expect(await outcomes(harness, job)).toEqual(['NOT_EXECUTED']);
      expect(await harness.row(job)).toMatchObject({ status: 'QUEUED', attempt: 1 });
      // Not a failure of the upstream.
      expect(
        await harness.database.rows(
          'SELECT submit_failing, reach_failing, floor(submit_tokens)::int AS calls FROM upstream_accounts',
        ),
      ).toEqual([{ submit_failing: [], reach_failing: [], calls: 1 }]);
    });
  });
});
