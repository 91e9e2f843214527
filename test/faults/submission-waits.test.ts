import fs from 'node:fs';
import { type Job, useJobHarness } from '../support/job-harness';
import { begin, jobTypes, running } from '../support/job-scenarios';
import { isUnreachable, saysLater, type ScriptedResponse } from '../support/scripted-provider';

describe('a submission that waits', () => {
  const harness = useJobHarness();

  /** Prevents claims of a job until `untilDue`. */
  const postpone = async ({ table, id }: Job): Promise<void> => {
    await harness.database.rows(`UPDATE ${table} SET due_at = now() + interval '1 h' WHERE id = $1`, [id]);
  };

  it('gives the upstream URLs of photos that are valid until the deadline of the job', async () => {
    const job = await harness.train();
    await harness.worker.submit(job.table);
    const { deadlineAt } = await harness.row(job);
    const expiries = harness.provider.calls[0]!.photoUrls.map((url) =>
      Number(new URL(url).searchParams.get('expires')),
    );
    expect(expiries).toHaveLength(2);
    expect(Math.min(...expiries) * 1_000).toBeGreaterThan(deadlineAt!.getTime());
  });

  it('returns the request that was taken from the budget for a job that another process has claimed', async () => {
    const job = await harness.train();
    await harness.worker.probe();
    const full = await requestsLeft();
    await harness.database.transaction(async (sql) => {
      await sql.rows('SELECT id FROM models WHERE id = $1 FOR UPDATE', [job.id]);
      await harness.worker.submit(job.table);
    });
    expect(await harness.row(job)).toMatchObject({ status: 'QUEUED', attempt: 0 });
    expect(await requestsLeft()).toBe(full);
  });

  /** The requests for submissions that the budget has left. */
  async function requestsLeft(): Promise<number | undefined> {
    const [account] = await harness.database.rows<{ left: number }>(
      'SELECT submit_tokens AS left FROM upstream_accounts',
    );
    return account?.left;
  }

  describe.each(jobTypes)('of a %s', (jobType) => {
    const start = (): Promise<Job> => begin(harness, jobType);

    it.each([
      ['responds "later" without a wait (Retry-After: 0)', (): ScriptedResponse => saysLater(0), 1_000],
      ['cannot be reached', isUnreachable, 3_000],
    ])('waits longer each time when the upstream %s, with jitter', async (_, response, minMs) => {
      const waits: number[][] = [];
      for (let each = 0; each < 2; each += 1) {
        const job = await start();
        const own: number[] = [];
        for (let time = 0; time < 6; time += 1) {
          harness.provider.next(response());
          await harness.untilDue(job);
          const [before] = await harness.database.rows<{ now: Date }>('SELECT now()');
          await harness.worker.submit(job.table);
          own.push((await harness.row(job)).dueAt!.getTime() - before!.now.getTime());
        }
        expect(Math.min(...own)).toBeGreaterThan(minMs);
        own.slice(1).forEach((wait, index) => expect(wait).toBeGreaterThan(1.3 * own[index]!));
        waits.push(own);
      }
      // Without the duration of a pass, equal waits would be within a few milliseconds of each other.
      const apart = waits[0]!.map((wait, index) => Math.abs(wait - waits[1]![index]!) / wait);
      expect(Math.max(...apart)).toBeGreaterThan(0.005);
    });

    it('pauses the account for at least a second when the upstream gives no wait', async () => {
      const [job, other] = [await start(), await start()];
      await postpone(other);
      harness.provider.next(saysLater(0));
      const [before] = await harness.database.rows<{ now: Date }>('SELECT now()');
      await harness.worker.submit(job.table);
      const [paused] = await harness.database.rows<{ ms: number }>(
        'SELECT (extract(epoch FROM paused_until - $1) * 1000)::float8 AS ms FROM upstream_accounts',
        [before!.now],
      );
      expect(paused!.ms).toBeGreaterThanOrEqual(1_000);
    });

    it('fails at its queue deadline, regardless of the wait that the upstream gives', async () => {
      const job = await start();
      harness.provider.next(saysLater(23 * 3_600_000));
      await harness.age(job, 23.5 * 3_600_000);
      await harness.worker.submit(job.table);
      const { dueAt, deadlineAt } = await harness.row(job);
      expect(Math.abs(dueAt!.getTime() - deadlineAt!.getTime())).toBeLessThan(60_000);
      await harness.age(job, 3_600_000);
      await harness.worker.submit(job.table);
      expect(await harness.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'UPSTREAM_TIMEOUT' });
      expect(harness.provider.calls).toHaveLength(1);
    });

    it('does not wait for the id of another job that is being stored at that moment', async () => {
      const [job, other] = [await start(), await start()];
      await postpone(other);
      harness.worker.pauseAt('submission:journaled', async () => {
        await harness.untilDue(other);
        await harness.worker.submit(other.table);
      });
      await harness.worker.submit(job.table);
      expect(harness.provider.calls).toHaveLength(2);
      for (const each of [job, other])
        expect(await harness.row(each)).toMatchObject({ status: running[job.table], attempt: 1 });
    });

    it('waits while the journal could not take the id of another job, until the database has it', async () => {
      const [job, other] = [await start(), await start()];
      await postpone(other);
      const { journal } = harness.worker;
      const append = journal.append.bind(journal);
      jest.spyOn(journal, 'append').mockImplementationOnce((entry) => {
        jest.spyOn(fs, 'writeSync').mockImplementationOnce(() => {
          throw new Error('no space left on device');
        });
        append(entry);
      });
      harness.worker.pauseAt('submission:journaled', async () => {
        await harness.untilDue(other);
        await harness.worker.submit(other.table);
      });
      await harness.worker.submit(job.table);
      expect(await harness.row(job)).toMatchObject({ status: running[job.table] });
      expect(await harness.row(other)).toMatchObject({ status: 'QUEUED', attempt: 0 });
    });
  });
});
