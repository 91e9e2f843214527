import { JobBench, type Job } from '../support/job-bench';
import { graceMs, type JobProcess } from '../support/job-process';
import { begin, nouns, nounsWithPhotos, outcomes, running, tryEverything } from '../support/job-stories';
import { accepts, failed, isUnclear, refuses } from '../support/scripted-provider';

describe('a submission whose outcome is unknown', () => {
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

  describe.each(nouns)('of a %s', (noun) => {
    const start = (): Promise<Job> => begin(bench, noun);

    it('is made again, and paid again, when a person retries what is uncertain', async () => {
      const job = await start();
      bench.provider.next(isUnclear(), accepts('ref-2'));
      await worker.submit(job.table);
      await bench.retry(job);
      await tryEverything(bench, job, worker);
      expect(await bench.row(job)).toMatchObject({
        status: running[job.table],
        attempt: 2,
        providerRef: 'ref-2',
      });
      expect(await outcomes(bench, job)).toEqual(['UNKNOWN', 'ACCEPTED']);
      expect(bench.provider.calls).toHaveLength(2);
    });

    it('is not made again when the answer comes after the retry and before the second call', async () => {
      const job = await start();
      const call = bench.provider.hold();
      const submitting = worker.submit(job.table);
      await call.arrived;
      await tryEverything(bench, job, bench.process());
      await bench.retry(job);
      call.answer(accepts('ref-1'));
      await submitting;
      await tryEverything(bench, job, worker);
      expect(await bench.row(job)).toMatchObject({
        status: running[job.table],
        providerRef: 'ref-1',
        attempt: 1,
      });
      expect(bench.provider.calls).toHaveLength(1);
    });

    it('keeps both ids in the ledger when the first answer comes after the second call', async () => {
      const job = await start();
      const call = bench.provider.hold();
      const submitting = worker.submit(job.table);
      await call.arrived;
      const other = bench.process();
      await tryEverything(bench, job, other);
      await bench.retry(job);
      bench.provider.next(accepts('ref-2'));
      await tryEverything(bench, job, other);
      call.answer(accepts('ref-1'));
      await submitting;
      expect(await bench.row(job)).toMatchObject({
        status: running[job.table],
        providerRef: 'ref-2',
        attempt: 2,
      });
      expect((await bench.ledger(job)).map(({ providerRef }) => providerRef)).toEqual(['ref-1', 'ref-2']);
      expect(worker.settlement.isBehind).toBe(false);
    });

    it('is not undone by an entry of the journal that is read once more after a retry', async () => {
      const job = await start();
      bench.provider.next(accepts('ref-1'));
      worker.crashAt('submission:stored');
      await worker.submit(job.table);
      bench.provider.says('ref-1', failed());
      await bench.untilDue(job);
      await bench.process().poll(job.table);
      await bench.retry(job);
      const next = bench.successor(worker);
      await next.replay();
      expect(await bench.row(job)).toMatchObject({ status: 'QUEUED', providerRef: null });
      bench.provider.next(accepts('ref-2'));
      await tryEverything(bench, job, next);
      expect(await bench.row(job)).toMatchObject({ status: running[job.table], providerRef: 'ref-2' });
    });

    it('that failed for good is not made again by a retry', async () => {
      const job = await start();
      bench.provider.next(refuses());
      await worker.submit(job.table);
      await expect(bench.retry(job)).rejects.toMatchObject({ code: 'NOT_RETRYABLE' });
      await tryEverything(bench, job, worker);
      expect(bench.provider.calls).toHaveLength(1);
    });
  });

  describe('whose outcome stays unknown to the end of the grace', () => {
    const afterGrace = async (job: Job): Promise<void> => {
      await bench.age(job, graceMs + 1_000);
      await worker.submit(job.table);
    };

    it.each(nounsWithPhotos)(
      'is made again if no photo of the %s was ever fetched: it never arrived',
      async (noun) => {
        const job = await begin(bench, noun);
        bench.provider.next(isUnclear());
        await worker.submit(job.table);
        await bench.age(job, graceMs - 60_000);
        await worker.submit(job.table);
        expect(await bench.row(job)).toMatchObject({ status: 'UNCERTAIN' });
        await afterGrace(job);
        await tryEverything(bench, job, worker);
        expect(await bench.row(job)).toMatchObject({ status: running[job.table], attempt: 2 });
        expect(await outcomes(bench, job)).toEqual(['NOT_EXECUTED', 'ACCEPTED']);
        expect(bench.provider.calls).toHaveLength(2);
      },
    );

    it.each(nounsWithPhotos)(
      'fails if a photo of the %s was fetched, and only a person pays again',
      async (noun) => {
        const job = await begin(bench, noun);
        bench.provider.next(isUnclear());
        await worker.submit(job.table);
        await bench.fetchPhoto(bench.provider.calls[0]!);
        await afterGrace(job);
        await tryEverything(bench, job, worker);
        expect(await bench.row(job)).toMatchObject({
          status: 'FAILED',
          failureCode: 'SUBMISSION_UNKNOWN',
          failureRetryable: true,
        });
        expect(bench.provider.calls).toHaveLength(1);
        await bench.retry(job);
        await tryEverything(bench, job, worker);
        expect(await bench.row(job)).toMatchObject({ status: running[job.table], attempt: 2 });
        expect(bench.provider.calls).toHaveLength(2);
      },
    );

    it('counts a fetch of the attempt in question only', async () => {
      const job = await bench.train();
      bench.provider.next(isUnclear(), isUnclear());
      await worker.submit(job.table);
      await bench.fetchPhoto(bench.provider.calls[0]!);
      await bench.retry(job);
      await bench.untilDue(job);
      await worker.submit(job.table);
      await afterGrace(job);
      expect(await outcomes(bench, job)).toEqual(['UNKNOWN', 'NOT_EXECUTED']);
      expect(await bench.row(job)).toMatchObject({ status: 'QUEUED' });
    });

    it('fails if it is a generation of a model, which fetches nothing', async () => {
      const job = await bench.generate();
      bench.provider.next(isUnclear());
      await worker.submit(job.table);
      await afterGrace(job);
      await tryEverything(bench, job, worker);
      expect(await bench.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'SUBMISSION_UNKNOWN' });
      expect(bench.provider.calls).toHaveLength(1);
    });

    it('goes on if the id turns up after it was given up', async () => {
      const job = await bench.generate();
      const call = bench.provider.hold();
      const submitting = worker.submit(job.table);
      await call.arrived;
      const other = bench.process();
      await tryEverything(bench, job, other);
      await bench.age(job, graceMs + 1_000);
      await other.submit(job.table);
      expect(await bench.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'SUBMISSION_UNKNOWN' });
      call.answer(accepts('ref-1'));
      await submitting;
      expect(await bench.row(job)).toMatchObject({
        status: 'GENERATING',
        providerRef: 'ref-1',
        failureCode: null,
      });
    });
  });
});
