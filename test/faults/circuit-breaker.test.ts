import { newId } from '../../src/core/ids';
import type { UpstreamBudget } from '../../src/upstream/budget.repository';
import { CallWithheld } from '../../src/upstream/provider';
import { BudgetProcesses } from '../support/budget-processes';
import { TestDatabase } from '../support/database';
import { JobHarness } from '../support/job-harness';
import { begin } from '../support/job-scenarios';
import { answersBadly, running, timesOut } from '../support/scripted-provider';

describe('circuit breakers', () => {
  let testDatabase: TestDatabase;
  let budgets: BudgetProcesses;

  beforeAll(async () => {
    testDatabase = await TestDatabase.create();
    budgets = new BudgetProcesses(await testDatabase.pool(8));
  });

  afterAll(() => testDatabase.drop());

  it('grants everything while fewer than five jobs fail', async () => {
    const [one, other] = budgets.processes(2) as [UpstreamBudget, UpstreamBudget];
    await budgets.fail(one, 4);
    expect((await other.take('poll', 10)).granted).toBe(10);
  });

  it('counts jobs and not calls: one job that always fails blocks no other calls', async () => {
    const [one, other] = budgets.processes(2) as [UpstreamBudget, UpstreamBudget];
    const jobId = newId();
    for (let call = 0; call < 40; call += 1) await one.failed('poll', [{ jobId, isUnreachable: true }]);
    expect((await other.take('poll', 10)).granted).toBe(10);
    expect((await other.take('submit', 1)).granted).toBe(1);
  });

  it('resets the count after a successful response', async () => {
    const [one, other] = budgets.processes(2) as [UpstreamBudget, UpstreamBudget];
    await budgets.fail(one, 4);
    await other.answered('poll', {});
    await budgets.fail(one, 4);
    expect((await budgets.state()).failing).toBe(4);
    expect((await other.take('poll', 10)).granted).toBe(10);
  });

  it('blocks every process once the calls of five jobs failed', async () => {
    const [one, other] = budgets.processes(2) as [UpstreamBudget, UpstreamBudget];
    await budgets.fail(one, 5);
    const { granted, waitMs } = await other.take('poll', 10);
    expect(granted).toBe(0);
    expect(waitMs).toBeGreaterThan(4_000);
    expect((await other.take('submit', 1)).granted).toBe(0);
  });

  it('grants no poll of a failed job while the circuit of polls, or of everything, is not closed', async () => {
    const [one, other] = budgets.processes(2) as [UpstreamBudget, UpstreamBudget];
    await budgets.fail(one, 5, { isUnreachable: false });
    expect((await other.take('watch', 1)).granted).toBe(0);
    await budgets.advance(301_000);
    expect((await other.take('watch', 1)).granted).toBe(0);
    expect((await other.take('poll', 5)).granted).toBe(1);
    await other.answered('poll', {});
    expect((await other.take('watch', 1)).granted).toBe(1);
  });

  it('does not block submissions when polls are answered with errors', async () => {
    const [one, other] = budgets.processes(2) as [UpstreamBudget, UpstreamBudget];
    await budgets.fail(one, 9, { isUnreachable: false });
    expect((await other.take('poll', 1)).granted).toBe(0);
    expect((await other.take('submit', 1)).granted).toBe(1);
  });

  it('does not block polls when submissions fail, and polls do not unblock submissions', async () => {
    const [one, other] = budgets.processes(2) as [UpstreamBudget, UpstreamBudget];
    await budgets.fail(one, 9, { kind: 'submit', isUnreachable: false });
    expect((await other.take('poll', 1)).granted).toBe(1);
    await budgets.fail(one, 1);
    await one.answered('poll', {});
    expect((await one.take('submit', 1)).granted).toBe(0);
  });

  it('waits for as long as the calls have been failing, at least 5 s and at most 5 min', async () => {
    const [one] = budgets.processes(1) as [UpstreamBudget];
    await budgets.fail(one, 5);
    await budgets.fail(one, 30);
    expect((await budgets.state()).pauseMs).toBeLessThanOrEqual(5_000);
    for (const sinceMs of [20_000, 60_000]) {
      await budgets.advance(sinceMs);
      await budgets.fail(one, 1);
      expect((await budgets.state()).pauseMs).toBeGreaterThan(sinceMs - 1_000);
    }
    await budgets.advance(3_600_000);
    await budgets.fail(one, 1);
    expect((await budgets.state()).pauseMs).toBeGreaterThan(295_000);
    expect((await budgets.state()).pauseMs).toBeLessThanOrEqual(300_000);
  });

  it('remembers a bounded number of failing jobs', async () => {
    const [one] = budgets.processes(1) as [UpstreamBudget];
    const failures = Array.from({ length: 500 }, () => ({ jobId: newId(), isUnreachable: false }));
    await one.failed('poll', failures);
    expect((await budgets.state()).failing).toBeLessThanOrEqual(20);
  });

  it('grants exactly one trial call after the wait, of both kinds together', async () => {
    const all = budgets.processes(6);
    await budgets.fail(all[0]!, 5);
    await budgets.advance(6_000);
    const grants = await Promise.all([
      ...all.map((budget) => budget.take('poll', 20)),
      ...all.map((budget) => budget.take('submit', 1)),
    ]);
    expect(sum(grants.map((grant) => grant.granted))).toBe(1);
    expect(grants.filter((grant) => grant.granted === 0).every((grant) => grant.waitMs > 0)).toBe(true);
  });

  it('grants everything once the trial call is answered', async () => {
    const [one, other] = budgets.processes(2) as [UpstreamBudget, UpstreamBudget];
    await budgets.fail(one, 5);
    await budgets.advance(6_000);
    expect((await other.take('poll', 20)).granted).toBe(1);
    await other.answered('poll', {});
    expect(await budgets.state()).toMatchObject({ failing: 0 });
    expect((await one.take('poll', 20)).granted).toBe(20);
  });

  it('grants nothing after a trial call that fails', async () => {
    const [one, other] = budgets.processes(2) as [UpstreamBudget, UpstreamBudget];
    await budgets.fail(one, 5);
    await budgets.advance(6_000);
    expect((await other.take('poll', 20)).granted).toBe(1);
    await budgets.fail(other, 1);
    expect((await one.take('poll', 20)).granted).toBe(0);
  });

  it.each(['poll', 'submit'] as const)(
    'grants another trial call at once if the first %s was not made',
    async (kind) => {
      const [one, other] = budgets.processes(2) as [UpstreamBudget, UpstreamBudget];
      await budgets.fail(one, 5, { kind, isUnreachable: false });
      await budgets.advance(6_000);
      const { isTrial } = await one.take(kind, 1);
      await one.release(kind, 1, isTrial);
      expect(await other.take(kind, 1)).toMatchObject({ granted: 1, isTrial: true });
    },
  );

  it.each(['poll', 'submit'] as const)(
    'waits as long after a granted %s was not made that was no trial',
    async (kind) => {
      const [one, other] = budgets.processes(2) as [UpstreamBudget, UpstreamBudget];
      const { isTrial } = await one.take(kind, 1);
      await budgets.fail(one, 5, { kind });
      await one.release(kind, 1, isTrial);
      expect((await other.take(kind, 1)).granted).toBe(0);
    },
  );

  it('grants another trial call if the process that made the first one ended', async () => {
    const [one, other] = budgets.processes(2) as [UpstreamBudget, UpstreamBudget];
    await budgets.fail(one, 5);
    await budgets.advance(6_000);
    await one.take('poll', 1);
    await budgets.advance(30_000);
    expect((await other.take('poll', 1)).granted).toBe(0);
    await budgets.advance(30_000);
    expect((await other.take('poll', 1)).granted).toBe(1);
  });

  it.each(['poll', 'submit'] as const)(
    'grants no other trial %s while the first one may still run',
    async (kind) => {
      const maxCallMs = 200_000;
      const [one, other] = budgets.processes(2, { maxCallMs }) as [UpstreamBudget, UpstreamBudget];
      await budgets.fail(one, 5, { kind, isUnreachable: false });
      await budgets.advance(6_000);
      expect((await one.take(kind, 1)).granted).toBe(1);
      await budgets.advance(maxCallMs + 5_000);
      expect((await other.take(kind, 1)).granted).toBe(0);
      await budgets.advance(maxCallMs);
      expect((await other.take(kind, 1)).granted).toBe(1);
    },
  );
});

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

describe('calls', () => {
  let harness: JobHarness;

  beforeAll(async () => {
    harness = await JobHarness.open();
  });

  afterEach(() => harness.clear());

  afterAll(() => harness.stop());

  it.each([
    ['one job times out every time', 1, timesOut()],
    ['polls of nine jobs are answered with errors', 9, answersBadly()],
  ])('are made while %s', async (_, count, answer) => {
    const worker = harness.process();
    for (let job = 0; job < count; job += 1) await begin(harness, 'training');
    await worker.submit('models');
    await worker.submit('models');
    harness.provider.otherwise = answer;
    for (let time = 0; time < 12; time += 1) {
      await harness.database.rows(`UPDATE models SET due_at = now() WHERE provider_ref IS NOT NULL`);
      await worker.poll('models');
    }
    const other = await begin(harness, 'training');
    await worker.submit('models');
    expect(await harness.row(other)).toMatchObject({ status: 'TRAINING' });
  });

  it('are withheld during a requested delay: polls that waited for a connection meanwhile are no tries', async () => {
    const worker = harness.process();
    const job = await begin(harness, 'training');
    await worker.submit('models');
    await harness.untilDue(job);
    const before = await harness.row(job);
    const training = jest.spyOn(harness.provider, 'training');
    training.mockRejectedValueOnce(new CallWithheld(60_000));
    const [{ tokens } = { tokens: 0 }] = await tokensLeft();
    await worker.poll('models');
    const { polls, tries, lastError } = before;
    expect(await harness.row(job)).toMatchObject({
      status: 'TRAINING',
      lease: null,
      polls,
      tries,
      lastError,
    });
    expect((await harness.row(job)).dueAt!.getTime()).toBeLessThan(Date.now() + 1_000);
    expect((await tokensLeft())[0]!.tokens).toBeGreaterThanOrEqual(tokens);
    const timeline = await harness.readJob<{ timeline: { nodes: object[] } }>(
      job,
      'timeline(first: 100) { nodes { message } }',
    );
    expect(JSON.stringify(timeline)).not.toContain('was asked how');
    await worker.poll('models');
    expect(training).toHaveBeenCalledTimes(1);
    await harness.untilDue(job);
    await worker.poll('models');
    expect(training).toHaveBeenCalledTimes(2);
    training.mockRestore();
  });

  it('that waited for a connection when the process stops are returned to the budget, and pause no others', async () => {
    const worker = harness.process();
    const job = await begin(harness, 'training');
    await worker.submit('models');
    await harness.untilDue(job);
    const training = jest.spyOn(harness.provider, 'training');
    training.mockRejectedValueOnce(new CallWithheld());
    const [{ tokens } = { tokens: 0 }] = await tokensLeft();
    await worker.poll('models');
    expect((await tokensLeft())[0]!.tokens).toBeGreaterThanOrEqual(tokens);
    await worker.poll('models');
    expect(training).toHaveBeenCalledTimes(2);
    training.mockRestore();
  });

  const tokensLeft = (): Promise<{ tokens: number }[]> =>
    harness.database.rows('SELECT poll_tokens::float AS tokens FROM upstream_accounts');

  it('are made while nine jobs time out and a tenth, polled with them, is answered', async () => {
    const worker = harness.process();
    const jobs = await Promise.all(Array.from({ length: 10 }, () => begin(harness, 'training')));
    for (let pass = 0; pass < 2; pass += 1) await worker.submit('models');
    harness.provider.otherwise = timesOut();
    harness.provider.says((await harness.row(jobs[0]!)).providerRef!, running());
    await harness.database.rows('UPDATE models SET due_at = now()');
    await worker.poll('models');
    const other = await begin(harness, 'training');
    await worker.submit('models');
    expect(await harness.row(other)).toMatchObject({ status: 'TRAINING' });
  });
});
