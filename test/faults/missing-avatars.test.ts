import { randomUUID } from 'node:crypto';
import type { Job } from '../support/job-harness';
import { resultDeadlineMs } from '../support/job-process';
import { outcomes } from '../support/job-scenarios';
import { missingAvatarsIn, url } from '../support/missing-avatars';
import { answers, fileOf, paint, useResultHarness } from '../support/result-harness';
import { accepts, done, isUnclear, refuses, running } from '../support/scripted-provider';

const dayMs = 86_400_000;

describe('a retry of the missing avatars of a PARTIAL generation', () => {
  const harness = useResultHarness();

  const { canRetry, deliver, finish, missingOf, reserved, retry, stored, submit } = missingAvatarsIn(harness);

  it('orders only those, in the places where they are missing, and pays once', async () => {
    // Of five pictures in three prompts the last two are not delivered.
    const job = await deliver([2, 2, 1], url(1), url(2), url(3));
    expect(await harness.row(job)).toMatchObject({ status: 'PARTIAL', attempt: 1, progress: 100 });
    expect(await missingOf(job)).toMatchObject([
      { promptIndex: 1, count: 1, mayArrive: false, failure: { code: 'UPSTREAM_FAILED', retryable: true } },
      { promptIndex: 2, count: 1, mayArrive: false, failure: { code: 'UPSTREAM_FAILED', retryable: true } },
    ]);
    expect(await canRetry(job)).toBe(true);
    const before = await stored(job);
    const request = { attempt: 1, idempotencyKey: randomUUID(), missingOnly: true };
    const answered = await Promise.all(Array.from({ length: 10 }, () => harness.retry(job, request)));
    expect(new Set(answered.map(({ status }) => status))).toEqual(new Set(['QUEUED']));
    expect(await missingOf(job)).toEqual([]);
    expect(await harness.row(job)).toMatchObject({ completedAt: null, progress: 0 });
    await submit(job);
    expect(harness.provider.calls.map(({ counts }) => counts)).toEqual([
      [2, 2, 1],
      [1, 1],
    ]);
    expect(harness.provider.calls[1]!.prompt).toBe(`${job.tag} 1`);
    expect((await harness.ledger(job)).map(({ avatars }) => avatars)).toEqual([5, 2]);
    expect(await stored(job)).toEqual(before);
    await finish(job, url('a'), url('b'));
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED', attempt: 2, failureCode: null });
    expect((await stored(job)).slice(0, 3)).toEqual(before);
    expect((await harness.avatars(job)).map(({ position, prompt }) => [position, prompt])).toEqual([
      [0, job.tag],
      [1, job.tag],
      [2, `${job.tag} 1`],
      [3, `${job.tag} 1`],
      [4, `${job.tag} 2`],
    ]);
    expect(await reserved(job)).toEqual([
      { avatars: 5, returned: false },
      { avatars: 2, returned: false },
    ]);
    expect(await harness.retry(job, request)).toMatchObject({ status: 'COMPLETED' });
    expect(harness.provider.calls).toHaveLength(2);
    const avatarEvents = (await harness.events(job)).filter(({ kind }) => kind === 'AVATAR');
    expect(avatarEvents).toHaveLength(5);
    expect(await missingOf(job)).toEqual([]);
  });

  it('never shows less progress within an attempt', async () => {
    const job = await deliver([3], url(1), url(2));
    await retry(job);
    const start = (await harness.events(job)).length;
    await submit(job);
    for (const progress of [10, 60, 30]) {
      await harness.says(job, running(progress));
      await harness.untilDue(job);
      await harness.worker.poll('generations');
    }
    await finish(job, url('a'));
    const seen = (await harness.events(job)).slice(start - 1).flatMap(({ kind, payload }) => {
      return kind === 'GENERATION' ? [(payload as { progress: number }).progress] : [];
    });
    expect(seen.at(-1)).toBe(100);
    expect(seen).toEqual([...seen].sort((one, other) => one - other));
  });

  it('is refused without missingOnly, and where no picture can be ordered', async () => {
    const job = await deliver([3], url(1), url(2));
    await expect(harness.retry(job)).rejects.toMatchObject({
      code: 'NOT_RETRYABLE',
      field: 'input.missingOnly',
    });
    await expect(harness.retry(job, { missingOnly: true, attempt: 2 })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
    expect(await stored(job)).toHaveLength(2);
    const complete = await deliver([1], url(3));
    await expect(retry(complete)).rejects.toMatchObject({ code: 'NOT_RETRYABLE', field: 'input.id' });
    expect(harness.provider.calls).toHaveLength(2);
    expect(await reserved(job)).toHaveLength(1);
  });

  it('leaves it PARTIAL while a requested avatar is missing, even if the upstream sent another one', async () => {
    const job = await deliver([3], url(1), url(2));
    await retry(job);
    await submit(job);
    harness.host.set(url('gone'), answers(500));
    await finish(job, url('gone'), url('surplus'));
    await harness.age(job, resultDeadlineMs + 60_000);
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({ status: 'PARTIAL' });
    expect(await stored(job)).toHaveLength(3);
  });

  describe('with a picture that is delayed', () => {
    /** Three pictures: the first is stored, the second is delayed, the third was not delivered. */
    const delayed = async (): Promise<Job> => {
      harness.host.set(url(2), answers(500));
      const job = await deliver([3], url(1), url(2));
      await harness.age(job, resultDeadlineMs + 60_000);
      await harness.tryAgain();
      expect(await harness.states(job)).toEqual(['STORED', 'DELAYED', 'LOST']);
      return job;
    };

    it('still stores it free of charge when the retry is cancelled', async () => {
      const job = await delayed();
      const missing = await missingOf(job);
      await retry(job);
      await harness.cancel(job);
      expect(await harness.states(job)).toContain('DELAYED');
      expect(await missingOf(job)).toEqual(missing);
      harness.host.set(url(2), fileOf(await paint('#357')));
      await harness.tryAgain();
      expect(await stored(job)).toHaveLength(2);
      expect(await harness.row(job)).toMatchObject({ status: 'PARTIAL' });
      expect(await missingOf(job)).toMatchObject([{ count: 1, mayArrive: false }]);
    });

    it('does not order it, and stores it free of charge while the retry runs', async () => {
      const job = await delayed();
      expect(await missingOf(job)).toMatchObject([
        { count: 1, mayArrive: true, failure: { code: 'RESULT_UNREACHABLE' } },
        { count: 1, mayArrive: false },
      ]);
      const ref = (await harness.row(job)).providerRef!;
      await retry(job);
      await submit(job);
      expect(harness.provider.calls[1]!.counts).toEqual([1]);
      // Its URL has expired; the fresh one is in the answer of the first attempt.
      harness.host.set(url(2), answers(404));
      harness.provider.says(ref, done(url(1), url('2?fresh')));
      await harness.says(job, done(url('wrong'), url('wrong')));
      const { updatedAt } = await harness.row(job);
      await harness.tryAgain(2);
      expect(await harness.states(job)).toEqual(['STORED', 'STORED', 'LOST']);
      expect(harness.fetched).toContain(url('2?fresh'));
      expect(harness.fetched).not.toContain(url('wrong'));
      const running = await harness.row(job);
      expect(running).toMatchObject({ status: 'GENERATING' });
      expect(running.updatedAt.getTime()).toBeGreaterThan(updatedAt.getTime());
      await finish(job, url('a'));
      expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
      expect(await harness.avatars(job)).toHaveLength(3);
    });

    it('stores it after the retry as well', async () => {
      const job = await delayed();
      await retry(job);
      await submit(job);
      await finish(job, url('a'));
      expect(await harness.row(job)).toMatchObject({ status: 'PARTIAL' });
      await expect(retry(job)).rejects.toMatchObject({ code: 'NOT_RETRYABLE' });
      expect(await canRetry(job)).toBe(false);
      harness.host.clear();
      await harness.tryAgain();
      expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
      expect(harness.provider.calls).toHaveLength(2);
    });

    it('orders it once it is lost', async () => {
      const job = await delayed();
      harness.provider.otherwise = done();
      await harness.age(job, 30 * dayMs);
      await harness.tryAgain(2);
      expect(await harness.states(job)).toEqual(['STORED', 'LOST', 'LOST']);
      await retry(job);
      await submit(job);
      expect(harness.provider.calls[1]!.counts).toEqual([2]);
      await finish(job, url('a'), url('b'));
      expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
    });
  });

  it('changes updatedAt when a late picture arrives and the generation stays PARTIAL', async () => {
    harness.host.set(url(2), answers(500));
    const job = await deliver([3], url(1), url(2));
    await harness.age(job, resultDeadlineMs + 60_000);
    await harness.tryAgain();
    const { updatedAt } = await harness.row(job);
    harness.host.clear();
    await harness.tryAgain();
    const late = await harness.row(job);
    expect(late).toMatchObject({ status: 'PARTIAL' });
    expect(late.updatedAt.getTime()).toBeGreaterThan(updatedAt.getTime());
  });

  it('keeps its order when the owner repeats it while its outcome is unknown', async () => {
    harness.host.set(url(2), answers(500));
    const job = await deliver([2, 2], url(1), url(2), url(3));
    await harness.age(job, resultDeadlineMs + 60_000);
    await harness.tryAgain();
    await retry(job);
    harness.provider.next(isUnclear());
    await submit(job);
    // The delayed picture is lost in between, so that two pictures of different prompts are missing.
    harness.provider.otherwise = done();
    await harness.database.rows(
      `UPDATE avatars SET expires_at = now() - interval '30 days' WHERE due_at IS NOT NULL`,
    );
    await harness.tryAgain(2);
    expect(await harness.states(job)).toEqual(['STORED', 'LOST', 'STORED', 'LOST']);
    await harness.retry(job, { attempt: 2 });
    harness.provider.otherwise = running();
    await submit(job);
    expect(harness.provider.calls.map(({ counts }) => counts)).toEqual([[2, 2], [1], [1]]);
    await finish(job, url('a'));
    expect(await harness.states(job)).toEqual(['STORED', 'LOST', 'STORED', 'STORED']);
    expect(await harness.row(job)).toMatchObject({ status: 'PARTIAL' });
    await retry(job);
    await submit(job);
    await finish(job, url('b'));
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
    expect(await outcomes(harness, job)).toEqual(['ACCEPTED', 'UNKNOWN', 'ACCEPTED', 'ACCEPTED']);
  });

  it('keeps surplus pictures, and leaves missing what it does not deliver', async () => {
    const job = await deliver([4], url(1));
    await retry(job);
    await submit(job);
    await finish(job, url('a'));
    expect(await harness.states(job)).toEqual(['STORED', 'STORED', 'LOST', 'LOST']);
    expect(await missingOf(job)).toMatchObject([{ count: 2 }]);
    await retry(job);
    await submit(job);
    await finish(job, url('b'), url('c'), url('d'));
    expect(harness.provider.calls.map(({ counts }) => counts)).toEqual([[4], [3], [2]]);
    expect(await harness.states(job)).toEqual(['STORED', 'STORED', 'STORED', 'STORED', 'STORED']);
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
  });

  it('can be deleted with its generation while the call is made', async () => {
    const job = await deliver([3], url(1), url(2));
    const ids = (await stored(job)).map(([, id]) => id);
    await retry(job);
    const call = harness.provider.hold();
    const submitting = submit(job);
    await call.arrived;
    await harness.delete(job);
    call.answer(accepts());
    await submitting;
    expect(await harness.find(job)).toBeNull();
    expect(await harness.keysOf(ids)).toEqual([]);
  });

  it('ends PARTIAL, not FAILED, if all other avatars were deleted and its own are lost', async () => {
    const job = await deliver([2], url(1));
    await retry(job);
    await submit(job);
    await harness.says(job, done(url('a')));
    await harness.untilDue(job);
    await harness.worker.poll('generations');
    await harness.database.rows(`DELETE FROM avatars WHERE status = 'STORED'`);
    harness.host.set(url('a'), answers(404));
    harness.provider.otherwise = done();
    await harness.says(job, done());
    await harness.age(job, 30 * dayMs);
    await harness.tryAgain(2);
    expect(await harness.row(job)).toMatchObject({ status: 'PARTIAL' });
  });
});

describe('the missing avatars of a FAILED generation', () => {
  const harness = useResultHarness();

  it('are all avatars, with its failure, and with missingOnly it is refused while some may still arrive', async () => {
    const refused = await harness.generate(undefined, [2, 1]);
    harness.provider.next(refuses());
    await harness.worker.submit('generations');
    const fields = 'missing { promptIndex count mayArrive failure { code } prompt { count } }';
    const failure = { code: 'UPSTREAM_REJECTED' };
    expect(await harness.readGeneration(refused, fields)).toEqual({
      missing: [
        { promptIndex: 0, count: 2, mayArrive: false, failure, prompt: { count: 2 } },
        { promptIndex: 1, count: 1, mayArrive: false, failure, prompt: { count: 1 } },
      ],
    });
    harness.host.set(url(1), answers(500));
    const job = await harness.finished(url(1), url(1));
    await harness.tryAgain();
    await harness.age(job, resultDeadlineMs + 60_000);
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({ status: 'FAILED', failureCode: 'RESULT_UNREACHABLE' });
    expect(await harness.readGeneration(job, 'missing { count mayArrive }')).toEqual({
      missing: [{ count: 2, mayArrive: true }],
    });
    await expect(harness.retry(job, { missingOnly: true })).rejects.toMatchObject({
      code: 'NOT_RETRYABLE',
      field: 'input.missingOnly',
    });
    expect(await harness.retry(job)).toMatchObject({ status: 'QUEUED' });
    expect(await harness.avatars(job)).toEqual([]);
  });
});
