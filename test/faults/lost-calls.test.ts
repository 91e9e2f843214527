import { type Job, useJobHarness } from '../support/job-harness';
import type { JobProcess } from '../support/job-process';
import { begin, jobTypes, outcomes, running } from '../support/job-scenarios';
import { accepts, isUnclear, saysLater } from '../support/scripted-provider';

describe('a paid call whose id is only in the journal, and that the database has lost', () => {
  const harness = useJobHarness();

  /** Kills a worker when the journal has the id of the job's next call. */
  const killWithId = async (job: Job, ref: string, worker = harness.worker): Promise<void> => {
    harness.provider.next(accepts(ref));
    worker.crashAt('submission:journaled');
    await worker.submit(job.table);
  };

  /** Makes the job as it was before its first call: as in a failover to a standby that lacks the last commits. */
  const loseCalls = async ({ table, id }: Job): Promise<void> => {
    await harness.database.rows(
      `DELETE FROM submissions WHERE ${table === 'models' ? 'model_id' : 'generation_id'} = $1`,
      [id],
    );
    await harness.database.rows(
      `UPDATE ${table} SET status = 'QUEUED', attempt = 0, tries = 0, lease = NULL, due_at = now() WHERE id = $1`,
      [id],
    );
  };

  const replayed = async (): Promise<JobProcess> => {
    const next = harness.successor(harness.worker);
    await next.replay();
    expect(next.recorder.isBehind).toBe(false);
    return next;
  };

  describe.each(jobTypes)('of a %s', (jobType) => {
    const start = (): Promise<Job> => begin(harness, jobType);

    it('continues the job, also if the database has lost several attempts', async () => {
      const job = await start();
      harness.provider.next(saysLater(1_000));
      await harness.worker.submit(job.table);
      await harness.untilDue(job);
      await killWithId(job, 'ref-1');
      await loseCalls(job);
      const next = await replayed();
      await next.submit(job.table);
      expect(harness.provider.calls).toHaveLength(2);
      expect(await harness.row(job)).toMatchObject({
        ...{ status: running[job.table], attempt: 2, providerRef: 'ref-1' },
      });
      expect(await outcomes(harness, job)).toEqual(['ACCEPTED']);
      expect(await harness.brokenLedgerEntries()).toEqual([]);
    });

    it('is named in the log if another killed process has another id of the same attempt', async () => {
      const job = await start();
      const other = harness.process(harness.worker.folder);
      await killWithId(job, 'ref-1');
      await loseCalls(job);
      await killWithId(job, 'ref-2', other);
      await loseCalls(job);
      const next = await replayed();
      const { providerRef } = await harness.row(job);
      expect(['ref-1', 'ref-2']).toContain(providerRef);
      expect(next.log).toContainEqual(
        expect.objectContaining({
          providerRef: providerRef === 'ref-1' ? 'ref-2' : 'ref-1',
          msg: expect.stringContaining('the job was paid twice') as string,
        }),
      );
    });

    it.each([
      ['provider', { name: 'other', account: 'other account' }],
      ['account', { account: 'other account' }],
    ])('continues the job if only a process with another %s reads the journal', async (_, reader) => {
      const job = await start();
      const { name, account } = harness.provider;
      await killWithId(job, 'ref-1');
      await loseCalls(job);
      Object.assign(harness.provider, reader);
      try {
        await replayed();
      } finally {
        Object.assign(harness.provider, { name, account });
      }
      await harness.process().submit(job.table);
      expect(harness.provider.calls).toHaveLength(1);
      expect(await harness.row(job)).toMatchObject({ status: running[job.table], providerRef: 'ref-1' });
      expect(await harness.ledger(job)).toMatchObject([
        { outcome: 'ACCEPTED', provider: name, account, providerRef: 'ref-1' },
      ]);
      expect(await harness.brokenLedgerEntries()).toEqual([]);
    });

    it('leaves the id of a job that another process has submitted again', async () => {
      const job = await start();
      await killWithId(job, 'ref-1');
      await loseCalls(job);
      harness.provider.next(accepts('ref-2'));
      await harness.process().submit(job.table);
      await replayed();
      expect(await harness.row(job)).toMatchObject({ status: running[job.table], providerRef: 'ref-2' });
      expect(await harness.ledger(job)).toMatchObject([{ outcome: 'ACCEPTED', providerRef: 'ref-2' }]);
    });

    it('keeps the id in the journal if another process is submitting the job again', async () => {
      const job = await start();
      await killWithId(job, 'ref-1');
      await loseCalls(job);
      const other = harness.process();
      const call = harness.provider.hold();
      const submitting = other.submit(job.table);
      await call.arrived;
      await replayed();
      call.answer(accepts('ref-2'));
      await submitting;
      expect(other.recorder.isBehind).toBe(false);
      expect(await harness.row(job)).toMatchObject({ status: running[job.table], providerRef: 'ref-1' });
      expect(await harness.ledger(job)).toMatchObject([{ outcome: 'ACCEPTED', providerRef: 'ref-1' }]);
    });

    it('is not made again by the process that makes it, or stores its answer', async () => {
      const job = await start();
      const call = harness.provider.hold();
      const submitting = harness.worker.submit(job.table);
      await call.arrived;
      await loseCalls(job);
      await harness.worker.submit(job.table);
      harness.worker.pauseAt('submission:journaled', async () => {
        await harness.untilDue(job);
        await harness.worker.submit(job.table);
      });
      call.answer(accepts('ref-1'));
      await submitting;
      expect(harness.provider.calls).toHaveLength(1);
      expect(await harness.row(job)).toMatchObject({
        ...{ status: running[job.table], attempt: 1, providerRef: 'ref-1' },
      });
      expect(await outcomes(harness, job)).toEqual(['ACCEPTED']);
      expect(await harness.brokenLedgerEntries()).toEqual([]);
    });

    it('of unknown outcome is not repeated', async () => {
      const job = await start();
      const call = harness.provider.hold();
      const submitting = harness.worker.submit(job.table);
      await call.arrived;
      await loseCalls(job);
      call.answer(isUnclear());
      await submitting;
      await harness.worker.submit(job.table);
      expect(harness.provider.calls).toHaveLength(1);
      expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN', attempt: 1 });
      expect(await outcomes(harness, job)).toEqual(['UNKNOWN']);
      expect(await harness.brokenLedgerEntries()).toEqual([]);
    });

    it('of unknown outcome is not repeated if that is stored later, and no other call is made until then', async () => {
      const job = await start();
      const call = harness.provider.hold();
      const submitting = harness.worker.submit(job.table);
      await call.arrived;
      await loseCalls(job);
      harness.worker.onTransaction = () => Promise.reject(new Error('No transaction can begin.'));
      call.answer(isUnclear());
      await submitting;
      await harness.worker.replay();
      harness.worker.onTransaction = () => Promise.resolve();
      const other = await start();
      await harness.untilDue(job);
      await harness.worker.submit(job.table);
      expect(harness.provider.calls).toHaveLength(1);
      await harness.worker.replay();
      await harness.worker.submit(job.table);
      expect(harness.provider.calls).toHaveLength(2);
      expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN', attempt: 1 });
      expect(await harness.row(other)).toMatchObject({ status: running[job.table] });
      expect(await outcomes(harness, job)).toEqual(['UNKNOWN']);
      expect(await harness.brokenLedgerEntries()).toEqual([]);
    });

    it('of unknown outcome is stored without details that the database refuses, so that others are made', async () => {
      const job = await start();
      const refusal = "ALTER TABLE submissions ADD CONSTRAINT refusal CHECK (evidence NOT LIKE 'HTTP%')";
      await harness.database.rows(refusal);
      harness.provider.next(isUnclear('The answer has no id.', 200));
      await harness.worker.submit(job.table);
      expect(harness.worker.recorder.isBehind).toBe(true);
      await harness.worker.replay();
      await harness.database.rows('ALTER TABLE submissions DROP CONSTRAINT refusal');
      expect(harness.worker.recorder.isBehind).toBe(false);
      expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN', attempt: 1 });
      // Proves that the call was executed.
      expect(await harness.ledger(job)).toMatchObject([{ outcome: 'UNKNOWN', httpStatus: 200 }]);
    });
  });
});
