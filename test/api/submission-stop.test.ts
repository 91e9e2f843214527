import { JobBench, type Job } from '../support/job-bench';
import { leaseMs, type JobProcess } from '../support/job-process';
import { begin, nouns, outcomes, running } from '../support/job-stories';

describe('a process that stops, or stood still,', () => {
  let bench: JobBench;
  let worker: JobProcess;

  beforeAll(async () => {
    bench = await JobBench.open();
  });

  beforeEach(() => {
    worker = bench.process();
  });

  afterEach(() => bench.clear());

  afterAll(() => bench.stop());

  describe.each(nouns)('with a queued %s', (noun) => {
    const start = (): Promise<Job> => begin(bench, noun);

    it('claims no job after SIGTERM', async () => {
      const job = await start();
      const before = await bench.row(job);
      await worker.submit(job.table, AbortSignal.abort());
      expect(await bench.row(job)).toEqual(before);
      expect(bench.provider.calls).toHaveLength(0);
    });

    it('makes no paid call for what it had claimed before SIGTERM, which another then makes', async () => {
      const job = await start();
      const stopping = new AbortController();
      // The pass has begun, and takes its calls from the budget.
      worker.onStatement = (text) => {
        if (text.includes('submit_tokens')) stopping.abort();
      };
      await worker.submit(job.table, stopping.signal);
      expect(stopping.signal.aborted).toBe(true);
      expect(await bench.row(job)).toMatchObject({ status: 'QUEUED', attempt: 0, lease: null });
      expect(bench.provider.calls).toHaveLength(0);
      await bench.process().submit(job.table);
      expect(await bench.row(job)).toMatchObject({ status: running[job.table], attempt: 1 });
    });

    it('makes no paid call if it stood still before it for longer than its lease', async () => {
      const job = await start();
      const { now } = Date;
      const clock = jest.spyOn(Date, 'now');
      worker.pauseAt('submission:before-call', async () => {
        clock.mockImplementation(() => now() + leaseMs + 1_000);
        await Promise.resolve();
      });
      try {
        await worker.submit(job.table);
      } finally {
        clock.mockRestore();
      }
      expect(bench.provider.calls).toHaveLength(0);
      expect(await outcomes(bench, job)).toEqual(['NOT_EXECUTED']);
      expect(await bench.row(job)).toMatchObject({ status: 'QUEUED', attempt: 1 });
    });
  });
});
