import { jobKinds } from '../../src/generations/generation.kind';
import {
  closeUnanswered,
  detachUnanswered,
  pruneLedger,
  readLedger,
  unansweredDue,
} from '../../src/jobs/ledger.repository';
import { acceptAttempt } from '../../src/jobs/submission.repository';
import { modelKind } from '../../src/models/model.kind';
import { readDueTimes } from '../../src/poller/due.repository';
import { type Job, useJobHarness } from '../support/job-harness';
import { graceMs } from '../support/job-process';
import { begin, jobTypes } from '../support/job-scenarios';
import {
  accepts,
  failed,
  isUnclear,
  isUnreachable,
  refuses,
  type ScriptedResponse,
} from '../support/scripted-provider';

const dayMs = 86_400_000;

describe('quotas and the ledger of paid calls', () => {
  const harness = useJobHarness();

  /** Today's reservations that count. */
  const counted = async (): Promise<number> => {
    const [row] = await harness.database.rows<{ count: number }>(
      `SELECT count(*)::int AS count FROM quota_reservations
        WHERE returned_at IS NULL AND day = (now() AT TIME ZONE 'UTC')::date`,
    );
    return row!.count;
  };
  interface Call {
    outcome: string;
    units: number;
    isDetached: boolean;
    isAnonymous: boolean;
  }
  const calls = (): Promise<Call[]> =>
    harness.database.rows<Call>(
      `SELECT outcome, trainings + avatars AS units, model_id IS NULL AND generation_id IS NULL AS "isDetached",
              num_nonnulls(provider_ref, correlation_id, evidence, job_deleted_at) = 0 AS "isAnonymous"
         FROM submissions ORDER BY attempt`,
    );
  const units: Record<string, number> = { training: 1, generation: 2, 'generation from a photo': 1 };

  describe.each(jobTypes)('for a %s', (jobType) => {
    it.each<['cancel' | 'delete', string, number, () => ScriptedResponse, string]>([
      ['cancel', 'refused', 0, () => refuses(), 'REFUSED'],
      ['cancel', 'not sent', 0, isUnreachable, 'NOT_EXECUTED'],
      ['cancel', 'of unknown outcome', 1, () => isUnclear(), 'UNKNOWN'],
      ['cancel', 'accepted', 1, () => accepts(), 'ACCEPTED'],
      ['delete', 'refused', 0, () => refuses(), 'REFUSED'],
      ['delete', 'not sent', 0, isUnreachable, 'NOT_EXECUTED'],
      ['delete', 'of unknown outcome', 1, () => isUnclear(), 'UNKNOWN'],
      ['delete', 'accepted', 1, () => accepts(), 'ACCEPTED'],
    ])('a %s during a call that is then %s counts %s', async (change, _, left, response, outcome) => {
      const job = await begin(harness, jobType);
      const held = harness.provider.hold();
      const pass = harness.worker.submit(job.table);
      await held.arrived;
      await harness[change](job);
      expect(await counted()).toBe(1);
      held.answer(response());
      await pass;
      expect(await counted()).toBe(left);
      const isDetached = change === 'delete';
      expect(await calls()).toMatchObject([{ outcome, units: units[jobType], isDetached }]);
      if (!isDetached) await harness.delete(job);
      expect(await counted()).toBe(left);
      expect(await calls()).toEqual([
        { outcome, units: units[jobType], isDetached: true, isAnonymous: true },
      ]);
    });
  });

  it.each<[string, (job: Job) => Promise<void>, number]>([
    [
      'refused',
      async (job) => {
        harness.provider.next(refuses());
        await harness.worker.submit(job.table);
      },
      0,
    ],
    [
      'not submitted before its queue deadline',
      async (job) => {
        await harness.database.rows('UPDATE models SET deadline_at = now()');
        await harness.worker.submit(job.table);
      },
      0,
    ],
    [
      'of unknown outcome',
      async (job) => {
        harness.provider.next(isUnclear());
        await harness.worker.submit(job.table);
        await harness.fetchPhoto(harness.provider.calls[0]!);
        await harness.age(job, graceMs + 1_000);
        await harness.worker.submit(job.table);
      },
      1,
    ],
    [
      'failed by the upstream after it took it',
      async (job) => {
        await harness.worker.submit(job.table);
        harness.provider.otherwise = failed();
        await harness.untilDue(job);
        await harness.worker.poll(job.table);
      },
      1,
    ],
  ])('counts a FAILED training only if it may have been charged: %s', async (_, fail, left) => {
    const job = await begin(harness, 'training');
    await fail(job);
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED' });
    expect(await counted()).toBe(left);
  });

  it('counts a job again once its charge is confirmed', async () => {
    const job = await begin(harness, 'training');
    harness.provider.next(refuses());
    await harness.worker.submit(job.table);
    expect(await counted()).toBe(0);
    await harness.database.transaction((sql) =>
      acceptAttempt(sql, modelKind, { id: job.id, attempt: 1, ref: 'late' }),
    );
    expect(await counted()).toBe(1);
  });

  it.each(['generation', 'training'] as const)(
    'counts the attempts of a retried %s for the retry, and earlier ones for the first request',
    async (jobType) => {
      const job = await begin(harness, jobType);
      await harness.worker.submit(job.table);
      harness.provider.otherwise = failed();
      await harness.untilDue(job);
      await harness.worker.poll(job.table);
      await harness.database.rows('UPDATE quota_reservations SET day = day - 1');
      await harness.retry(job);
      expect(await counted()).toBe(1);
      harness.provider.next(refuses());
      await harness.worker.submit(job.table);
      expect(await harness.row(job)).toMatchObject({ status: 'FAILED', attempt: 2 });
      expect(await counted()).toBe(0);
      const [first] = await harness.database.rows<{ returned: boolean }>(
        'SELECT returned_at IS NOT NULL AS returned FROM quota_reservations ORDER BY id LIMIT 1',
      );
      expect(first).toEqual({ returned: false });
      await harness.delete(job);
      expect(await counted()).toBe(0);
    },
  );

  it('counts a retry that was paid once, after a first call that was refused', async () => {
    const job = await begin(harness, 'training');
    harness.provider.next(refuses('PHOTO_UNREACHABLE'));
    await harness.worker.submit(job.table);
    await harness.retry(job);
    await harness.worker.submit(job.table);
    harness.provider.otherwise = failed();
    await harness.untilDue(job);
    await harness.worker.poll(job.table);
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED', attempt: 2 });
    expect(await counted()).toBe(1);
  });

  it('keeps counting a paid first request when its retry is deleted during a call that is then refused', async () => {
    const job = await begin(harness, 'training');
    await harness.worker.submit(job.table);
    harness.provider.otherwise = failed();
    await harness.untilDue(job);
    await harness.worker.poll(job.table);
    await harness.retry(job);
    expect(await counted()).toBe(2);
    const held = harness.provider.hold();
    const pass = harness.worker.submit(job.table);
    await held.arrived;
    await harness.delete(job);
    held.answer(refuses());
    await pass;
    expect(await counted()).toBe(1);
  });

  it('keeps the calls of all generations of a deleted model, and returns none twice', async () => {
    const job = await begin(harness, 'generation');
    await harness.worker.submit(job.table);
    await harness.delete({ table: 'models', id: job.streamId, streamId: job.streamId });
    expect(await calls()).toEqual([{ outcome: 'ACCEPTED', units: 2, isDetached: true, isAnonymous: true }]);
    expect(await counted()).toBe(1);
  });

  /** Whether calls without an answer are due for a process; null: never. */
  const isUnansweredDue = async (): Promise<boolean | null> => {
    const due = unansweredDue(60_000);
    const [ms = null] = await readDueTimes((...statement) => harness.database.rows(...statement), [due]);
    return ms === null ? null : ms <= 0;
  };

  it('detaches a call with an unknown outcome if its process ended after its job was deleted', async () => {
    const job = await begin(harness, 'training');
    harness.worker.crashAt('submission:before-call');
    await harness.worker.submit(job.table);
    await harness.delete(job);
    expect(await detachUnanswered(harness.database, jobKinds)).toBe(0);
    expect(await isUnansweredDue()).toBe(false);
    await harness.database.rows(`UPDATE submissions SET job_deleted_at = now() - interval '61 min'`);
    expect(await isUnansweredDue()).toBe(true);
    expect(await detachUnanswered(harness.database, jobKinds)).toBe(1);
    expect(await isUnansweredDue()).toBeNull();
    expect(await calls()).toEqual([{ outcome: 'UNKNOWN', units: 1, isDetached: true, isAnonymous: true }]);
  });

  it('closes a call with an unknown outcome if its process ended after its job was cancelled', async () => {
    const job = await begin(harness, 'training');
    harness.worker.crashAt('submission:answered');
    await harness.worker.submit(job.table);
    await harness.cancel(job);
    const close = (): Promise<number> => closeUnanswered(harness.database, jobKinds, 60_000);
    expect(await close()).toBe(0);
    expect(await isUnansweredDue()).toBe(false);
    await harness.database.rows(`UPDATE submissions SET called_at = now() - interval '61 s'`);
    expect(await isUnansweredDue()).toBe(true);
    expect(await close()).toBe(1);
    expect(await close()).toBe(0);
    expect(await isUnansweredDue()).toBeNull();
    expect(await calls()).toEqual([{ outcome: 'UNKNOWN', units: 1, isDetached: false, isAnonymous: true }]);
    expect(await counted()).toBe(1);
  });

  it('reports spending by day, and removes calls of deleted jobs after their retention period', async () => {
    const [kept, gone] = [await begin(harness, 'training'), await begin(harness, 'generation')];
    harness.provider.next(() => Promise.resolve({ ref: 'ref-credits', notice: { creditsAvailable: 77 } }));
    await harness.worker.submit('models');
    await harness.worker.submit('generations');
    await harness.delete(gone);
    expect(await readLedger(harness.database, 1)).toEqual([
      {
        day: new Date().toISOString().slice(0, 10),
        ...{ provider: 'scripted', account: 'scripted account', trainings: 1, avatars: 2 },
        ...{ uncertainTrainings: 0, uncertainAvatars: 0, notExecuted: 0, creditsAvailable: 77 },
      },
    ]);
    await harness.database.rows(`UPDATE submissions SET called_at = called_at - interval '10 days'`);
    expect(await readLedger(harness.database, 1)).toEqual([]);
    expect(await pruneLedger(harness.database, 11 * dayMs)).toBe(0);
    expect(await pruneLedger(harness.database, 9 * dayMs)).toBe(1);
    expect(await harness.ledger(kept)).toHaveLength(1);
  });
});
