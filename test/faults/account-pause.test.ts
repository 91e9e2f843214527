import { pauseByOperator, resumeByOperator } from '../../src/upstream/account-pause.repository';
import { UpstreamError } from '../../src/upstream/provider';
import { type Job, useJobHarness } from '../support/job-harness';
import { begin } from '../support/job-scenarios';
import { accepts, isUnclear, refuses, type ScriptedResponse } from '../support/scripted-provider';

const hourMs = 3_600_000;

describe('a paused upstream account', () => {
  const harness = useJobHarness();

  const queued = (count: number): Promise<Job[]> =>
    Promise.all(Array.from({ length: count }, () => begin(harness, 'training')));
  const statuses = async (): Promise<Record<string, number>> => {
    const rows = await harness.database.rows<{ status: string; count: number }>(
      'SELECT status, count(*)::int AS count FROM models GROUP BY status',
    );
    return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
  };
  const calls = (): number => harness.provider.calls.length;
  const submit = async (passes = 1): Promise<void> => {
    for (let pass = 0; pass < passes; pass += 1) await harness.worker.submit('models');
  };
  const refuseAll = (response: ScriptedResponse, count = 50): void => {
    harness.provider.next(...Array.from({ length: count }, () => response));
  };
  /** Makes the check of the account due, and runs it. */
  const check = async (): Promise<void> => {
    await harness.database.rows('UPDATE upstream_accounts SET probe_at = now() WHERE probe_at IS NOT NULL');
    await harness.worker.probe();
  };
  const account = async (): Promise<{ reason: string | null; isOnTrial: boolean; probeInMs: number }> => {
    const [row] = await harness.database.rows<{ reason: string | null; on_trial: boolean; probe_in: number }>(
      `SELECT submit_pause_reason AS reason, trial_at IS NOT NULL AS on_trial,
              (extract(epoch FROM probe_at - now()) * 1000)::float8 AS probe_in FROM upstream_accounts`,
    );
    return { reason: row!.reason, isOnTrial: row!.on_trial, probeInMs: row!.probe_in };
  };

  const byOperator = (change: typeof pauseByOperator, provider: string | null = null): Promise<string[]> =>
    harness.database.transaction((sql) => change(sql, { prefix: '', provider }));

  it.each([['UPSTREAM_CREDITS'], ['UPSTREAM_AUTH']] as const)(
    'gets no further paid call and keeps every job QUEUED: %s',
    async (refusal) => {
      await queued(24);
      refuseAll(refuses(refusal));
      await submit();
      const first = calls();
      expect(first).toBeLessThanOrEqual(16);
      await submit(5);
      await harness.process().submit('models');
      expect(calls()).toBe(first);
      expect(await statuses()).toEqual({ QUEUED: 24 });
      expect((await account()).reason).toBe(refusal);
    },
  );

  it('is probed, and its jobs are submitted in order after it recovers', async () => {
    const jobs = await queued(3);
    await harness.database.rows(`UPDATE models SET deadline_at = deadline_at - interval '1 h'`);
    refuseAll(refuses('UPSTREAM_CREDITS'), 3);
    await submit();
    const due = await Promise.all(jobs.map((job) => harness.row(job)));
    const queuedForMs = due.map(({ dueAt }) => Date.now() - dueAt!.getTime());
    expect(Math.min(...queuedForMs)).toBeGreaterThan(hourMs - 1_000);
    expect(due.every(({ lastError }) => lastError?.includes('400'))).toBe(true);
    // It is not due yet.
    await harness.worker.probe();
    expect(harness.provider.checks).toBe(0);
    await check();
    expect(harness.provider.checks).toBe(1);
    await submit(2);
    expect(await statuses()).toEqual({ TRAINING: 3 });
    expect(await account()).toEqual({ reason: null, isOnTrial: false, probeInMs: null });
  });

  it('stays paused while probes confirm the reason, with intervals that grow to 20 times the first', async () => {
    await queued(1);
    harness.provider.next(refuses('UPSTREAM_CREDITS'));
    harness.provider.check = { acceptsKey: true, credits: 0 };
    await submit();
    const intervals = [(await account()).probeInMs];
    for (let time = 0; time < 5; time += 1) {
      await check();
      intervals.push((await account()).probeInMs);
    }
    expect(intervals.map((ms) => Math.round(ms / 1_000))).toEqual([30, 60, 120, 240, 480, 600]);
    await submit(3);
    expect(calls()).toBe(1);
    expect(await statuses()).toEqual({ QUEUED: 1 });
  });

  it('gets one trial submission at the maximum interval although the probe still fails', async () => {
    await queued(3);
    refuseAll(refuses('UPSTREAM_CREDITS'), 3);
    harness.provider.check = { acceptsKey: true, credits: 0 };
    await submit();
    for (let time = 0; time < 6; time += 1) await check();
    await submit();
    expect(calls()).toBe(4);
    await submit();
    expect(await statuses()).toEqual({ TRAINING: 3 });
  });

  it.each([
    ['UPSTREAM_CREDITS', { acceptsKey: null, credits: null }],
    ['UPSTREAM_CREDITS', { acceptsKey: false, credits: null }],
    ['UPSTREAM_AUTH', { acceptsKey: null, credits: null }],
  ] as const)('gets single trial submissions when the probe is inconclusive: %s', async (refusal, shown) => {
    await queued(10);
    refuseAll(refuses(refusal), 10);
    harness.provider.check = shown;
    await submit();
    harness.provider.unscript();
    const before = calls();
    await check();
    harness.provider.next(refuses(refusal));
    await Promise.all(
      [harness.worker, harness.process(), harness.process()].map((each) => each.submit('models')),
    );
    expect(calls()).toBe(before + 1);
    expect((await account()).probeInMs).toBeGreaterThan(50_000);
    await check();
    await submit();
    expect(calls()).toBe(before + 2);
    await submit(2);
    expect(await statuses()).toEqual({ TRAINING: 10 });
  });

  it('continues with single trial submissions after one with an unknown outcome', async () => {
    await queued(3);
    refuseAll(refuses('UPSTREAM_CREDITS'), 3);
    await submit();
    await check();
    harness.provider.next(isUnclear(), accepts());
    await submit();
    expect(calls()).toBe(4);
    await submit();
    expect(calls()).toBe(5);
    expect(await account()).toMatchObject({ reason: null, isOnTrial: false });
  });

  it('is not resumed by the response to a call made before the pause', async () => {
    await queued(2);
    const held = harness.provider.hold();
    harness.provider.next(refuses('UPSTREAM_CREDITS'));
    const pass = submit();
    await held.arrived;
    while (calls() < 2 || (await account()).reason === null) await new Promise(setImmediate);
    held.answer(accepts());
    await pass;
    expect((await account()).reason).toBe('UPSTREAM_CREDITS');
  });

  it('stays paused by an operator when a call in flight is refused, and is not probed', async () => {
    await queued(1);
    const held = harness.provider.hold();
    const pass = submit();
    await held.arrived;
    await byOperator(pauseByOperator);
    held.answer(refuses('UPSTREAM_CREDITS'));
    await pass;
    expect((await account()).reason).toBe('OPERATOR');
    await check();
    expect(harness.provider.checks).toBe(0);
    await byOperator(resumeByOperator);
    await submit();
    expect(await statuses()).toEqual({ TRAINING: 1 });
  });

  it('stays paused by an operator if it is used for the first time later', async () => {
    const { name } = harness.provider;
    // The last change of a provider, or of all, decides.
    for (const provider of [null, name]) {
      expect(await byOperator(pauseByOperator, provider)).toEqual([]);
      await queued(1);
      await submit();
      expect([calls(), (await account()).reason]).toEqual([0, 'OPERATOR']);
      expect(await byOperator(resumeByOperator, name)).toHaveLength(1);
      await submit();
      expect(await statuses()).toEqual({ TRAINING: 1 });
      await byOperator(pauseByOperator);
      await byOperator(resumeByOperator, name);
      await harness.database.rows('DELETE FROM upstream_accounts');
      harness.worker = harness.process();
      await queued(1);
      await submit();
      expect(await statuses()).toEqual({ TRAINING: 2 });
      await harness.clear();
      harness.worker = harness.process();
    }
  });

  it('fails only one job on a 403 that does not concern the account', async () => {
    const [bad] = await queued(1);
    refuseAll(refuses('FORBIDDEN'), 2);
    await submit();
    expect(await statuses()).toEqual({ QUEUED: 1 });
    await harness.worker.probe();
    expect(harness.provider.checks).toBe(1);
    await submit();
    expect(await harness.row(bad!)).toMatchObject({ status: 'FAILED', failureCode: 'UPSTREAM_REJECTED' });
    const others = await queued(5);
    await submit();
    expect(await harness.row(others[4]!)).toMatchObject({ status: 'TRAINING' });
  });

  it('fails a job at its third 403 when probes are inconclusive', async () => {
    const [bad] = await queued(1);
    harness.provider.check = { acceptsKey: null, credits: null };
    refuseAll(refuses('FORBIDDEN'), 9);
    for (let time = 0; time < 3; time += 1) {
      await submit();
      await check();
    }
    expect(await harness.row(bad!)).toMatchObject({ status: 'FAILED', failureCode: 'UPSTREAM_REJECTED' });
    expect(calls()).toBe(3);
  });

  it('fails its jobs at their queue deadline with the reason for the pause', async () => {
    for (const refusal of ['UPSTREAM_CREDITS', 'UPSTREAM_AUTH'] as const) {
      const jobs = await queued(2);
      refuseAll(refuses(refusal), 2);
      await submit();
      await harness.database.rows(`UPDATE models SET deadline_at = now() WHERE status = 'QUEUED'`);
      await submit();
      await harness.worker.endOverdue('models');
      for (const job of jobs) {
        const row = await harness.row(job);
        expect(row).toMatchObject({ status: 'FAILED', failureCode: refusal, failureRetryable: true });
        expect(row.failureMessage).toContain('Nothing was charged');
      }
      await harness.database.rows('DELETE FROM upstream_accounts');
      await harness.clear();
      harness.worker = harness.process();
    }
  });

  it('gets no polls after a 401 until a probe confirms that the key is accepted', async () => {
    const jobs = await queued(4);
    await submit();
    harness.provider.otherwise = new UpstreamError('REFUSED', 'The upstream answered 401.', {
      status: 401,
      refusal: 'UPSTREAM_AUTH',
    });
    await harness.database.rows('UPDATE models SET due_at = now()');
    await harness.worker.poll('models');
    const polled = (): number => [...harness.provider.polls.values()].reduce((sum, count) => sum + count, 0);
    expect(polled()).toBe(4);
    for (let pass = 0; pass < 3; pass += 1) {
      await harness.database.rows('UPDATE models SET due_at = now()');
      await harness.worker.poll('models');
    }
    expect(polled()).toBe(4);
    expect((await account()).reason).toBe('UPSTREAM_AUTH');
    harness.provider.otherwise = { state: 'DONE', results: [], notice: {} };
    await check();
    await harness.database.rows('UPDATE models SET due_at = now()');
    await harness.worker.poll('models');
    expect(await harness.row(jobs[0]!)).toMatchObject({ status: 'READY' });
  });

  it('accepts a successful poll as proof of the key when probes are inconclusive', async () => {
    await queued(3);
    await submit();
    harness.provider.check = { acceptsKey: null, credits: null };
    harness.provider.otherwise = new UpstreamError('REFUSED', 'The upstream answered 401.', {
      status: 401,
      refusal: 'UPSTREAM_AUTH',
    });
    await harness.database.rows('UPDATE models SET due_at = now()');
    await harness.worker.poll('models');
    await check();
    harness.provider.otherwise = { state: 'DONE', results: [], notice: {} };
    for (let pass = 0; pass < 2; pass += 1) {
      await harness.database.rows('UPDATE models SET due_at = now() WHERE due_at IS NOT NULL');
      await harness.worker.poll('models');
    }
    expect((await account()).reason).toBeNull();
    expect(await statuses()).toEqual({ READY: 3 });
  });
});
