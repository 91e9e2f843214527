import { newId } from '../../src/core/ids';
import type { JournalEntry } from '../../src/jobs/journal-lines';
import { StorageUnavailableError } from '../../src/storage/media-store';
import { type Job, useJobHarness } from '../support/job-harness';
import { leaseMs } from '../support/job-process';
import { begin, jobTypes, outcomes, running } from '../support/job-scenarios';
import { entries } from '../support/journal-folder';

describe('a process that stops, was suspended, or cannot use its claim', () => {
  const harness = useJobHarness();

  /** The calls that the budget has left for submissions. */
  const callsLeft = async (): Promise<number | undefined> => {
    const [account] = await harness.database.rows<{ calls: number }>(
      'SELECT floor(submit_tokens)::int AS calls FROM upstream_accounts',
    );
    return account?.calls;
  };

  /** Runs one pass of submissions. The process is suspended for longer than its lease before a statement of it. */
  const submitAfter = async (suspendedAt: 'budget' | 'claim', { table }: Job): Promise<void> => {
    const { now } = Date;
    const clock = jest.spyOn(Date, 'now');
    let next: 'budget' | 'claim' = 'budget';
    harness.worker.onStatement = (text) => {
      if (!text.includes(next === 'budget' ? 'submit_tokens' : 'WITH RECURSIVE')) return;
      if (next === suspendedAt) clock.mockImplementation(() => now() + leaseMs + 1_000);
      next = 'claim';
    };
    try {
      await harness.worker.submit(table);
    } finally {
      clock.mockRestore();
      harness.worker.onStatement = () => undefined;
    }
  };

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

    it('makes no paid call by a claim that is older than its lease, which the next claim makes', async () => {
      harness.provider.requestsPerMinute = 60;
      const job = await start();
      // No other process claims it.
      await submitAfter('claim', job);
      expect(harness.provider.calls).toHaveLength(0);
      expect(await harness.row(job)).toMatchObject({ status: 'QUEUED', attempt: 0, lease: null });
      expect(await callsLeft()).toBe(1);
      await harness.worker.submit(job.table);
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

  it('makes the paid call if its process was slow or suspended before the claim', async () => {
    const job = await harness.train();
    await submitAfter('budget', job);
    expect(await harness.row(job)).toMatchObject({ status: 'TRAINING', attempt: 1 });
  });

  it('waits while the store of photos is unavailable, also if that is known only after its lease', async () => {
    const job = await harness.train();
    const { now } = Date;
    const clock = jest.spyOn(Date, 'now');
    let failedMs = Infinity;
    const store = jest.spyOn(harness.media, 'open').mockImplementation(() => {
      failedMs = now();
      clock.mockImplementation(() => now() + leaseMs + 1_000);
      return Promise.reject(new StorageUnavailableError(new Error('no answer')));
    });
    try {
      await harness.worker.submit(job.table);
    } finally {
      clock.mockRestore();
      store.mockRestore();
    }
    const { status, dueAt } = await harness.row(job);
    expect(status).toBe('QUEUED');
    expect(dueAt!.getTime()).toBeGreaterThanOrEqual(failedMs + 5_000);
  });

  it('makes no paid call if another process has claimed the job meanwhile', async () => {
    harness.provider.requestsPerMinute = 60;
    const job = await harness.train();
    const lease = newId();
    harness.worker.onTransaction = async () => {
      await harness.database.rows(`UPDATE ${job.table} SET lease = $2 WHERE id = $1`, [job.id, lease]);
    };
    await harness.worker.submit(job.table);
    expect(harness.provider.calls).toHaveLength(0);
    expect(await harness.row(job)).toMatchObject({ status: 'QUEUED', attempt: 0, lease });
    expect(await callsLeft()).toBe(1);
  });

  it('makes no paid call if the id of another one could not be stored since its claim', async () => {
    harness.provider.requestsPerMinute = 60;
    const job = await harness.train();
    const { journal } = harness.worker;
    const [entry] = entries as [JournalEntry];
    harness.worker.onStatement = (text) => {
      if (text.includes('submit_tokens') && journal.unsettled.length === 0) journal.append(entry);
    };
    await harness.worker.submit(job.table);
    journal.settle(entry);
    expect(harness.provider.calls).toHaveLength(0);
    expect(await harness.row(job)).toMatchObject({ status: 'QUEUED', attempt: 0, lease: null });
  });

  it('does not claim a job while the id of a call is not stored', async () => {
    const job = await harness.train();
    const { journal } = harness.worker;
    const [entry] = entries as [JournalEntry];
    const before = await harness.row(job);
    journal.append(entry);
    await harness.worker.submit(job.table);
    journal.settle(entry);
    expect(await harness.row(job)).toEqual(before);
  });

  it('returns the call to the budget if the job cannot be read', async () => {
    harness.provider.requestsPerMinute = 60;
    const job = await harness.train();
    let next = 'budget';
    harness.worker.onStatement = (text) => {
      if (next === 'read') {
        next = 'release';
        throw new Error('conflict with recovery');
      }
      if (next === 'claim' && text.includes('WITH RECURSIVE')) next = 'read';
      if (next === 'budget' && text.includes('submit_tokens')) next = 'claim';
    };
    await harness.worker.submit(job.table);
    expect(next).toBe('release');
    expect(await harness.row(job)).toMatchObject({ status: 'QUEUED', attempt: 0 });
    expect(await callsLeft()).toBe(1);
  });

  it('holds its lease during the paid call', async () => {
    const job = await harness.train();
    let row = await harness.row(job);
    harness.provider.onCall = async () => {
      await harness.process().submit(job.table);
      row = await harness.row(job);
    };
    await harness.worker.submit(job.table);
    expect(row).toMatchObject({ status: 'SUBMITTING', lease: expect.any(String) });
    expect(harness.provider.calls).toHaveLength(1);
  });
});
