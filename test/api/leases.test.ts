import type { Claimed } from '../../src/core/leased-rows';
import { createLogger } from '../../src/core/logger';
import type { JobRow } from '../../src/jobs/job';
import { JobStore, type JobWork } from '../../src/jobs/job.store';
import { UncertainJobs } from '../../src/jobs/uncertain-jobs';
import { modelKind } from '../../src/models/model.job';
import { JobBench, type Job } from '../support/job-bench';
import { graceMs } from '../support/job-process';
import { outcomes } from '../support/job-stories';
import { failed, isUnclear, running } from '../support/scripted-provider';

const logger = createLogger('silent');

describe('a worker whose lease has passed to another', () => {
  let bench: JobBench;
  let store: JobStore;

  beforeAll(async () => {
    bench = await JobBench.open();
    store = new JobStore(bench.database, { announce: () => undefined });
  });

  afterEach(() => bench.clear());

  afterAll(() => bench.stop());

  /** Claims the job as a worker of its own. */
  const claim = async (job: Job, work: JobWork): Promise<Claimed<JobRow>> => {
    await bench.untilDue(job);
    const rows = store.rowsFor(modelKind, work, { leaseMs: 60_000, logger });
    const [row] = await rows.claim({ limit: 1 });
    expect(row?.id).toBe(job.id);
    return row!;
  };

  it('moves nothing', async () => {
    const job = await bench.train();
    const [late, present] = [await claim(job, 'submit'), await claim(job, 'submit')];
    const move = {
      id: job.id,
      from: ['QUEUED'],
      set: { lastError: 'too late' },
      dueInMs: 0,
      appendsEvent: true,
    };
    expect(await store.move(modelKind, [{ ...move, lease: late.lease }])).toEqual([]);
    expect(await bench.row(job)).toMatchObject({ lease: present.lease, lastError: null });
    expect(await bench.events(job)).toHaveLength(1);
    expect(await store.move(modelKind, [{ ...move, lease: present.lease }])).toHaveLength(1);
  });

  it('does not write what it has learnt of the job upstream', async () => {
    const job = await bench.train();
    const [late, present] = [bench.process(), bench.process()];
    await late.submit(job.table);
    const { providerRef } = await bench.row(job);
    bench.provider.says(providerRef!, failed());
    late.pauseAt('poll:answered', async () => {
      bench.provider.says(providerRef!, running(50));
      await bench.untilDue(job);
      await present.poll(job.table);
    });
    await bench.untilDue(job);
    await late.poll(job.table);
    expect(await bench.row(job)).toMatchObject({ status: 'TRAINING', progress: 50 });
  });

  it('neither sends an uncertain job again nor closes its attempt', async () => {
    const job = await bench.train();
    const worker = bench.process();
    bench.provider.next(isUnclear());
    await worker.submit(job.table);
    await bench.age(job, graceMs + 1_000);
    const late = await claim(job, 'settle');
    const present = await claim(job, 'settle');
    const uncertain = new UncertainJobs({ database: bench.database, store, logger, graceMs });
    await uncertain.settle(worker.stepsOf(job.table), late);
    expect(await bench.row(job)).toMatchObject({ status: 'UNCERTAIN', lease: present.lease });
    expect(await outcomes(bench, job)).toEqual(['UNKNOWN']);
    await uncertain.settle(worker.stepsOf(job.table), present);
    expect(await bench.row(job)).toMatchObject({ status: 'QUEUED', resends: 1 });
  });
});
