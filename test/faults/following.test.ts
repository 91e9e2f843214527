import { type Job, useJobHarness } from '../support/job-harness';
import { deadlineMs } from '../support/job-process';
import { begin, running as runningState, type JobType } from '../support/job-scenarios';
import {
  done,
  failed,
  isNotFound,
  limits,
  hasUnknownStatus,
  running,
  timesOut,
  type PollAnswer,
} from '../support/scripted-provider';

const minuteMs = 60_000;
const urls = ['https://pictures.example/1.png', 'https://pictures.example/2.png'];

/** The kind of a job, and its result. */
const ways: { jobType: JobType; isDone: string; doneAnswer: PollAnswer }[] = [
  { jobType: 'training', isDone: 'READY', doneAnswer: done() },
  { jobType: 'generation', isDone: 'STORING', doneAnswer: done(...urls) },
];

describe('polling', () => {
  const harness = useJobHarness();

  /** A job that the upstream has accepted. */
  const submitted = async (jobType: JobType): Promise<Job & { ref: string }> => {
    const job = await begin(harness, jobType);
    await harness.worker.submit(job.table);
    return { ...job, ref: (await harness.row(job)).providerRef! };
  };

  /** Polls the upstream with this answer. */
  const poll = async (job: Job & { ref: string }, answer: PollAnswer, by = harness.worker): Promise<void> => {
    harness.provider.says(job.ref, answer);
    await harness.untilDue(job);
    await by.poll(job.table);
  };

  const dueInMs = async (job: Job): Promise<number> => (await harness.row(job)).dueAt!.getTime() - Date.now();

  describe.each(ways)('a $jobType', ({ jobType, isDone, doneAnswer }) => {
    it('is first polled when the upstream advises, and then at the advised intervals', async () => {
      const job = await submitted(jobType);
      const { trainingPoll, generationPoll } = harness.provider.facts;
      const { firstMs, nextMs } = job.table === 'models' ? trainingPoll : generationPoll;
      expect(Math.abs((await dueInMs(job)) - firstMs)).toBeLessThan(5_000);
      await harness.worker.poll(job.table);
      expect(harness.provider.polls.size).toBe(0);
      await poll(job, running());
      expect(Math.abs((await dueInMs(job)) - nextMs)).toBeLessThan(5_000);
    });

    it('reports progress that never decreases', async () => {
      const job = await submitted(jobType);
      const received: number[] = [];
      for (const progress of [10, 40, 20, 60, 0, 100]) {
        await poll(job, running(progress));
        received.push((await harness.row(job)).progress);
      }
      expect(received).toEqual([...received].sort((a, b) => a - b));
      expect(received.at(-1)).toBeLessThan(100);
      const events = (await harness.events(job)).map(({ payload }) => payload.progress);
      expect(events).toEqual([...events].sort((a, b) => a - b));
      expect((await harness.row(job)).estimatedReadyAt!.getTime()).toBeGreaterThanOrEqual(Date.now() - 5_000);
    });

    it('fails with the reason of the upstream', async () => {
      const job = await submitted(jobType);
      await poll(job, failed('no face'));
      const row = await harness.row(job);
      expect(row).toMatchObject({ status: 'FAILED', failureCode: 'UPSTREAM_FAILED', failureRetryable: true });
      expect(row.failureMessage).toContain('no face');
    });

    it('keeps running on an unknown status word, and counts it', async () => {
      const job = await submitted(jobType);
      await poll(job, hasUnknownStatus());
      expect(await harness.row(job)).toMatchObject({ status: runningState[job.table] });
      expect(harness.worker.unknownWords).toEqual(['MARINATING']);
    });

    it('treats a 404 soon after the submission as "not yet"', async () => {
      const job = await submitted(jobType);
      for (let time = 0; time < 5; time += 1) await poll(job, isNotFound());
      expect(await harness.row(job)).toMatchObject({ status: runningState[job.table] });
      await poll(job, doneAnswer);
      expect(await harness.row(job)).toMatchObject({ status: isDone, failureCode: null });
      expect((await harness.events(job)).at(-1)?.payload.status).toBe(isDone);
    });

    it('is polled again at growing intervals after a poll without a response', async () => {
      const job = await submitted(jobType);
      const waits: number[] = [];
      for (let time = 0; time < 8; time += 1) {
        await poll(job, timesOut());
        waits.push(await dueInMs(job));
      }
      expect(await harness.row(job)).toMatchObject({ status: runningState[job.table], tries: 8 });
      expect(waits[0]).toBeLessThan(2_500);
      expect(waits.at(-1)).toBeGreaterThan(40_000);
      expect(Math.max(...waits)).toBeLessThanOrEqual(minuteMs + 1_000);
      await poll(job, running());
      expect(await harness.row(job)).toMatchObject({ tries: 0, lastError: null });
    });

    it('pauses all polls of the account when the upstream reports its rate limit', async () => {
      const [job, other] = [await submitted(jobType), await submitted(jobType)];
      await harness.database.rows(`UPDATE ${job.table} SET due_at = now() + interval '1 h' WHERE id = $1`, [
        other.id,
      ]);
      await poll(job, limits(90_000));
      expect(await dueInMs(job)).toBeGreaterThan(85_000);
      await harness.database.rows(`UPDATE ${job.table} SET due_at = now()`);
      await harness.process().poll(job.table);
      expect(harness.provider.polls.get(other.ref)).toBeUndefined();
      expect(harness.provider.polls.get(job.ref)).toBe(1);
    });

    it.each<[string, PollAnswer]>([
      ['is still at it', running(50)],
      ['returns an unknown status word', hasUnknownStatus()],
      ['does not answer', timesOut()],
    ])('fails at its deadline when the upstream %s', async (_, answer) => {
      const job = await submitted(jobType);
      await harness.age(job, deadlineMs + 1_000);
      await poll(job, answer);
      expect(await harness.row(job)).toMatchObject({
        status: 'FAILED',
        failureCode: 'UPSTREAM_TIMEOUT',
        failureRetryable: true,
      });
    });

    it('is polled for the last time at the deadline, not after it', async () => {
      const job = await submitted(jobType);
      await harness.age(job, deadlineMs - 3_000);
      await poll(job, running(50));
      expect(await dueInMs(job)).toBeLessThan(3_500);
    });

    it('does not change a job that was cancelled or deleted during the poll', async () => {
      for (const change of ['cancel', 'delete'] as const) {
        const job = await submitted(jobType);
        harness.provider.says(job.ref, doneAnswer);
        await harness.untilDue(job);
        harness.worker.pauseAt('poll:answered', () => harness[change](job));
        await harness.worker.poll(job.table);
        const row = await harness.find(job);
        expect(row?.status).toBe(change === 'cancel' ? 'CANCELLED' : undefined);
        await harness.untilDue(job);
        await harness.worker.poll(job.table);
        expect(harness.provider.polls.get(job.ref)).toBe(1);
      }
    });

    it('does not overwrite changes of the current lease holder', async () => {
      const job = await submitted(jobType);
      harness.provider.says(job.ref, failed('no face'));
      await harness.untilDue(job);
      const other = harness.process();
      harness.worker.pauseAt('poll:answered', () => poll(job, doneAnswer, other));
      await harness.worker.poll(job.table);
      expect(await harness.row(job)).toMatchObject({ status: isDone, failureCode: null });
      expect((await harness.events(job)).filter(({ payload }) => payload.status === isDone)).toHaveLength(1);
    });

    it('continues from the stored state after a crash', async () => {
      const job = await submitted(jobType);
      harness.worker.crashAt('poll:answered');
      await poll(job, doneAnswer);
      expect(await harness.row(job)).toMatchObject({ status: runningState[job.table] });
      await poll(job, doneAnswer, harness.successor(harness.worker));
      expect(await harness.row(job)).toMatchObject({ status: isDone });
    });

    it('updates the other jobs when one cannot be written', async () => {
      const [job, other] = [await submitted(jobType), await submitted(jobType)];
      harness.provider.says(job.ref, { ...failed('x'), code: null } as unknown as PollAnswer);
      harness.provider.says(other.ref, doneAnswer);
      await harness.untilDue(job);
      await harness.untilDue(other);
      await harness.worker.poll(job.table);
      expect(await harness.row(other)).toMatchObject({ status: isDone });
    });
  });

  it('polls each job once with concurrent workers', async () => {
    const jobs = [await submitted('training'), await submitted('training'), await submitted('training')];
    for (const job of jobs) await harness.untilDue(job);
    await Promise.all(
      [harness.worker, harness.process(), harness.process()].map((each) => each.poll('models')),
    );
    expect(jobs.map(({ ref }) => harness.provider.polls.get(ref))).toEqual([1, 1, 1]);
  });

  it('never polls a READY model', async () => {
    const job = await submitted('training');
    await poll(job, done());
    await poll(job, running(10));
    expect(await harness.row(job)).toMatchObject({ status: 'READY', progress: 100, dueAt: null });
    expect(harness.provider.polls.get(job.ref)).toBe(1);
  });

  it('fails a generation that is done without pictures', async () => {
    const job = await submitted('generation');
    await poll(job, done());
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'UPSTREAM_FAILED' });
  });

  it('records the URL and expiry of every picture of a generation once', async () => {
    const job = await submitted('generation');
    await poll(job, done(...urls));
    await poll(job, done(...urls));
    const avatars = await harness.database.rows<{ source_url: string; hours: number }>(
      `SELECT source_url, round(extract(epoch FROM expires_at - now()) / 3600)::int AS hours
         FROM avatars WHERE generation_id = $1 ORDER BY position`,
      [job.id],
    );
    expect(avatars).toEqual(urls.map((url) => ({ source_url: url, hours: 48 })));
  });
});
