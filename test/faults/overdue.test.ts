import { JobHarness, type Job } from '../support/job-harness';
import { deadlineMs, graceMs, type JobProcess } from '../support/job-process';
import { begin, outcomes, running as runningState, type JobType } from '../support/job-scenarios';
import { done, isUnclear } from '../support/scripted-provider';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const url = 'https://pictures.example/1.png';

let harness: JobHarness;
let worker: JobProcess;

beforeAll(async () => {
  harness = await JobHarness.open();
});

beforeEach(() => {
  worker = harness.process();
});

afterEach(() => harness.clear());

afterAll(() => harness.stop());

async function submitted(jobType: JobType): Promise<Job & { ref: string }> {
  const job = await begin(harness, jobType);
  await worker.submit(job.table);
  return { ...job, ref: (await harness.row(job)).providerRef! };
}

/** The job belongs to a provider that was configured once. */
async function orphan({ table, id }: Job): Promise<void> {
  await harness.database.rows(`UPDATE ${table} SET provider = 'retired' WHERE id = $1`, [id]);
}

/** Time passes; no worker finds anything to do but the sweep. */
async function pass(job: Job, ms: number): Promise<void> {
  await harness.age(job, ms);
  await worker.endOverdue(job.table);
}

/** How often the upstream was called in all. */
const calls = (): number =>
  harness.provider.calls.length + [...harness.provider.polls.values()].reduce((sum, count) => sum + count, 0);

const jobTypes: JobType[] = ['training', 'generation'];

describe.each(jobTypes)('a %s whose time is over', (jobType) => {
  const statuses = async (job: Job): Promise<string[]> =>
    (await harness.events(job)).map(({ payload }) => payload.status);

  it('ends while it waits for its call, without a call', async () => {
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

  it('ends while the upstream has it and cannot be polled, and is taken late', async () => {
    const job = await submitted(jobType);
    const before = calls();
    await pass(job, deadlineMs + 1_000);
    expect(await harness.row(job)).toMatchObject({ status: runningState[job.table] });
    await pass(job, 60_000);
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'UPSTREAM_TIMEOUT' });
    expect((await statuses(job)).at(-1)).toBe('FAILED');
    expect(calls()).toBe(before);
    harness.provider.says(job.ref, done(url));
    await harness.untilDue(job);
    await worker.poll(job.table);
    expect(['READY', 'STORING']).toContain((await harness.row(job)).status);
  });

  it('lets its photos go when it ends', async () => {
    const job = await begin(harness, jobType === 'training' ? jobType : 'generation from a photo');
    const kept = (): Promise<unknown[]> =>
      harness.database.rows('SELECT id FROM photos WHERE purge_at IS NULL');
    expect(await kept()).not.toEqual([]);
    await pass(job, dayMs + 1_000);
    expect(await kept()).toEqual([]);
  });

  it('is left to its own worker where evidence, or the upstream, may still decide', async () => {
    harness.provider.next(isUnclear());
    const uncertain = await submitted(jobType);
    const failed = await submitted(jobType);
    await pass(failed, deadlineMs + 60_000);
    for (const job of [uncertain, failed]) {
      const before = await harness.row(job);
      await harness.database.rows(`UPDATE ${job.table} SET due_at = now() - interval '1 h' WHERE id = $1`, [
        job.id,
      ]);
      await worker.endOverdue(job.table);
      const after = await harness.row(job);
      expect(after.status).toBe(before.status);
      expect(after.dueAt!.getTime()).toBeLessThan(Date.now());
    }
  });

  it('ends once, however many processes look', async () => {
    const job = await submitted(jobType);
    await harness.age(job, deadlineMs + 60_000);
    await Promise.all(
      [worker, harness.process(), harness.process()].map((each) => each.endOverdue(job.table)),
    );
    expect((await statuses(job)).filter((status) => status === 'FAILED')).toHaveLength(1);
  });
});

describe.each(jobTypes)('a %s of a provider that is not configured any more', (jobType) => {
  it('ends at its deadline while it is queued', async () => {
    const job = await begin(harness, jobType);
    await orphan(job);
    await worker.submit(job.table);
    await pass(job, dayMs - hourMs);
    expect(await harness.row(job)).toMatchObject({ status: 'QUEUED' });
    await pass(job, hourMs + 1_000);
    const row = await harness.row(job);
    expect(row).toMatchObject({ status: 'FAILED', failureCode: 'PROVIDER_NOT_CONFIGURED' });
    expect(row.failureMessage).toContain('"retired"');
    expect(calls()).toBe(0);
  });

  it('ends at its deadline while it runs, and is taken late once the provider is back', async () => {
    const job = await submitted(jobType);
    await orphan(job);
    await pass(job, deadlineMs + 60_000);
    expect(await harness.row(job)).toMatchObject({
      status: 'FAILED',
      failureCode: 'PROVIDER_NOT_CONFIGURED',
    });
    await harness.untilDue(job);
    await pass(job, 60_000);
    expect((await harness.row(job)).dueAt).not.toBeNull();
    await harness.database.rows(`UPDATE ${job.table} SET provider = 'scripted' WHERE id = $1`, [job.id]);
    harness.provider.says(job.ref, done(url));
    await harness.untilDue(job);
    await worker.poll(job.table);
    expect(['READY', 'STORING']).toContain((await harness.row(job)).status);
  });

  it('is not kept for the late watch for ever', async () => {
    const job = await submitted(jobType);
    await orphan(job);
    await pass(job, deadlineMs + 60_000);
    const received = (await harness.events(job)).length;
    await pass(job, 31 * dayMs);
    await harness.database.rows(`UPDATE ${job.table} SET due_at = now() - interval '1 h' WHERE id = $1`, [
      job.id,
    ]);
    await worker.endOverdue(job.table);
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED', dueAt: null });
    expect(await harness.events(job)).toHaveLength(received);
  });

  it('ends as SUBMISSION_UNKNOWN where the outcome of its call is unknown, and is not called again', async () => {
    harness.provider.next(isUnclear());
    const job = await submitted(jobType);
    await orphan(job);
    const before = calls();
    await harness.database.rows(`UPDATE ${job.table} SET due_at = now() - interval '1 min' WHERE id = $1`, [
      job.id,
    ]);
    await worker.endOverdue(job.table);
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'SUBMISSION_UNKNOWN' });
    expect(calls()).toBe(before);
  });

  it('becomes UNCERTAIN where its process ended during the call, and ends an hour later', async () => {
    worker.crashAt('submission:before-call');
    const job = await begin(harness, jobType);
    await worker.submit(job.table);
    await orphan(job);
    worker = harness.successor(worker);
    await harness.database.rows(`UPDATE ${job.table} SET due_at = now() - interval '1 min' WHERE id = $1`, [
      job.id,
    ]);
    await worker.endOverdue(job.table);
    const row = await harness.row(job);
    expect(row).toMatchObject({ status: 'UNCERTAIN' });
    expect(row.dueAt!.getTime() - Date.now()).toBeGreaterThanOrEqual(Math.max(graceMs, hourMs) - 5_000);
    expect(await outcomes(harness, job)).toEqual(['UNKNOWN']);
    await harness.database.rows(`UPDATE ${job.table} SET due_at = now() - interval '1 min' WHERE id = $1`, [
      job.id,
    ]);
    await worker.endOverdue(job.table);
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'SUBMISSION_UNKNOWN' });
  });

  it('cannot be retried', async () => {
    const job = await submitted(jobType);
    await pass(job, deadlineMs + 60_000);
    await orphan(job);
    await expect(harness.retry(job)).rejects.toMatchObject({
      code: 'PROVIDER_NOT_CONFIGURED',
      field: 'id',
      details: { provider: 'retired' },
    });
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED', attempt: 1 });
  });
});

it('refuses avatars from a model of a provider that is not configured any more', async () => {
  const model = await submitted('training');
  harness.provider.says(model.ref, done());
  await harness.untilDue(model);
  await worker.poll('models');
  await orphan(model);
  await expect(harness.generateFrom(model.id)).rejects.toMatchObject({
    code: 'PROVIDER_NOT_CONFIGURED',
    field: 'input.modelId',
  });
  expect(await harness.database.rows('SELECT id FROM generations')).toEqual([]);
});

it('leaves alone what is not over', async () => {
  const jobs: Job[] = [await submitted('training'), await submitted('generation')];
  jobs.push(await begin(harness, 'training'));
  for (const job of jobs) await pass(job, deadlineMs - 60_000);
  const rows = await Promise.all(jobs.map((job) => harness.row(job)));
  expect(rows.map(({ status }) => status)).toEqual(['TRAINING', 'GENERATING', 'QUEUED']);
});
