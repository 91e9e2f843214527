import { type Job, useJobHarness } from '../support/job-harness';
import { deadlineMs, graceMs, leaseMs, overdueMarginMs } from '../support/job-process';
import { begin, outcomes, running as runningState, type JobType } from '../support/job-scenarios';
import { done, isUnclear } from '../support/scripted-provider';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const url = 'https://pictures.example/1.png';

const harness = useJobHarness();

async function submitted(jobType: JobType): Promise<Job & { ref: string }> {
  const job = await begin(harness, jobType);
  await harness.worker.submit(job.table);
  return { ...job, ref: (await harness.row(job)).providerRef! };
}

/** The job belongs to a provider that is no longer configured. */
async function orphan({ table, id }: Job): Promise<void> {
  await harness.database.rows(`UPDATE ${table} SET provider = 'retired' WHERE id = $1`, [id]);
}

/** Advances the time; only the sweep has work to do. */
async function pass(job: Job, ms: number): Promise<void> {
  await harness.age(job, ms);
  await harness.worker.endOverdue(job.table);
}

/** The number of upstream calls. */
const calls = (): number =>
  harness.provider.calls.length + [...harness.provider.polls.values()].reduce((sum, count) => sum + count, 0);

const jobTypes: JobType[] = ['training', 'generation'];

describe.each(jobTypes)('a %s whose deadline has passed', (jobType) => {
  const statuses = async (job: Job): Promise<string[]> =>
    (await harness.events(job)).map(({ payload }) => payload.status);

  it('fails while it waits for its paid call, without a call', async () => {
    const job = await begin(harness, jobType);
    await pass(job, dayMs - hourMs);
    expect(await harness.row(job)).toMatchObject({ status: 'QUEUED' });
    await pass(job, hourMs + 1_000);
    expect(await harness.row(job)).toMatchObject({
      status: 'FAILED',
      failureCode: 'UPSTREAM_TIMEOUT',
      dueAt: null,
    });
    expect((await statuses(job)).at(-1)).toBe('FAILED');
    expect(calls()).toBe(0);
  });

  it('fails within its transaction, which waits for no second connection of a busy pool', async () => {
    const job = await begin(harness, jobType);
    await harness.age(job, dayMs);
    const elsewhere: string[] = [];
    harness.worker.onStatement = (text) => void elsewhere.push(text);
    await harness.worker.endOverdue(job.table);
    expect(elsewhere).toEqual([]);
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED' });
  });

  it('fails while the upstream runs it and cannot be polled, and completes late', async () => {
    const job = await submitted(jobType);
    const before = calls();
    // A poll that began at the deadline may still be answered.
    await pass(job, deadlineMs + leaseMs + 1_000);
    expect(await harness.row(job)).toMatchObject({ status: runningState[job.table] });
    await pass(job, overdueMarginMs - leaseMs);
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'UPSTREAM_TIMEOUT' });
    expect((await statuses(job)).at(-1)).toBe('FAILED');
    expect(calls()).toBe(before);
    harness.provider.says(job.ref, done(url));
    await harness.untilDue(job);
    await harness.worker.poll(job.table);
    expect(['READY', 'STORING']).toContain((await harness.row(job)).status);
  });

  it('does not fail while a poll is waiting for its answer, however long that takes', async () => {
    const job = await submitted(jobType);
    await harness.age(job, deadlineMs + overdueMarginMs + hourMs);
    const dueIn = (seconds: number): Promise<unknown> =>
      harness.database.rows(
        `UPDATE ${job.table} SET lease = gen_random_uuid(), due_at = now() + $2 * interval '1 s' WHERE id = $1`,
        [job.id, seconds],
      );
    await dueIn(60);
    await harness.worker.endOverdue(job.table);
    expect(await harness.row(job)).toMatchObject({ status: runningState[job.table] });
    // Its process was killed.
    await dueIn(-1);
    await harness.worker.endOverdue(job.table);
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'UPSTREAM_TIMEOUT' });
  });

  it('releases its photos when it fails', async () => {
    const job = await begin(harness, jobType === 'training' ? jobType : 'generation from a photo');
    const kept = (): Promise<unknown[]> =>
      harness.database.rows('SELECT id FROM photos WHERE purge_at IS NULL');
    expect(await kept()).not.toEqual([]);
    await pass(job, dayMs + 1_000);
    expect(await kept()).toEqual([]);
  });

  it('is left to its own worker while evidence or the upstream can still decide the outcome', async () => {
    harness.provider.next(isUnclear());
    const uncertain = await submitted(jobType);
    const failed = await submitted(jobType);
    await pass(failed, deadlineMs + overdueMarginMs);
    for (const job of [uncertain, failed]) {
      const before = await harness.row(job);
      await harness.database.rows(`UPDATE ${job.table} SET due_at = now() - interval '1 h' WHERE id = $1`, [
        job.id,
      ]);
      await harness.worker.endOverdue(job.table);
      const after = await harness.row(job);
      expect(after.status).toBe(before.status);
      expect(after.dueAt!.getTime()).toBeLessThan(Date.now());
    }
  });

  it('fails once, regardless of the number of processes', async () => {
    const job = await submitted(jobType);
    await harness.age(job, deadlineMs + overdueMarginMs);
    await Promise.all(
      [harness.worker, harness.process(), harness.process()].map((each) => each.endOverdue(job.table)),
    );
    expect((await statuses(job)).filter((status) => status === 'FAILED')).toHaveLength(1);
  });
});

describe.each(jobTypes)('a %s of a provider that is no longer configured', (jobType) => {
  it('fails at its deadline while it is queued', async () => {
    const job = await begin(harness, jobType);
    await orphan(job);
    await harness.worker.submit(job.table);
    await pass(job, dayMs - hourMs);
    expect(await harness.row(job)).toMatchObject({ status: 'QUEUED' });
    await pass(job, hourMs + 1_000);
    const row = await harness.row(job);
    expect(row).toMatchObject({ status: 'FAILED', failureCode: 'PROVIDER_NOT_CONFIGURED' });
    expect(row.failureMessage).toContain('"retired"');
    expect(calls()).toBe(0);
  });

  it('fails at its deadline while it runs, and completes late once the provider is configured again', async () => {
    const job = await submitted(jobType);
    await orphan(job);
    await pass(job, deadlineMs + overdueMarginMs);
    expect(await harness.row(job)).toMatchObject({
      status: 'FAILED',
      failureCode: 'PROVIDER_NOT_CONFIGURED',
    });
    await harness.untilDue(job);
    await pass(job, overdueMarginMs);
    expect((await harness.row(job)).dueAt).not.toBeNull();
    await harness.database.rows(`UPDATE ${job.table} SET provider = 'scripted' WHERE id = $1`, [job.id]);
    harness.provider.says(job.ref, done(url));
    await harness.untilDue(job);
    await harness.worker.poll(job.table);
    expect(['READY', 'STORING']).toContain((await harness.row(job)).status);
  });

  it('leaves the late watch after the retention period', async () => {
    const job = await submitted(jobType);
    await orphan(job);
    await pass(job, deadlineMs + overdueMarginMs);
    const received = (await harness.events(job)).length;
    await pass(job, 31 * dayMs);
    await harness.database.rows(`UPDATE ${job.table} SET due_at = now() - interval '1 h' WHERE id = $1`, [
      job.id,
    ]);
    await harness.worker.endOverdue(job.table);
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED', dueAt: null });
    expect(await harness.events(job)).toHaveLength(received);
  });

  it('fails with SUBMISSION_UNKNOWN if the outcome of its call is unknown, and is not submitted again', async () => {
    harness.provider.next(isUnclear());
    const job = await submitted(jobType);
    await orphan(job);
    const before = calls();
    await harness.database.rows(`UPDATE ${job.table} SET due_at = now() - interval '15 min' WHERE id = $1`, [
      job.id,
    ]);
    await harness.worker.endOverdue(job.table);
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'SUBMISSION_UNKNOWN' });
    expect(calls()).toBe(before);
  });

  it('becomes UNCERTAIN if its process ended during the call, and fails an hour later', async () => {
    harness.worker.crashAt('submission:before-call');
    const job = await begin(harness, jobType);
    await harness.worker.submit(job.table);
    await orphan(job);
    harness.worker = harness.successor(harness.worker);
    await harness.database.rows(`UPDATE ${job.table} SET due_at = now() - interval '15 min' WHERE id = $1`, [
      job.id,
    ]);
    await harness.worker.endOverdue(job.table);
    const row = await harness.row(job);
    expect(row).toMatchObject({ status: 'UNCERTAIN' });
    expect(row.dueAt!.getTime() - Date.now()).toBeGreaterThanOrEqual(Math.max(graceMs, hourMs) - 5_000);
    expect(await outcomes(harness, job)).toEqual(['UNKNOWN']);
    await harness.database.rows(`UPDATE ${job.table} SET due_at = now() - interval '15 min' WHERE id = $1`, [
      job.id,
    ]);
    await harness.worker.endOverdue(job.table);
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'SUBMISSION_UNKNOWN' });
  });

  it('cannot be retried', async () => {
    const job = await submitted(jobType);
    await pass(job, deadlineMs + overdueMarginMs);
    await orphan(job);
    await expect(harness.retry(job)).rejects.toMatchObject({
      code: 'PROVIDER_NOT_CONFIGURED',
      field: 'input.id',
      details: { provider: 'retired' },
    });
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED', attempt: 1 });
  });
});

it('rejects avatars from a model of a provider that is no longer configured', async () => {
  const model = await submitted('training');
  harness.provider.says(model.ref, done());
  await harness.untilDue(model);
  await harness.worker.poll('models');
  await orphan(model);
  await expect(harness.generateFrom(model.id)).rejects.toMatchObject({
    code: 'PROVIDER_NOT_CONFIGURED',
    field: 'input.modelId',
  });
  expect(await harness.database.rows('SELECT id FROM generations')).toEqual([]);
});

it('does not change jobs before their deadline', async () => {
  const jobs: Job[] = [await submitted('training'), await submitted('generation')];
  jobs.push(await begin(harness, 'training'));
  for (const job of jobs) await pass(job, deadlineMs - 60_000);
  const rows = await Promise.all(jobs.map((job) => harness.row(job)));
  expect(rows.map(({ status }) => status)).toEqual(['TRAINING', 'GENERATING', 'QUEUED']);
});
