import { JobHarness, type Job } from '../support/job-harness';
import type { JobProcess } from '../support/job-process';
import { begin, jobTypes, outcomes, running, runAllWork } from '../support/job-scenarios';
import { accepts, refuses, saysLater } from '../support/scripted-provider';

describe('a submission during a crash', () => {
  let harness: JobHarness;
  let worker: JobProcess;

  beforeAll(async () => {
    harness = await JobHarness.open();
  });

  beforeEach(() => {
    worker = harness.process();
  });

  afterEach(() => harness.clear());

  afterAll(() => harness.stop());

  describe.each(jobTypes)('of a %s', (jobType) => {
    const start = (): Promise<Job> => begin(harness, jobType);

    it('is UNCERTAIN when its worker was killed before the call, and no other worker calls', async () => {
      const job = await start();
      worker.crashAt('submission:before-call');
      await worker.submit(job.table);
      expect(harness.provider.calls).toHaveLength(0);
      expect(await harness.row(job)).toMatchObject({ status: 'SUBMITTING' });
      await runAllWork(harness, job, harness.process());
      expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN' });
      expect(harness.provider.calls).toHaveLength(0);
      expect(await outcomes(harness, job)).toEqual(['UNKNOWN']);
    });

    it('is UNCERTAIN when its worker was killed before it recorded the response', async () => {
      const job = await start();
      worker.crashAt('submission:answered');
      await worker.submit(job.table);
      await runAllWork(harness, job, harness.successor(worker));
      expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN', providerRef: null });
      expect(harness.provider.calls).toHaveLength(1);
    });

    it.each(['submission:journaled', 'submission:stored'] as const)(
      'loses no id when its worker is killed at %s',
      async (point) => {
        const job = await start();
        harness.provider.next(accepts('ref-1'));
        worker.crashAt(point);
        await worker.submit(job.table);
        const next = harness.successor(worker);
        await next.replay();
        expect(await harness.row(job)).toMatchObject({ status: running[job.table], providerRef: 'ref-1' });
        expect(next.settlement.isBehind).toBe(false);
        await runAllWork(harness, job, next);
        expect(harness.provider.calls).toHaveLength(1);
      },
    );

    it('becomes UNCERTAIN when its lease is taken over, and continues when the response arrives', async () => {
      const job = await start();
      const call = harness.provider.hold();
      const submitting = worker.submit(job.table);
      await call.arrived;
      await runAllWork(harness, job, harness.process());
      expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN' });
      expect(harness.provider.calls).toHaveLength(1);
      call.answer(accepts('ref-1'));
      await submitting;
      expect(await harness.row(job)).toMatchObject({ status: running[job.table], providerRef: 'ref-1' });
      expect(await outcomes(harness, job)).toEqual(['ACCEPTED']);
    });

    it('applies a refusal or a delay that arrives after its lease was taken over', async () => {
      for (const [response, status] of [
        [refuses(), 'FAILED'] as const,
        [saysLater(1_000), 'QUEUED'] as const,
      ]) {
        const job = await start();
        const call = harness.provider.hold();
        const submitting = worker.submit(job.table);
        await call.arrived;
        await runAllWork(harness, job, harness.process());
        call.answer(response);
        await submitting;
        expect(await harness.row(job)).toMatchObject({ status });
      }
    });

    it('recovers the id from the journal after a database outage', async () => {
      const job = await start();
      const call = harness.provider.hold();
      const submitting = worker.submit(job.table);
      await call.arrived;
      worker.isCutOff = true;
      call.answer(accepts('ref-1'));
      await submitting;
      expect(worker.settlement.isBehind).toBe(true);
      await runAllWork(harness, job, harness.process());
      expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN' });
      worker.isCutOff = false;
      await worker.replay();
      expect(await harness.row(job)).toMatchObject({ status: running[job.table], providerRef: 'ref-1' });
      expect(worker.settlement.isBehind).toBe(false);
      expect(harness.provider.calls).toHaveLength(1);
    });

    it('makes no paid call while an id is not in the database yet', async () => {
      const [job, other] = [await start(), await start()];
      await harness.database.rows(`UPDATE ${job.table} SET due_at = now() + interval '1 h' WHERE id = $1`, [
        other.id,
      ]);
      const call = harness.provider.hold();
      const submitting = worker.submit(job.table);
      await call.arrived;
      worker.isCutOff = true;
      call.answer(accepts());
      await submitting;
      worker.isCutOff = false;
      await harness.untilDue(other);
      await worker.submit(other.table);
      expect(await harness.row(other)).toMatchObject({ status: 'QUEUED', attempt: 0 });
      await worker.replay();
      await harness.untilDue(other);
      await worker.submit(other.table);
      expect(await harness.row(other)).toMatchObject({ status: running[job.table], attempt: 1 });
    });
  });
});
