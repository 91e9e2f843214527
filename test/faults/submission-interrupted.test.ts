import { type Job, useJobHarness } from '../support/job-harness';
import { begin, jobTypes, outcomes, runAllWork } from '../support/job-scenarios';
import { accepts, isUnclear, refuses, saysLater, type ScriptedResponse } from '../support/scripted-provider';

describe('a submission that is interrupted', () => {
  const harness = useJobHarness();

  describe.each(jobTypes)('of a %s', (jobType) => {
    const start = (): Promise<Job> => begin(harness, jobType);

    it('is not made for a job that was cancelled before it', async () => {
      const job = await start();
      await harness.cancel(job);
      await runAllWork(harness, job, harness.worker);
      expect(harness.provider.calls).toHaveLength(0);
    });

    it('keeps the id of a job that was cancelled during the call, and the cancellation', async () => {
      const job = await start();
      const call = harness.provider.hold();
      const submitting = harness.worker.submit(job.table);
      await call.arrived;
      await harness.cancel(job);
      call.answer(accepts('ref-1'));
      await submitting;
      await runAllWork(harness, job, harness.worker);
      expect(await harness.row(job)).toMatchObject({
        status: 'CANCELLED',
        providerRef: 'ref-1',
        dueAt: null,
      });
      expect(await outcomes(harness, job)).toEqual(['ACCEPTED']);
      expect(harness.provider.calls).toHaveLength(1);
    });

    it.each([
      ['refuses', (): ScriptedResponse => refuses()],
      ['delays the call', (): ScriptedResponse => saysLater(1_000)],
      ['leaves the outcome unknown', (): ScriptedResponse => isUnclear()],
    ])('stays cancelled when the upstream then %s', async (_, response) => {
      const job = await start();
      const call = harness.provider.hold();
      const submitting = harness.worker.submit(job.table);
      await call.arrived;
      await harness.cancel(job);
      call.answer(response());
      await submitting;
      await runAllWork(harness, job, harness.worker);
      expect(await harness.row(job)).toMatchObject({ status: 'CANCELLED' });
      expect(harness.provider.calls).toHaveLength(1);
    });

    it.each([
      ['accepts it', (): ScriptedResponse => accepts()],
      ['refuses', (): ScriptedResponse => refuses()],
      ['delays the call', (): ScriptedResponse => saysLater(1_000)],
      ['leaves the outcome unknown', (): ScriptedResponse => isUnclear()],
    ])(
      'leaves no row of a job that was deleted during the call when the upstream %s',
      async (_, response) => {
        const job = await start();
        const call = harness.provider.hold();
        const submitting = harness.worker.submit(job.table);
        await call.arrived;
        await harness.delete(job);
        call.answer(response());
        await submitting;
        await runAllWork(harness, job, harness.worker);
        expect(await harness.find(job)).toBeNull();
        expect(harness.worker.recorder.isBehind).toBe(false);
        expect(harness.provider.calls).toHaveLength(1);
        expect((await harness.events(job)).at(-1)).toMatchObject({ kind: 'DELETED' });
      },
    );
  });
});
