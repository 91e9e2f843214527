import { newId } from '../../src/core/ids';
import { JobBench, type Job } from '../support/job-bench';
import type { JobProcess } from '../support/job-process';
import { done } from '../support/scripted-provider';
import { until } from '../support/until';

describe('one owner with very many jobs', () => {
  let bench: JobBench;
  let worker: JobProcess;

  beforeAll(async () => {
    bench = await JobBench.open();
  });
  afterAll(() => bench.stop());
  beforeEach(() => {
    worker = bench.process();
  });
  afterEach(() => bench.clear());

  /** Adds as many jobs as copies of one, all of them due before any other. */
  const multiply = async ({ table, id }: Job, count: number): Promise<void> => {
    const [model, ref] = table === 'models' ? ['', ''] : [', model_id', ', model_id'];
    const only = table === 'models' ? 'name, type, photo_count' : 'prompts, wanted';
    await bench.database.rows(
      `INSERT INTO ${table} (id, owner, provider, status, attempt, provider_ref, submitted_at, due_at, deadline_at, ${only}${model})
       SELECT gen_random_uuid(), owner, provider, status, attempt, provider_ref || '-' || n, submitted_at,
              now() - interval '1 minute', deadline_at, ${only}${ref}
         FROM ${table}, generate_series(1, $2) AS n WHERE id = $1`,
      [id, count],
    );
  };

  /** Versions of all rows: a row that is written, even with the same values, has another one. */
  const versions = (table: string): Promise<unknown[]> =>
    bench.database.rows(`SELECT id, xmin::text, ctid::text FROM ${table} ORDER BY id`);

  const account = (set: string): Promise<unknown> =>
    bench.database.rows(`UPDATE upstream_accounts SET ${set}`);

  it('lets another owner have its next paid call though all of theirs hang', async () => {
    const alices = await bench.generate('alice');
    await multiply(alices, 1_000);
    for (let call = 0; call < 12; call += 1) bench.provider.hold();
    void worker.submit('generations');
    await until(() => bench.provider.calls.length === 8);
    const bobs = await bench.generate('bob');
    void worker.submit('generations');
    await until(() => bench.provider.calls.some(({ prompt }) => prompt === bobs.tag));
    const [next, afterNext] = bench.provider.calls.slice(8);
    expect([next?.prompt, afterNext?.prompt]).toContain(bobs.tag);
  });

  /** Runs `work` with a budget that has a call only when `refill` is called. */
  const withSmallBudget = async (work: (refill: () => Promise<unknown>) => Promise<void>): Promise<void> => {
    await bench.database.rows(
      `INSERT INTO upstream_accounts (account, provider, poll_tokens, submit_tokens) VALUES ($1, $2, 0, 0)`,
      [bench.provider.account, bench.provider.name],
    );
    Object.assign(bench.provider.facts, { requestsPerMinute: 1 });
    try {
      await work(() => account('submit_tokens = 1, submit_refilled_at = now()'));
    } finally {
      Object.assign(bench.provider.facts, { requestsPerMinute: 1_000_000 });
    }
  };

  it('lets another owner have every second call that a small budget has', async () => {
    const alices = await bench.generate('alice');
    await multiply(alices, 1_000);
    const bobs = await bench.generate('bob');
    await multiply(bobs, 2);
    await withSmallBudget(async (refill) => {
      for (let call = 0; call < 4; call += 1) {
        await refill();
        await worker.submit('generations');
      }
    });
    const isBobs = bench.provider.calls.map(({ prompt }) => prompt === bobs.tag);
    expect(isBobs).toEqual([false, true, false, true]);
  });

  it('whose job waits for a photo leaves its call to the next job', async () => {
    const photoIds = await bench.addPhotos(2, 'alice');
    const waiting = await bench.train({ owner: 'alice', photoIds });
    await bench.database.rows(
      `UPDATE photos SET status = 'FETCHING', source_url = 'https://photos.example/1.jpg', due_at = now() + interval '1 hour'
        WHERE id = $1`,
      [photoIds[0]],
    );
    const ready = await bench.train({ owner: 'alice' });
    await withSmallBudget(async (refill) => {
      await refill();
      await worker.submit('models');
      await worker.submit('models');
    });
    expect((await bench.row(waiting)).status).toBe('QUEUED');
    expect((await bench.row(ready)).status).toBe('TRAINING');
  });

  it('lets the poll of another owner through though all of theirs hang', async () => {
    const [alices, bobs] = [await bench.train({ owner: 'alice' }), await bench.train({ owner: 'bob' })];
    await worker.submit('models');
    await multiply(alices, 500);
    let answer: () => void = () => undefined;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    const training = bench.provider.training.bind(bench.provider);
    const ref = (await bench.row(bobs)).providerRef!;
    bench.provider.says(ref, done());
    bench.provider.training = async (asked) => {
      if (asked !== ref) await answered;
      return training(asked);
    };
    const first = worker.poll('models');
    await bench.untilDue(bobs);
    const second = worker.poll('models');
    await until(async () => (await bench.row(bobs)).status === 'READY');
    answer();
    await Promise.all([first, second]);
    bench.provider.training = training;
  });

  it('lets the pictures of another owner be fetched though the host of theirs hangs', async () => {
    const [alices, bobs] = [await bench.generate('alice'), await bench.generate('bob')];
    await worker.submit('generations');
    const asked: string[] = [];
    let hangUp: () => void = () => undefined;
    const hungUp = new Promise<never>((_, reject) => {
      hangUp = () => reject(new Error('The connection was reset.'));
    });
    hungUp.catch(() => undefined);
    bench.pictures = async (url) => {
      asked.push(url);
      return hungUp;
    };
    const passes: Promise<unknown>[] = [];
    /** Lets the upstream have made so many pictures, and starts to fetch them. */
    const finish = async (job: Job, owner: string, count: number, fetched: number): Promise<void> => {
      const urls = Array.from({ length: count }, (_, index) => `https://pictures.example/${owner}/${index}`);
      bench.provider.says((await bench.row(job)).providerRef!, done(...urls));
      await bench.untilDue(job);
      await worker.poll('generations');
      passes.push(worker.storePictures());
      await until(() => asked.filter((url) => url.includes(`/${owner}/`)).length === fetched);
    };
    await finish(alices, 'alice', 60, 12);
    await finish(bobs, 'bob', 2, 2);
    expect(asked).toHaveLength(14);
    hangUp();
    await Promise.all(passes);
  });

  it('whose calls the budget refuses is not written, and keeps its order', async () => {
    const queued = await bench.generate('alice');
    await multiply(queued, 30);
    const running = await bench.train({ owner: 'alice' });
    await worker.submit('models');
    await multiply(running, 30);
    await account(`paused_until = now() + interval '1 hour'`);
    const before = [await versions('generations'), await versions('models')];
    for (let time = 0; time < 5; time += 1) {
      await worker.submit('generations');
      await worker.poll('models');
    }
    expect([await versions('generations'), await versions('models')]).toEqual(before);

    const inOrder = await bench.database.rows<{ id: string }>(
      'SELECT id FROM generations ORDER BY due_at, id',
    );
    await bench.database.rows(
      `UPDATE generations g SET due_at = now() - (100 - o.n) * interval '1 s'
         FROM unnest($1::uuid[]) WITH ORDINALITY AS o (id, n) WHERE g.id = o.id`,
      [inOrder.map(({ id }) => id)],
    );
    await account('paused_until = NULL');
    for (let time = 0; time < 3; time += 1) await worker.submit('generations');
    const called = await bench.database.rows<{ id: string }>(
      'SELECT generation_id AS id FROM submissions WHERE generation_id IS NOT NULL ORDER BY called_at',
    );
    // Calls of one pass are made at once.
    const passes = [0, 8, 16].map((from) => [from, from + 8] as const);
    for (const [from, to] of passes) {
      const expected = inOrder.slice(from, to).map(({ id }) => id);
      expect(
        called
          .slice(from, to)
          .map(({ id }) => id)
          .sort(),
      ).toEqual(expected.sort());
    }
  });

  it('fails at its deadline even while the budget has no calls', async () => {
    const job = await bench.generate(`owner ${newId()}`);
    await bench.train();
    await worker.submit('models');
    await account(`paused_until = now() + interval '1 hour'`);
    await bench.database.rows(`UPDATE generations SET deadline_at = now() - interval '1 s' WHERE id = $1`, [
      job.id,
    ]);
    await worker.submit('generations');
    expect(await bench.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'UPSTREAM_TIMEOUT' });
    expect(bench.provider.calls.map(({ kind }) => kind)).toEqual(['train']);
  });
});
