import type { Claimed } from '../../src/core/leased-rows';
import { createLogger } from '../../src/core/logger';
import type { JobRow } from '../../src/jobs/job.kind';
import { JobRepository, type JobWork } from '../../src/jobs/job.repository';
import { UncertainJobs } from '../../src/jobs/uncertain-jobs';
import { modelKind } from '../../src/models/model.kind';
import { JobHarness, type Job } from '../support/job-harness';
import { graceMs } from '../support/job-process';
import { outcomes } from '../support/job-scenarios';
import { failed, isUnclear, running } from '../support/scripted-provider';
import { until } from '../support/until';

const logger = createLogger('silent');

describe('a worker whose lease was taken over', () => {
  let harness: JobHarness;
  let store: JobRepository;

  beforeAll(async () => {
    harness = await JobHarness.open();
    store = new JobRepository(harness.database, { announce: () => undefined });
  });

  afterEach(() => harness.clear());

  afterAll(() => harness.stop());

  /** Claims the job as a separate worker. */
  const claim = async (job: Job, work: JobWork): Promise<Claimed<JobRow>> => {
    await harness.untilDue(job);
    const rows = store.rowsFor(modelKind, work, { leaseMs: 60_000, logger });
    const [row] = await rows.claim({ limit: 1 });
    expect(row?.id).toBe(job.id);
    return row!;
  };

  it('changes no state', async () => {
    const job = await harness.train();
    const [late, present] = [await claim(job, 'submit'), await claim(job, 'submit')];
    const move = {
      id: job.id,
      from: ['QUEUED'],
      set: { lastError: 'too late' },
      dueInMs: 0,
      appendsEvent: true,
    };
    await store.move(modelKind, [{ ...move, lease: late.lease }]);
    expect(await harness.row(job)).toMatchObject({ lease: present.lease, lastError: null });
    expect(await harness.events(job)).toHaveLength(1);
    await store.move(modelKind, [{ ...move, appendsEvent: false, lease: late.lease }]);
    expect(await harness.row(job)).toMatchObject({ lease: present.lease, lastError: null });
    await store.rowsFor(modelKind, 'submit', { leaseMs: 60_000, logger }).release(late, 0);
    expect(await harness.row(job)).toMatchObject({ lease: present.lease });
    await store.move(modelKind, [{ ...move, lease: present.lease }]);
    expect(await harness.row(job)).toMatchObject({ lease: null, lastError: 'too late' });
    expect(await harness.events(job)).toHaveLength(2);
  });

  it('does not write polled facts of the job', async () => {
    const job = await harness.train();
    const [late, present] = [harness.process(), harness.process()];
    await late.submit(job.table);
    const { providerRef } = await harness.row(job);
    harness.provider.says(providerRef!, failed());
    late.pauseAt('poll:answered', async () => {
      harness.provider.says(providerRef!, running(50));
      await harness.untilDue(job);
      await present.poll(job.table);
    });
    await harness.untilDue(job);
    await late.poll(job.table);
    expect(await harness.row(job)).toMatchObject({ status: 'TRAINING', polls: 1, pace: { reached: 50 } });
  });

  it('neither resubmits an UNCERTAIN job nor closes its attempt', async () => {
    const job = await harness.train();
    const worker = harness.process();
    harness.provider.next(isUnclear());
    await worker.submit(job.table);
    await harness.age(job, graceMs + 1_000);
    const late = await claim(job, 'settle');
    const present = await claim(job, 'settle');
    const onPendingRecords = (): void => undefined;
    const parts = { database: harness.database, jobs: store, logger, graceMs, onPendingRecords };
    const uncertain = new UncertainJobs(parts, worker.stepsOf(job.table));
    await uncertain.settle(late);
    expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN', lease: present.lease });
    expect(await outcomes(harness, job)).toEqual(['UNKNOWN']);
    await uncertain.settle(present);
    expect(await harness.row(job)).toMatchObject({ status: 'QUEUED', resends: 1 });
  });
});

describe('a worker that holds several leases', () => {
  it('renews them while another session locks one of the rows', async () => {
    const harness = await JobHarness.open();
    const jobs = [await harness.train(), await harness.train()];
    await Promise.all(jobs.map((job) => harness.untilDue(job)));
    const store = new JobRepository(harness.database, { announce: () => undefined });
    const rows = store.rowsFor(modelKind, 'submit', { leaseMs: 600, logger });
    const claimed = await rows.claim({ limit: 2 });
    const [locked, other] = jobs as [Job, Job];
    const dueMs = async (): Promise<number> => (await harness.row(other)).dueAt!.getTime();
    let end = (): void => undefined;
    const isOver = new Promise<void>((resolve) => (end = resolve));
    await harness.database.transaction(async (sql) => {
      await sql.rows('SELECT FROM models WHERE id = $1 FOR UPDATE', [locked.id]);
      const firstMs = await dueMs();
      const held = Promise.all(claimed.map((row) => rows.hold(row, () => isOver)));
      await until(async () => (await dueMs()) > firstMs);
      end();
      await held;
    });
    await harness.stop();
  });
});
