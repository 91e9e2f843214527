import { type Job, useJobHarness } from '../support/job-harness';
import { deadlineMs } from '../support/job-process';
import { begin, running as runningState, type JobType } from '../support/job-scenarios';
import {
  done,
  failed,
  isNotFound,
  limits,
  running,
  timesOut,
  type PollAnswer,
} from '../support/scripted-provider';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const url = 'https://pictures.example/1.png';

const kinds: { jobType: JobType; isDone: string; doneAnswer: PollAnswer; retentionMs: number }[] = [
  { jobType: 'training', isDone: 'READY', doneAnswer: done(), retentionMs: 30 * 24 * hourMs },
  { jobType: 'generation', isDone: 'STORING', doneAnswer: done(url), retentionMs: 48 * hourMs },
];

type Submitted = Job & { ref: string };

const harness = useJobHarness();

async function submitted(jobType: JobType): Promise<Submitted> {
  const job = await begin(harness, jobType);
  await harness.worker.submit(job.table);
  return { ...job, ref: (await harness.row(job)).providerRef! };
}

/** Polls so many times with this answer, each after the given time. */
async function poll(job: Submitted, answer: PollAnswer, times = 1, everyMs = 0): Promise<void> {
  harness.provider.says(job.ref, answer);
  for (let time = 0; time < times; time += 1) {
    await harness.age(job, everyMs);
    await harness.worker.poll(job.table);
  }
}

/** Moves the deadline of the job beyond the test. */
async function withoutDeadline(job: Submitted): Promise<void> {
  await harness.database.rows(`UPDATE ${job.table} SET deadline_at = now() + interval '10 d' WHERE id = $1`, [
    job.id,
  ]);
}

async function lost(jobType: JobType): Promise<Submitted> {
  const job = await submitted(jobType);
  await withoutDeadline(job);
  await poll(job, isNotFound(), 11, 3 * minuteMs);
  expect(await harness.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'MODEL_LOST_UPSTREAM' });
  return job;
}

async function timedOut(jobType: JobType): Promise<Submitted> {
  const job = await submitted(jobType);
  await harness.age(job, deadlineMs + 1_000);
  await poll(job, running(50));
  expect(await harness.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'UPSTREAM_TIMEOUT' });
  return job;
}

async function failedUpstream(jobType: JobType): Promise<Submitted> {
  const job = await submitted(jobType);
  await poll(job, failed('no face'));
  expect(await harness.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'UPSTREAM_FAILED' });
  return job;
}

const dueInMs = async (job: Job): Promise<number> => (await harness.row(job)).dueAt!.getTime() - Date.now();

describe.each(kinds)('a $jobType whose polls are answered with 404', ({ jobType, isDone, doneAnswer }) => {
  it('keeps its state for 30 minutes, and completes when the upstream finds it again', async () => {
    const job = await submitted(jobType);
    await withoutDeadline(job);
    await poll(job, isNotFound(), 11, 2 * minuteMs);
    harness.worker = harness.successor(harness.worker);
    await poll(job, isNotFound(), 1, 5 * minuteMs);
    expect(await harness.row(job)).toMatchObject({ status: runningState[job.table], failureCode: null });
    await poll(job, doneAnswer);
    expect(await harness.row(job)).toMatchObject({ status: isDone, failureCode: null });
  });

  it('starts a new count in the next attempt', async () => {
    const job = await lost(jobType);
    expect(await harness.row(job)).toMatchObject({ failureRetryable: true });
    await poll(job, isNotFound(), 3, 30 * minuteMs);
    await harness.retry(job);
    await harness.worker.submit(job.table);
    const again = { ...job, ref: (await harness.row(job)).providerRef! };
    await withoutDeadline(again);
    await poll(again, isNotFound(), 9, 10 * minuteMs);
    expect(await harness.row(job)).toMatchObject({ status: runningState[job.table] });
  });
});

describe.each(kinds)('the late watch of a $jobType', ({ jobType, isDone, doneAnswer, retentionMs }) => {
  it.each([
    ['was lost', lost],
    ['timed out', timedOut],
    ['failed by the word of the upstream', failedUpstream],
  ])('accepts the late success of a job that %s, and emits an event', async (_, failedJob) => {
    const job = await failedJob(jobType);
    const received = (await harness.events(job)).length;
    for (const answer of [timesOut(), isNotFound(), running(90), failed('no face'), limits(1_000)])
      await poll(job, answer);
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED' });
    expect(await harness.events(job)).toHaveLength(received);
    await poll(job, doneAnswer);
    expect(await harness.row(job)).toMatchObject({ status: isDone, failureCode: null });
    expect((await harness.events(job)).slice(received).map(({ payload }) => payload.status)).toEqual([
      isDone,
    ]);
  });

  it('polls at growing intervals, and not after the retention period', async () => {
    const job = await timedOut(jobType);
    const firstMs = await dueInMs(job);
    await poll(job, isNotFound(), 1, retentionMs / 2);
    expect(await dueInMs(job)).toBeGreaterThan(2 * firstMs);
    await poll(job, isNotFound(), 1, retentionMs / 2 - minuteMs);
    expect(await dueInMs(job)).toBeLessThan(minuteMs);
    await poll(job, isNotFound(), 1, minuteMs);
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED', dueAt: null });
  });

  it('continues after a restart at the stored time', async () => {
    const job = await timedOut(jobType);
    const { dueAt } = await harness.row(job);
    harness.worker = harness.successor(harness.worker);
    await harness.worker.poll(job.table);
    expect((await harness.row(job)).dueAt).toEqual(dueAt);
    await poll(job, doneAnswer);
    expect(await harness.row(job)).toMatchObject({ status: isDone });
  });

  it('ends with a retry, even if the first attempt is answered in the meantime', async () => {
    const job = await timedOut(jobType);
    harness.worker.pauseAt('poll:answered', async () => {
      await harness.retry(job);
    });
    await poll(job, doneAnswer);
    expect(await harness.row(job)).toMatchObject({ status: 'QUEUED', providerRef: null });
    await harness.worker.submit(job.table);
    const row = await harness.row(job);
    expect(row).toMatchObject({ status: runningState[job.table], attempt: 2 });
    expect(row.providerRef).not.toBe(job.ref);
    await harness.worker.poll(job.table);
    expect((await harness.ledger(job)).map(({ providerRef }) => providerRef)).toEqual([
      job.ref,
      row.providerRef,
    ]);
  });

  it('does not start for a cancelled job', async () => {
    const job = await submitted(jobType);
    await harness.cancel(job);
    await poll(job, doneAnswer, 3, hourMs);
    expect(await harness.row(job)).toMatchObject({ status: 'CANCELLED', dueAt: null });
    expect(harness.provider.polls.get(job.ref)).toBeUndefined();
  });

  it('includes a job that failed before its id arrived', async () => {
    const job = await begin(harness, jobType);
    harness.worker.crashAt('submission:journaled');
    await harness.worker.submit(job.table);
    await harness.database.rows(
      `UPDATE ${job.table} SET status = 'FAILED', due_at = NULL, failure_code = 'UPSTREAM_TIMEOUT',
              failure_message = 'Too late.', failure_retryable = true WHERE id = $1`,
      [job.id],
    );
    harness.worker = harness.successor(harness.worker);
    await harness.worker.replay();
    const row = await harness.row(job);
    expect(row).toMatchObject({ status: 'FAILED', providerRef: expect.any(String) as string });
    await poll({ ...job, ref: row.providerRef! }, doneAnswer);
    expect(await harness.row(job)).toMatchObject({ status: isDone });
  });

  it('opens no circuit for running jobs when its polls fail', async () => {
    for (let count = 0; count < 6; count += 1) await poll(await timedOut(jobType), timesOut());
    expect(
      await harness.database.rows(
        'SELECT poll_failing AS poll, reach_failing AS reach FROM upstream_accounts',
      ),
    ).toEqual([{ poll: [], reach: [] }]);
  });

  it('does not use calls that running jobs need', async () => {
    const running1 = await submitted(jobType);
    const failedJobs = [await timedOut(jobType), await timedOut(jobType), await timedOut(jobType)];
    await harness.database.rows(
      'UPDATE upstream_accounts SET watch_tokens = 1, poll_tokens = 1, watch_refilled_at = now(), poll_refilled_at = now()',
    );
    harness.provider.requestsPerMinute = 1;
    for (const job of [...failedJobs, running1]) await harness.untilDue(job);
    const before = failedJobs.map(({ ref }) => harness.provider.polls.get(ref) ?? 0);
    await harness.worker.poll(running1.table);
    const after = failedJobs.map(({ ref }) => harness.provider.polls.get(ref) ?? 0);
    expect(harness.provider.polls.get(running1.ref)).toBe(1);
    expect(after.reduce((sum, count) => sum + count) - before.reduce((sum, count) => sum + count)).toBe(1);
  });
});

describe('pictures of a generation', () => {
  const hoursLeft = async (job: Job): Promise<number> => {
    const [row] = await harness.database.rows<{ hours: number }>(
      `SELECT extract(epoch FROM expires_at - now())::float8 / 3600 AS hours FROM avatars WHERE generation_id = $1`,
      [job.id],
    );
    return row!.hours;
  };

  it('expire 48 hours after the upstream was last known to work on them', async () => {
    const job = await submitted('generation');
    await poll(job, running(50), 1, 20 * minuteMs);
    await harness.age(job, 5 * hourMs);
    await poll(job, timesOut());
    await poll(job, done(url));
    expect(await hoursLeft(job)).toBeCloseTo(43, 1);
  });

  it('expire 48 hours after the submission if no later time is known', async () => {
    const job = await submitted('generation');
    await harness.age(job, 2 * hourMs);
    await poll(job, done(url));
    expect(await hoursLeft(job)).toBeCloseTo(46, 1);
  });

  it('are fetched for an hour even if they may have expired', async () => {
    const job = await submitted('generation');
    await harness.age(job, 100 * hourMs);
    await poll(job, done(url));
    expect(await hoursLeft(job)).toBeCloseTo(1, 1);
  });

  it('may arrive late: DONE without pictures fails the job and starts the late watch', async () => {
    const job = await submitted('generation');
    await poll(job, done());
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'UPSTREAM_FAILED' });
    await poll(job, done());
    await poll(job, done(url));
    expect(await harness.row(job)).toMatchObject({ status: 'STORING' });
  });
});
