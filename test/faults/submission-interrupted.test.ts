import { JobBench, type Job } from '../support/job-bench';
import type { JobProcess } from '../support/job-process';
import { begin, nouns, outcomes, tryEverything } from '../support/job-stories';
import { accepts, isUnclear, refuses, saysLater, type Fate } from '../support/scripted-provider';

describe('a submission that is interrupted', () => {
  let bench: JobBench;
  let worker: JobProcess;

  beforeAll(async () => {
    bench = await JobBench.open();
  });

  beforeEach(() => {
    worker = bench.process();
  });

  afterEach(() => bench.clear());

  afterAll(() => bench.stop());

  describe.each(nouns)('of a %s', (noun) => {
    const start = (): Promise<Job> => begin(bench, noun);

    it('is not made for a job that was cancelled before', async () => {
      const job = await start();
      await bench.cancel(job);
      await tryEverything(bench, job, worker);
      expect(bench.provider.calls).toHaveLength(0);
    });

    it('keeps the id of a job that was cancelled during the call, and the cancellation', async () => {
      const job = await start();
      const call = bench.provider.hold();
      const submitting = worker.submit(job.table);
      await call.arrived;
      await bench.cancel(job);
      call.answer(accepts('ref-1'));
      await submitting;
      await tryEverything(bench, job, worker);
      expect(await bench.row(job)).toMatchObject({ status: 'CANCELLED', providerRef: 'ref-1', dueAt: null });
      expect(await outcomes(bench, job)).toEqual(['ACCEPTED']);
      expect(bench.provider.calls).toHaveLength(1);
    });

    it.each([
      ['refuses', (): Fate => refuses()],
      ['says later', (): Fate => saysLater(1_000)],
      ['says nothing certain', (): Fate => isUnclear()],
    ])('stays cancelled when the upstream then %s', async (_, fate) => {
      const job = await start();
      const call = bench.provider.hold();
      const submitting = worker.submit(job.table);
      await call.arrived;
      await bench.cancel(job);
      call.answer(fate());
      await submitting;
      await tryEverything(bench, job, worker);
      expect(await bench.row(job)).toMatchObject({ status: 'CANCELLED' });
      expect(bench.provider.calls).toHaveLength(1);
    });

    it.each([
      ['takes it', (): Fate => accepts()],
      ['refuses', (): Fate => refuses()],
      ['says later', (): Fate => saysLater(1_000)],
      ['says nothing certain', (): Fate => isUnclear()],
    ])('leaves nothing of a job that was deleted during the call, and the upstream %s', async (_, fate) => {
      const job = await start();
      const call = bench.provider.hold();
      const submitting = worker.submit(job.table);
      await call.arrived;
      await bench.delete(job);
      call.answer(fate());
      await submitting;
      await tryEverything(bench, job, worker);
      expect(await bench.find(job)).toBeNull();
      expect(worker.settlement.isBehind).toBe(false);
      expect(bench.provider.calls).toHaveLength(1);
      expect((await bench.events(job)).at(-1)).toMatchObject({ kind: 'DELETED' });
    });
  });
});
