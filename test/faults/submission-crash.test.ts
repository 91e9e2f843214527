import { JobBench, type Job } from '../support/job-bench';
import type { JobProcess } from '../support/job-process';
import { begin, nouns, outcomes, running, tryEverything } from '../support/job-stories';
import { accepts, refuses, saysLater } from '../support/scripted-provider';

describe('a submission in a crash', () => {
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

    it('is uncertain when its worker died before the call, and nobody calls in its place', async () => {
      const job = await start();
      worker.crashAt('submission:before-call');
      await worker.submit(job.table);
      expect(bench.provider.calls).toHaveLength(0);
      expect(await bench.row(job)).toMatchObject({ status: 'SUBMITTING' });
      await tryEverything(bench, job, bench.process());
      expect(await bench.row(job)).toMatchObject({ status: 'UNCERTAIN' });
      expect(bench.provider.calls).toHaveLength(0);
      expect(await outcomes(bench, job)).toEqual(['UNKNOWN']);
    });

    it('is uncertain when its worker died before it could write the answer down', async () => {
      const job = await start();
      worker.crashAt('submission:answered');
      await worker.submit(job.table);
      await tryEverything(bench, job, bench.successor(worker));
      expect(await bench.row(job)).toMatchObject({ status: 'UNCERTAIN', providerRef: null });
      expect(bench.provider.calls).toHaveLength(1);
    });

    it.each(['submission:journaled', 'submission:stored'] as const)(
      'loses no id when its worker dies at %s',
      async (point) => {
        const job = await start();
        bench.provider.next(accepts('ref-1'));
        worker.crashAt(point);
        await worker.submit(job.table);
        const next = bench.successor(worker);
        await next.replay();
        expect(await bench.row(job)).toMatchObject({ status: running[job.table], providerRef: 'ref-1' });
        expect(next.settlement.isBehind).toBe(false);
        await tryEverything(bench, job, next);
        expect(bench.provider.calls).toHaveLength(1);
      },
    );

    it('becomes uncertain when its lease is stolen, and goes on when the answer comes after all', async () => {
      const job = await start();
      const call = bench.provider.hold();
      const submitting = worker.submit(job.table);
      await call.arrived;
      await tryEverything(bench, job, bench.process());
      expect(await bench.row(job)).toMatchObject({ status: 'UNCERTAIN' });
      expect(bench.provider.calls).toHaveLength(1);
      call.answer(accepts('ref-1'));
      await submitting;
      expect(await bench.row(job)).toMatchObject({ status: running[job.table], providerRef: 'ref-1' });
      expect(await outcomes(bench, job)).toEqual(['ACCEPTED']);
    });

    it('believes a refusal, or a delay, that comes after the lease was stolen', async () => {
      for (const [fate, status] of [[refuses(), 'FAILED'] as const, [saysLater(1_000), 'QUEUED'] as const]) {
        const job = await start();
        const call = bench.provider.hold();
        const submitting = worker.submit(job.table);
        await call.arrived;
        await tryEverything(bench, job, bench.process());
        call.answer(fate);
        await submitting;
        expect(await bench.row(job)).toMatchObject({ status });
      }
    });

    it('brings the id in by the journal when the database was away', async () => {
      const job = await start();
      const call = bench.provider.hold();
      const submitting = worker.submit(job.table);
      await call.arrived;
      worker.isCutOff = true;
      call.answer(accepts('ref-1'));
      await submitting;
      expect(worker.settlement.isBehind).toBe(true);
      await tryEverything(bench, job, bench.process());
      expect(await bench.row(job)).toMatchObject({ status: 'UNCERTAIN' });
      worker.isCutOff = false;
      await worker.replay();
      expect(await bench.row(job)).toMatchObject({ status: running[job.table], providerRef: 'ref-1' });
      expect(worker.settlement.isBehind).toBe(false);
      expect(bench.provider.calls).toHaveLength(1);
    });

    it('pays for nothing new while an id is not in the database yet', async () => {
      const [job, other] = [await start(), await start()];
      await bench.database.rows(`UPDATE ${job.table} SET due_at = now() + interval '1 h' WHERE id = $1`, [
        other.id,
      ]);
      const call = bench.provider.hold();
      const submitting = worker.submit(job.table);
      await call.arrived;
      worker.isCutOff = true;
      call.answer(accepts());
      await submitting;
      worker.isCutOff = false;
      await bench.untilDue(other);
      await worker.submit(other.table);
      expect(await bench.row(other)).toMatchObject({ status: 'QUEUED', attempt: 0 });
      await worker.replay();
      await bench.untilDue(other);
      await worker.submit(other.table);
      expect(await bench.row(other)).toMatchObject({ status: running[job.table], attempt: 1 });
    });
  });
});
