import { type Job, useJobHarness } from '../support/job-harness';
import { begin, jobTypes, outcomes, running, runAllWork } from '../support/job-scenarios';
import { accepts, refuses, saysLater } from '../support/scripted-provider';

describe('a submission during a crash', () => {
  const harness = useJobHarness();

  describe.each(jobTypes)('of a %s', (jobType) => {
    const start = (): Promise<Job> => begin(harness, jobType);

    it('is UNCERTAIN when its worker was killed before the call, and no other worker calls', async () => {
      const job = await start();
      harness.worker.crashAt('submission:before-call');
      await harness.worker.submit(job.table);
      expect(harness.provider.calls).toHaveLength(0);
      expect(await harness.row(job)).toMatchObject({ status: 'SUBMITTING' });
      await runAllWork(harness, job, harness.process());
      expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN' });
      expect(harness.provider.calls).toHaveLength(0);
      expect(await outcomes(harness, job)).toEqual(['UNKNOWN']);
    });

    it('is UNCERTAIN when its worker was killed before it recorded the response', async () => {
      const job = await start();
      harness.worker.crashAt('submission:answered');
      await harness.worker.submit(job.table);
      await runAllWork(harness, job, harness.successor(harness.worker));
      expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN', providerRef: null });
      expect(harness.provider.calls).toHaveLength(1);
    });

    it.each(['submission:journaled', 'submission:stored'] as const)(
      'loses no id when its worker is killed at %s',
      async (point) => {
        const job = await start();
        harness.provider.next(accepts('ref-1'));
        harness.worker.crashAt(point);
        await harness.worker.submit(job.table);
        const next = harness.successor(harness.worker);
        await next.replay();
        expect(await harness.row(job)).toMatchObject({ status: running[job.table], providerRef: 'ref-1' });
        expect(next.recorder.isBehind).toBe(false);
        await runAllWork(harness, job, next);
        expect(harness.provider.calls).toHaveLength(1);
      },
    );

    it('becomes UNCERTAIN when its lease is taken over, and continues when the response arrives', async () => {
      const job = await start();
      const call = harness.provider.hold();
      const submitting = harness.worker.submit(job.table);
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
        const submitting = harness.worker.submit(job.table);
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
      const submitting = harness.worker.submit(job.table);
      await call.arrived;
      harness.worker.isCutOff = true;
      call.answer(accepts('ref-1'));
      await submitting;
      expect(harness.worker.recorder.isBehind).toBe(true);
      await runAllWork(harness, job, harness.process());
      expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN' });
      harness.worker.isCutOff = false;
      await harness.worker.replay();
      expect(await harness.row(job)).toMatchObject({ status: running[job.table], providerRef: 'ref-1' });
      expect(harness.worker.recorder.isBehind).toBe(false);
      expect(harness.provider.calls).toHaveLength(1);
    });

    it('makes no paid call while an id is not in the database yet', async () => {
      const [job, other] = [await start(), await start()];
      await harness.database.rows(`UPDATE ${job.table} SET due_at = now() + interval '1 h' WHERE id = $1`, [
        other.id,
      ]);
      const call = harness.provider.hold();
      const submitting = harness.worker.submit(job.table);
      await call.arrived;
      harness.worker.isCutOff = true;
      call.answer(accepts());
      await submitting;
      harness.worker.isCutOff = false;
      await harness.untilDue(other);
      await harness.worker.submit(other.table);
      expect(await harness.row(other)).toMatchObject({ status: 'QUEUED', attempt: 0 });
      await harness.worker.replay();
      await harness.untilDue(other);
      await harness.worker.submit(other.table);
      expect(await harness.row(other)).toMatchObject({ status: running[job.table], attempt: 1 });
    });
  });
});
