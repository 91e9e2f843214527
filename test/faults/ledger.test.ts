import { jobKinds } from '../../src/generations/generation.kind';
import { ledgerDue, reconcileLedger } from '../../src/jobs/ledger-settlement.repository';
import { closeUnanswered, detachUnanswered } from '../../src/jobs/ledger.repository';
import { acceptAttempt } from '../../src/jobs/submission.repository';
import { modelKind } from '../../src/models/model.kind';
import { type Job, useJobHarness } from '../support/job-harness';
import { graceMs } from '../support/job-process';
import { begin, jobTypes } from '../support/job-scenarios';
import { ledgerLines } from '../support/ledger-check';
import {
  accepts,
  failed,
  isUnclear,
  isUnreachable,
  refuses,
  saysLater,
  type ScriptedResponse,
} from '../support/scripted-provider';

describe('money', () => {
  const harness = useJobHarness();

  afterEach(async () => {
    expect(await harness.brokenLedgerEntries()).toEqual([]);
  });

  const entries = (): Promise<string[]> => ledgerLines(harness.database);
  const submit = (job: Job): Promise<unknown> => harness.worker.submit(job.table);
  const retried = async (job: Job): Promise<void> => {
    harness.provider.otherwise = failed();
    await harness.untilDue(job);
    await harness.worker.poll(job.table);
    await harness.retry(job);
  };
  /** Checks the reservations as later. */
  const reconcile = async (): Promise<void> => {
    await harness.database.rows('UPDATE ledger_entries SET due_at = now() WHERE due_at IS NOT NULL');
    await reconcileLedger(harness.database, jobKinds);
  };

  describe.each(jobTypes)('of a %s', (jobType) => {
    it.each<[string, () => ScriptedResponse, string[]]>([
      ['accepted', () => accepts(), ['1 RESERVED', '1 SPENT']],
      ['refused', () => refuses(), ['1 RESERVED', '1 RELEASED']],
      ['not sent, and is QUEUED again', isUnreachable, ['1 RESERVED']],
      ['postponed, and is QUEUED again', () => saysLater(1), ['1 RESERVED']],
      ['of unknown outcome', () => isUnclear(), ['1 RESERVED']],
    ])('moves once, when its call is %s', async (_, response, expected) => {
      const job = await begin(harness, jobType);
      expect(await entries()).toEqual(['1 RESERVED']);
      harness.provider.next(response());
      await submit(job);
      expect(await entries()).toEqual(expected);
    });

    it.each<['cancel' | 'delete', string, () => ScriptedResponse, string]>([
      ['cancel', 'refused', () => refuses(), 'RELEASED'],
      ['cancel', 'not sent', isUnreachable, 'RELEASED'],
      ['cancel', 'of unknown outcome', () => isUnclear(), 'SPENT'],
      ['cancel', 'accepted', () => accepts(), 'SPENT'],
      ['delete', 'refused', () => refuses(), 'RELEASED'],
      ['delete', 'not sent', isUnreachable, 'RELEASED'],
      ['delete', 'of unknown outcome', () => isUnclear(), 'SPENT'],
      ['delete', 'accepted', () => accepts(), 'SPENT'],
    ])('stays reserved after a %s during a call that is then %s', async (change, _, response, end) => {
      const job = await begin(harness, jobType);
      const held = harness.provider.hold();
      const pass = submit(job);
      await held.arrived;
      await harness[change](job);
      expect(await entries()).toEqual(['1 RESERVED']);
      held.answer(response());
      await pass;
      expect(await entries()).toEqual(['1 RESERVED', `1 ${end}`]);
    });

    it('is released when the job is not submitted until its deadline', async () => {
      const job = await begin(harness, jobType);
      await harness.database.rows(`UPDATE ${job.table} SET deadline_at = now() WHERE id = $1`, [job.id]);
      await submit(job);
      expect(await harness.row(job)).toMatchObject({ status: 'FAILED' });
      expect(await entries()).toEqual(['1 RESERVED', '1 RELEASED']);
    });

    it('is released when the job is not started by `startBy`', async () => {
      const job = await begin(harness, jobType);
      await harness.database.rows(`UPDATE ${job.table} SET start_by = now() WHERE id = $1`, [job.id]);
      await submit(job);
      expect(await harness.row(job)).toMatchObject({ status: 'CANCELLED' });
      expect(await entries()).toEqual(['1 RESERVED', '1 RELEASED']);
    });

    it('is spent when the outcome stays unknown, and stays spent when the job succeeds late', async () => {
      const job = await begin(harness, jobType);
      harness.provider.next(isUnclear());
      await submit(job);
      const [call] = harness.provider.calls;
      if (call!.photoUrls.length > 0) await harness.fetchPhoto(call!);
      await harness.age(job, graceMs + 1_000);
      await submit(job);
      expect(await harness.row(job)).toMatchObject({ failureCode: 'SUBMISSION_UNKNOWN' });
      expect(await entries()).toEqual(['1 RESERVED', '1 SPENT']);
      await harness.retry(job);
      expect(await entries()).toEqual(['1 RESERVED', '1 SPENT', '2 RESERVED']);
    });

    it('is reserved again by each retry, at the numbers of the attempts', async () => {
      const job = await begin(harness, jobType);
      harness.provider.next(refuses('PHOTO_UNREACHABLE'));
      await submit(job);
      if ((await harness.row(job)).failureRetryable !== true) return;
      await harness.retry(job);
      await submit(job);
      await retried(job);
      await harness.cancel(job);
      expect(await entries()).toEqual([
        ...['1 RESERVED', '1 RELEASED', '2 RESERVED', '2 SPENT', '3 RESERVED', '3 RELEASED'],
      ]);
    });
  });

  it('of a retry that was never submitted is released, and that of the next one has the same attempt', async () => {
    const job = await begin(harness, 'training');
    for (let time = 0; time < 2; time += 1) {
      await harness.database.rows('UPDATE models SET deadline_at = now()');
      await submit(job);
      await harness.retry(job);
    }
    await submit(job);
    expect(await entries()).toEqual([
      ...['1 RESERVED', '1 RELEASED', '1 RESERVED', '1 RELEASED', '1 RESERVED', '1 SPENT'],
    ]);
  });

  it('of an UNCERTAIN attempt is spent by a retry', async () => {
    const job = await begin(harness, 'training');
    harness.provider.next(isUnclear());
    await submit(job);
    expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN' });
    await harness.retry(job);
    expect(await entries()).toEqual(['1 RESERVED', '1 SPENT', '2 RESERVED']);
  });

  it('of a retry is released if the call before turns out to be accepted', async () => {
    const job = await begin(harness, 'training');
    harness.worker.crashAt('submission:journaled');
    await submit(job);
    const successor = harness.successor(harness.worker);
    await harness.untilDue(job);
    await harness.database.rows(`UPDATE models SET status = 'UNCERTAIN', due_at = now() + interval '1 hour'`);
    await harness.retry(job);
    expect(await entries()).toEqual(['1 RESERVED', '2 RESERVED']);
    await successor.recorder.replay();
    expect(await harness.row(job)).toMatchObject({ status: 'TRAINING', attempt: 1 });
    expect(await entries()).toEqual(['1 RESERVED', '1 SPENT', '2 RESERVED', '2 RELEASED']);
  });

  it('that was released is spent once the charge is confirmed', async () => {
    const job = await begin(harness, 'training');
    harness.provider.next(refuses());
    await submit(job);
    const accept = (): Promise<unknown> =>
      harness.database.transaction((sql) =>
        acceptAttempt(sql, modelKind, { id: job.id, attempt: 1, ref: 'late' }),
      );
    await accept();
    await accept();
    expect(await entries()).toEqual(['1 RESERVED', '1 SPENT']);
  });

  it('that was spent is released once it is certain that the call was not made', async () => {
    const job = await begin(harness, 'training');
    const held = harness.provider.hold();
    const pass = submit(job);
    await held.arrived;
    await harness.database.rows(`UPDATE submissions SET outcome = 'UNKNOWN'`);
    await harness.cancel(job);
    expect(await entries()).toEqual(['1 RESERVED', '1 SPENT']);
    held.answer(isUnreachable());
    await pass;
    expect(await entries()).toEqual(['1 RESERVED', '1 RELEASED']);
  });

  it('of a call that is closed without an answer ends with it, or not at all', async () => {
    const job = await begin(harness, 'training');
    harness.worker.crashAt('submission:answered');
    await submit(job);
    await harness.cancel(job);
    await harness.database.rows(`UPDATE submissions SET called_at = now() - interval '61 min'`);
    const close = (): Promise<number> => closeUnanswered(harness.database, jobKinds, 60_000);
    const check = "ledger_entries ADD CONSTRAINT no_end CHECK (kind = 'RESERVED')";
    await harness.database.rows(`ALTER TABLE ${check}`);
    await expect(close()).rejects.toThrow('no_end');
    await harness.database.rows('ALTER TABLE ledger_entries DROP CONSTRAINT no_end');
    expect(await close()).toBe(1);
    expect(await entries()).toEqual(['1 RESERVED', '1 SPENT']);
  });

  it('is not spent by a later attempt that had no price', async () => {
    const job = await begin(harness, 'training');
    harness.provider.next(refuses('PHOTO_UNREACHABLE'));
    await submit(job);
    await harness.retry(job);
    await harness.database.rows(`DELETE FROM ledger_entries WHERE attempt = 2`);
    await submit(job);
    expect(await harness.row(job)).toMatchObject({ status: 'TRAINING', attempt: 2 });
    expect(await entries()).toEqual(['1 RESERVED', '1 RELEASED']);
  });

  it('is not recorded for jobs that were created without prices', async () => {
    const job = await begin(harness, 'generation');
    await harness.database.rows('TRUNCATE ledger_entries');
    await submit(job);
    await retried(job);
    await harness.cancel(job);
    await harness.delete(job);
    // Only the retry had a price.
    expect(await entries()).toEqual(['2 RESERVED', '2 RELEASED']);
  });

  describe('after a move by a process of an earlier version', () => {
    /** Undoes what this version has recorded with the moves. */
    const forgetEnds = async (): Promise<void> => {
      await harness.database.rows(`DELETE FROM ledger_entries WHERE kind <> 'RESERVED'`);
      await harness.database.rows(`UPDATE ledger_entries SET due_at = now() + interval '1 hour'`);
    };

    it.each<[string, (job: Job) => Promise<unknown>, string]>([
      ['that was accepted', submit, 'SPENT'],
      [
        'that was refused',
        (job) => {
          harness.provider.next(refuses());
          return submit(job);
        },
        'RELEASED',
      ],
      ['that was cancelled', (job) => harness.cancel(job), 'RELEASED'],
      [
        'that was deleted, so that it is not known whether it was charged',
        (job) => harness.delete(job),
        'SPENT',
      ],
    ])('is settled for a job %s', async (_, change, end) => {
      const job = await begin(harness, 'training');
      await change(job);
      await forgetEnds();
      await reconcileLedger(harness.database, jobKinds);
      expect(await entries()).toEqual(['1 RESERVED']);
      await reconcile();
      expect(await entries()).toEqual(['1 RESERVED', `1 ${end}`]);
      await reconcile();
      expect(await entries()).toEqual(['1 RESERVED', `1 ${end}`]);
    });

    it('is checked again later, at growing intervals, while the job waits', async () => {
      await begin(harness, 'training');
      await reconcile();
      const dueIn = async (): Promise<number> => {
        const [row] = await harness.database.rows<{ ms: number }>(
          `SELECT (extract(epoch FROM ${ledgerDue.sql(1)} - now()) * 1000)::float8 AS ms`,
        );
        return row!.ms / 60_000;
      };
      expect(await dueIn()).toBeCloseTo(10, 0);
      await harness.database.rows(`UPDATE ledger_entries SET created_at = now() - interval '30 minutes'`);
      await reconcile();
      expect(await dueIn()).toBeCloseTo(30, 0);
      expect(await entries()).toEqual(['1 RESERVED']);
    });
  });

  it.each(['cancel', 'delete'] as const)(
    'is spent if the process ended during the call of a job after a %s',
    async (change) => {
      const job = await begin(harness, 'training');
      harness.worker.crashAt('submission:answered');
      await submit(job);
      await harness[change](job);
      expect(await entries()).toEqual(['1 RESERVED']);
      await harness.database.rows(
        `UPDATE submissions SET called_at = now() - interval '61 min', job_deleted_at = job_deleted_at - interval '61 min'`,
      );
      await closeUnanswered(harness.database, jobKinds, 60_000);
      await detachUnanswered(harness.database, jobKinds);
      expect(await entries()).toEqual(['1 RESERVED', '1 SPENT']);
      expect(await harness.database.rows('SELECT FROM submissions WHERE model_id IS NULL')).toHaveLength(
        change === 'delete' ? 1 : 0,
      );
    },
  );

  it('of a retry is spent although the clock of the process before was ahead', async () => {
    const job = await begin(harness, 'training');
    await harness.database.rows('UPDATE models SET deadline_at = now()');
    await submit(job);
    const later = `('ffffffff' || right(reservation_id::text, 28))::uuid`;
    await harness.database.rows(
      `UPDATE ledger_entries SET reservation_id = ${later}, id = CASE kind WHEN 'RESERVED' THEN ${later} ELSE id END`,
    );
    await harness.retry(job);
    await submit(job);
    expect((await entries()).sort()).toEqual(['1 RELEASED', '1 RESERVED', '1 RESERVED', '1 SPENT']);
  });
});
