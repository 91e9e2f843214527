import { UpstreamError } from '../../src/upstream/provider';
import { type Job, useJobHarness } from '../support/job-harness';
import { begin, jobTypes, outcomes, running } from '../support/job-scenarios';

/** As an account without a limit may have. */
const notice = { creditsAvailable: 999_999_999_999_999 };
const maxCredits = 2_147_483_647;

describe('an answer to a paid call with more credits than an integer of the database has', () => {
  const harness = useJobHarness();

  describe.each(jobTypes)('of a %s', (jobType) => {
    const start = (): Promise<Job> => begin(harness, jobType);

    it('is stored if the call was accepted', async () => {
      const job = await start();
      harness.provider.next(() => Promise.resolve({ ref: 'ref-1', notice }));
      await harness.worker.submit(job.table);
      expect(await harness.row(job)).toMatchObject({ status: running[job.table], providerRef: 'ref-1' });
      expect(await harness.ledger(job)).toMatchObject([
        { outcome: 'ACCEPTED', creditsAvailable: maxCredits },
      ]);
      expect(harness.worker.recorder.isBehind).toBe(false);
    });

    it('is stored from the journal of a killed process', async () => {
      const job = await start();
      harness.provider.next(() => Promise.resolve({ ref: 'ref-1', notice }));
      harness.worker.crashAt('submission:journaled');
      await harness.worker.submit(job.table);
      const next = harness.successor(harness.worker);
      await next.replay();
      expect(next.recorder.isBehind).toBe(false);
      expect(await harness.row(job)).toMatchObject({ status: running[job.table], providerRef: 'ref-1' });
    });

    it.each([
      ['UNKNOWN', 'UNCERTAIN'],
      ['REFUSED', 'FAILED'],
    ] as const)('is stored if its outcome is %s', async (outcome, status) => {
      const job = await start();
      harness.provider.next(() => Promise.reject(new UpstreamError(outcome, 'No.', { notice })));
      await harness.worker.submit(job.table);
      expect(await harness.row(job)).toMatchObject({ status });
      expect(await outcomes(harness, job)).toEqual([outcome]);
      expect(harness.worker.recorder.isBehind).toBe(false);
    });
  });

  it('is reported to the operator', async () => {
    const job = await begin(harness, jobTypes[0]);
    harness.provider.next(() => Promise.resolve({ ref: 'ref-1', notice }));
    await harness.worker.submit(job.table);
    const accounts = await harness.database.rows(
      'SELECT DISTINCT credits_available AS credits FROM upstream_accounts WHERE credits_available IS NOT NULL',
    );
    expect(accounts).toEqual([{ credits: maxCredits }]);
  });
});
