import { newId } from '../../src/core/ids';
import { type Job, useJobHarness } from '../support/job-harness';
import { done } from '../support/scripted-provider';
import { until } from '../support/until';

describe('one owner with very many jobs', () => {
  const harness = useJobHarness();

  /** Adds copies of a job, all due before any other. */
  const multiply = async ({ table, id }: Job, count: number): Promise<void> => {
    const [model, ref] = table === 'models' ? ['', ''] : [', model_id', ', model_id'];
    const only = table === 'models' ? 'name, type, photo_count' : 'prompts, wanted';
    await harness.database.rows(
      `INSERT INTO ${table} (id, owner, provider, status, attempt, provider_ref, submitted_at, due_at, deadline_at, ${only}${model})
       SELECT gen_random_uuid(), owner, provider, status, attempt, provider_ref || '-' || n, submitted_at,
              now() - interval '1 minute', deadline_at, ${only}${ref}
         FROM ${table}, generate_series(1, $2) AS n WHERE id = $1`,
      [id, count],
    );
  };

  /** Row versions: every write of a row, even with the same values, changes its version. */
  const versions = (table: string): Promise<unknown[]> =>
    harness.database.rows(`SELECT id, xmin::text, ctid::text FROM ${table} ORDER BY id`);

  const account = (set: string): Promise<unknown> =>
    harness.database.rows(`UPDATE upstream_accounts SET ${set}`);

  it('does not delay the next paid call of another owner while all of its calls hang', async () => {
    const alices = await harness.generate('alice');
    await multiply(alices, 1_000);
    for (let call = 0; call < 12; call += 1) harness.provider.hold();
    void harness.worker.submit('generations');
    await until(() => harness.provider.calls.length === 8);
    const bobs = await harness.generate('bob');
    void harness.worker.submit('generations');
    await until(() => harness.provider.calls.some(({ prompt }) => prompt === bobs.tag));
    const [next, afterNext] = harness.provider.calls.slice(8);
    expect([next?.prompt, afterNext?.prompt]).toContain(bobs.tag);
  });

  /** Runs `work` with a budget that gains a call only when `refill` is called. */
  const withSmallBudget = async (work: (refill: () => Promise<unknown>) => Promise<void>): Promise<void> => {
    await harness.database.rows(
      `INSERT INTO upstream_accounts (account, provider, poll_tokens, submit_tokens) VALUES ($1, $2, 0, 0)`,
      [harness.provider.account, harness.provider.name],
    );
    Object.assign(harness.provider.facts, { requestsPerMinute: 1 });
    try {
      await work(() => account('submit_tokens = 1, submit_refilled_at = now()'));
    } finally {
      Object.assign(harness.provider.facts, { requestsPerMinute: 1_000_000 });
    }
  };

  it('leaves every second call of a small budget to another owner', async () => {
    const alices = await harness.generate('alice');
    await multiply(alices, 1_000);
    const bobs = await harness.generate('bob');
    await multiply(bobs, 2);
    await withSmallBudget(async (refill) => {
      for (let call = 0; call < 4; call += 1) {
        await refill();
        await harness.worker.submit('generations');
      }
    });
    const isBobs = harness.provider.calls.map(({ prompt }) => prompt === bobs.tag);
    expect(isBobs).toEqual([false, true, false, true]);
  });

  it('leaves the call of a job that waits for a photo to the next job', async () => {
    const photoIds = await harness.addPhotos(2, 'alice');
    const waiting = await harness.train({ owner: 'alice', photoIds });
    await harness.database.rows(
      `UPDATE photos SET status = 'FETCHING', source_url = 'https://photos.example/1.jpg', due_at = now() + interval '1 hour'
        WHERE id = $1`,
      [photoIds[0]],
    );
    const ready = await harness.train({ owner: 'alice' });
    await withSmallBudget(async (refill) => {
      await refill();
      await harness.worker.submit('models');
      await harness.worker.submit('models');
    });
    expect((await harness.row(waiting)).status).toBe('QUEUED');
    expect((await harness.row(ready)).status).toBe('TRAINING');
  });

  it('does not delay polls for another owner while all of its polls hang', async () => {
    const [alices, bobs] = [await harness.train({ owner: 'alice' }), await harness.train({ owner: 'bob' })];
    await harness.worker.submit('models');
    await multiply(alices, 500);
    let answer: () => void = () => undefined;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    const training = harness.provider.training.bind(harness.provider);
    const ref = (await harness.row(bobs)).providerRef!;
    harness.provider.says(ref, done());
    harness.provider.training = async (asked) => {
      if (asked !== ref) await answered;
      return training(asked);
    };
    const first = harness.worker.poll('models');
    await harness.untilDue(bobs);
    const second = harness.worker.poll('models');
    await until(async () => (await harness.row(bobs)).status === 'READY');
    answer();
    await Promise.all([first, second]);
    harness.provider.training = training;
  });

  it('does not delay the pictures of another owner while its picture host hangs', async () => {
    const [alices, bobs] = [await harness.generate('alice'), await harness.generate('bob')];
    await harness.worker.submit('generations');
    const asked: string[] = [];
    let hangUp: () => void = () => undefined;
    const hungUp = new Promise<never>((_, reject) => {
      hangUp = () => reject(new Error('The connection was reset.'));
    });
    hungUp.catch(() => undefined);
    harness.pictures = async (url) => {
      asked.push(url);
      return hungUp;
    };
    const passes: Promise<unknown>[] = [];
    /** Creates so many finished pictures upstream, and starts to fetch them. */
    const finish = async (job: Job, owner: string, count: number, fetched: number): Promise<void> => {
      const urls = Array.from({ length: count }, (_, index) => `https://pictures.example/${owner}/${index}`);
      harness.provider.says((await harness.row(job)).providerRef!, done(...urls));
      await harness.untilDue(job);
      await harness.worker.poll('generations');
      passes.push(harness.worker.storePictures());
      await until(() => asked.filter((url) => url.includes(`/${owner}/`)).length === fetched);
    };
    await finish(alices, 'alice', 60, 8);
    await finish(bobs, 'bob', 2, 2);
    expect(asked).toHaveLength(10);
    hangUp();
    await Promise.all(passes);
  });

  it('causes no writes for calls that the budget refuses, and keeps its order', async () => {
    const queued = await harness.generate('alice');
    await multiply(queued, 30);
    const running = await harness.train({ owner: 'alice' });
    await harness.worker.submit('models');
    await multiply(running, 30);
    await account(`paused_until = now() + interval '1 hour'`);
    const before = [await versions('generations'), await versions('models')];
    for (let time = 0; time < 5; time += 1) {
      await harness.worker.submit('generations');
      await harness.worker.poll('models');
    }
    expect([await versions('generations'), await versions('models')]).toEqual(before);

    const inOrder = await harness.database.rows<{ id: string }>(
      'SELECT id FROM generations ORDER BY queued_at, id',
    );
    await harness.database.rows(
      `UPDATE generations g SET queued_at = now() - (100 - o.n) * interval '1 s'
         FROM unnest($1::uuid[]) WITH ORDINALITY AS o (id, n) WHERE g.id = o.id`,
      [inOrder.map(({ id }) => id)],
    );
    await account('paused_until = NULL');
    for (let time = 0; time < 3; time += 1) await harness.worker.submit('generations');
    const called = await harness.database.rows<{ id: string }>(
      'SELECT generation_id AS id FROM submissions WHERE generation_id IS NOT NULL ORDER BY called_at',
    );
    // Calls of one pass are made concurrently.
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

  it('fails jobs at their deadline even while the budget is exhausted', async () => {
    const job = await harness.generate(`owner ${newId()}`);
    await harness.train();
    await harness.worker.submit('models');
    await account(`paused_until = now() + interval '1 hour'`);
    await harness.database.rows(`UPDATE generations SET deadline_at = now() - interval '1 s' WHERE id = $1`, [
      job.id,
    ]);
    await harness.worker.submit('generations');
    await harness.worker.endOverdue('generations');
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'UPSTREAM_TIMEOUT' });
    expect(harness.provider.calls.map(({ kind }) => kind)).toEqual(['train']);
  });
});
