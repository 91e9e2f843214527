import { type Job, useJobHarness } from '../support/job-harness';
import { begin, type JobType } from '../support/job-scenarios';
import { done, failed, running } from '../support/scripted-provider';

const minuteMs = 60_000;

/** Trainings take from 5 to 20 minutes according to the documentation; these take about 9. */
const ways: { jobType: JobType; ms: number }[] = [
  { jobType: 'training', ms: 9 * minuteMs },
  { jobType: 'generation', ms: 45_000 },
];

describe.each(ways)('the durations of a $jobType', ({ jobType, ms }) => {
  const harness = useJobHarness();

  const submitted = async (by = harness.worker): Promise<Job & { ref: string }> => {
    const job = await begin(harness, jobType);
    await by.submit(job.table);
    return { ...job, ref: (await harness.row(job)).providerRef! };
  };

  /** The upstream reports the job as running, and 2 % later as done. */
  const finished = async (by = harness.worker): Promise<void> => {
    const job = await submitted(by);
    await finish(job, by);
  };

  const finish = async (job: Job & { ref: string }, by = harness.worker): Promise<void> => {
    for (const [answer, afterMs] of [
      [running(), 0.98 * ms],
      [done('https://pictures.example/1.png'), 0.02 * ms],
    ] as const) {
      await harness.age(job, afterMs);
      harness.provider.says(job.ref, answer);
      await harness.untilDue(job);
      await by.poll(job.table);
    }
  };

  const observations = async (): Promise<number> => {
    const rows = await harness.database.rows<{ total: number }>(
      `SELECT sum(weight::float8) AS total FROM learned_durations, jsonb_each_text(bins) AS bin (number, weight)
        WHERE job_class = ''`,
    );
    return Math.round(rows[0]!.total);
  };

  it('are learned from successes of the first attempt, and used by other processes after a restart', async () => {
    const documented = (await harness.row(await submitted())).pace!;
    for (let count = 0; count < 4; count += 1) await finished();
    for (let count = 0; count < 4; count += 1) await finished(harness.process());
    expect(await observations()).toBe(8);

    const job = await submitted(harness.process());
    const { pace, estimatedReadyAt, submittedAt, dueAt } = await harness.row(job);
    const [median, width] = [
      (of: typeof pace) => of!.durations[10]!,
      (of: typeof pace) => of!.durations[18]! - of!.durations[2]!,
    ];
    expect(median(pace) / ms).toBeCloseTo(1, 1);
    expect(width(pace)).toBeLessThan(width(documented));
    expect(estimatedReadyAt!.getTime() - submittedAt!.getTime()).toBeCloseTo(median(pace), -2);
    // Polled before the end is expected, and later than the first poll that the provider advises.
    const { trainingPoll, generationPoll } = harness.provider.facts;
    const { firstMs } = job.table === 'models' ? trainingPoll : generationPoll;
    const firstPollMs = dueAt!.getTime() - submittedAt!.getTime();
    expect(firstPollMs).toBeGreaterThan(0.9 * firstMs);
    expect(firstPollMs).toBeLessThan(ms);
  });

  it('are not learned from failures, retries, late results, and calls whose time is not known', async () => {
    const before = await observations();
    const failing = await submitted();
    harness.provider.says(failing.ref, failed());
    await harness.untilDue(failing);
    await harness.worker.poll(failing.table);
    await harness.retry(failing);
    await harness.worker.submit(failing.table);
    await finish({ ...failing, ref: (await harness.row(failing)).providerRef! });

    // The process ends before it has stored the id, which another one stores later.
    const dying = harness.process();
    dying.crashAt('submission:journaled');
    const interrupted = await begin(harness, jobType);
    await dying.submit(interrupted.table);
    await harness.successor(dying).replay();
    await finish({ ...interrupted, ref: (await harness.row(interrupted)).providerRef! });

    const absurd = await submitted();
    await harness.age(absurd, -minuteMs);
    harness.provider.says(absurd.ref, done('https://pictures.example/1.png'));
    await harness.untilDue(absurd);
    await harness.worker.poll(absurd.table);
    expect(await observations()).toBe(before);
  });

  it('do not matter to a job that is found while the database cannot store them', async () => {
    const job = await submitted();
    const { worker } = harness;
    worker.onStatement = (text) => {
      if (text.includes('learned_durations')) throw new Error('The table is not available.');
    };
    await finish(job);
    worker.onStatement = () => undefined;
    expect((await harness.row(job)).status).not.toBe('FAILED');
  });
});
