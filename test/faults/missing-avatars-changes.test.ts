import { randomUUID } from 'node:crypto';
import type { Job } from '../support/job-harness';
import { resultDeadlineMs } from '../support/job-process';
import { missingAvatarsIn, url } from '../support/missing-avatars';
import { answers, useResultHarness } from '../support/result-harness';
import { done, isUnclear, refuses, saysLater } from '../support/scripted-provider';

describe('a retry of missing avatars', () => {
  const harness = useResultHarness();
  const { canRetry, deliver, finish, missingOf, reserved, retry, stored, submit } = missingAvatarsIn(harness);

  it('can be cancelled before it is submitted, which leaves the generation PARTIAL as it was', async () => {
    const job = await deliver([2, 1], url(1), url(2));
    const before = { stored: await stored(job), missing: await missingOf(job) };
    const request = { attempt: 1, idempotencyKey: randomUUID(), missingOnly: true };
    await harness.retry(job, request);
    await harness.cancel(job);
    await submit(job);
    expect(harness.provider.calls).toHaveLength(1);
    expect(await harness.row(job)).toMatchObject({
      ...{ status: 'PARTIAL', progress: 100, attempt: 1, failureCode: null, dueAt: null },
      completedAt: expect.any(Date) as Date,
    });
    expect({ stored: await stored(job), missing: await missingOf(job) }).toEqual(before);
    expect((await harness.events(job)).at(-1)!.payload).toMatchObject({ status: 'PARTIAL', progress: 100 });
    expect(await reserved(job)).toEqual([
      { avatars: 3, returned: false },
      { avatars: 1, returned: true },
    ]);
    // Repeated calls whose answers were lost change nothing.
    const events = await harness.events(job);
    await harness.cancel(job);
    expect(await harness.retry(job, request)).toMatchObject({ status: 'PARTIAL' });
    expect(await harness.events(job)).toEqual(events);
    expect(await canRetry(job)).toBe(true);
    await harness.retry(job, { ...request, idempotencyKey: randomUUID() });
    await submit(job);
    expect(harness.provider.calls.map(({ counts }) => counts)).toEqual([[2, 1], [1]]);
    await finish(job, url('a'));
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED', attempt: 2 });
    expect(await reserved(job)).toHaveLength(3);
  });

  it('can be cancelled while it waits for another try, which leaves the generation PARTIAL', async () => {
    const job = await deliver([3], url(1), url(2));
    await retry(job);
    harness.provider.next(saysLater(1));
    await submit(job);
    expect(await harness.row(job)).toMatchObject({ status: 'QUEUED' });
    await harness.cancel(job);
    expect(await harness.row(job)).toMatchObject({ status: 'PARTIAL', failureCode: null });
    expect((await reserved(job)).at(-1)).toEqual({ avatars: 1, returned: true });
  });

  it('can be cancelled once it is submitted, which keeps the stored avatars and ignores its result', async () => {
    const job = await deliver([3], url(1), url(2));
    const before = await stored(job);
    await retry(job);
    await submit(job);
    await harness.cancel(job);
    expect(await harness.row(job)).toMatchObject({ status: 'CANCELLED', completedAt: null });
    await harness.cancel(job);
    expect(await reserved(job)).toEqual([
      { avatars: 3, returned: false },
      { avatars: 1, returned: false },
    ]);
    expect(await stored(job)).toEqual(before);
  });

  it.each([
    ['was cancelled before it was submitted', (job: Job) => harness.cancel(job)],
    [
      'was refused',
      (job: Job) => {
        harness.provider.next(refuses());
        return submit(job);
      },
    ],
  ])('orders all lost avatars if one was lost after the previous retry %s', async (_, end) => {
    harness.host.set(url(2), answers(500));
    const job = await deliver([2, 2], url(1), url(2), url(3));
    await harness.age(job, resultDeadlineMs + 60_000);
    await harness.tryAgain();
    await retry(job);
    await end(job);
    expect(await harness.states(job)).toEqual(['STORED', 'DELAYED', 'STORED', 'LOST']);
    harness.provider.otherwise = done();
    await harness.age(job, 30 * 86_400_000);
    await harness.tryAgain(2);
    expect(await harness.states(job)).toEqual(['STORED', 'LOST', 'STORED', 'LOST']);
    await retry(job);
    await submit(job);
    expect(harness.provider.calls.at(-1)!.counts).toEqual([1, 1]);
    await finish(job, url('a'), url('b'));
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
    expect((await reserved(job)).at(-1)).toEqual({ avatars: 2, returned: false });
  });

  it('keeps its order after it was cancelled while an id of the attempt before may still arrive', async () => {
    harness.host.set(url(2), answers(500));
    const job = await deliver([2, 2], url(1), url(2), url(3));
    await harness.age(job, resultDeadlineMs + 60_000);
    await harness.tryAgain();
    await retry(job);
    harness.provider.next(isUnclear());
    await submit(job);
    await harness.retry(job, { attempt: 2 });
    await harness.cancel(job);
    expect(await harness.row(job)).toMatchObject({ status: 'PARTIAL', attempt: 2 });
    harness.provider.otherwise = done();
    await harness.age(job, 30 * 86_400_000);
    await harness.tryAgain(2);
    expect(await harness.states(job)).toEqual(['STORED', 'LOST', 'STORED', 'LOST']);
    await retry(job);
    await submit(job);
    expect(harness.provider.calls.map(({ counts }) => counts)).toEqual([[2, 2], [1], [1]]);
  });

  it('leaves a PARTIAL generation that has no retry not cancellable', async () => {
    const job = await deliver([3], url(1), url(2));
    await expect(harness.cancel(job)).rejects.toMatchObject({ code: 'NOT_CANCELLABLE' });
    await retry(job);
    harness.provider.next(refuses());
    await submit(job);
    await expect(harness.cancel(job)).rejects.toMatchObject({ code: 'NOT_CANCELLABLE' });
  });
});

describe('a generation of which pictures are missing', () => {
  const harness = useResultHarness();
  const { deliver, finish, missingOf, retry, stored, submit } = missingAvatarsIn(harness);

  it('completes with the last of them if stored avatars were deleted', async () => {
    const job = await deliver([3], url(1), url(2));
    const [[, first]] = (await stored(job)) as [[number, string]];
    await harness.deleteAvatar(first);
    expect(await missingOf(job)).toMatchObject([{ count: 1 }]);
    await retry(job);
    await submit(job);
    await finish(job, url('a'));
    expect(await missingOf(job)).toEqual([]);
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
  });

  it('completes with a late one if stored avatars were deleted', async () => {
    harness.host.set(url(2), answers(500));
    const job = await deliver([2], url(1), url(2));
    await harness.age(job, resultDeadlineMs + 60_000);
    await harness.tryAgain();
    const [[, first]] = (await stored(job)) as [[number, string]];
    await harness.deleteAvatar(first);
    expect(await harness.row(job)).toMatchObject({ status: 'PARTIAL' });
    harness.host.clear();
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
  });

  it.each([
    ['COMPLETED', 'its other avatars are stored', () => harness.host.clear()],
    ['PARTIAL', 'its other avatars are late', (job: Job) => harness.age(job, resultDeadlineMs + 60_000)],
  ])('ends %s if stored avatars were deleted before and %s', async (status, _, change) => {
    harness.host.set(url(2), answers(500));
    const job = await deliver([2], url(1), url(2));
    expect(await harness.states(job)).toEqual(['STORED', 'PENDING']);
    for (const [, id] of await stored(job)) await harness.deleteAvatar(id);
    await change(job);
    await harness.tryAgain();
    expect(await harness.row(job)).toMatchObject({ status });
  });

  it('completes without a picture that was not requested', async () => {
    harness.host.set(url('surplus'), answers(404));
    const job = await deliver([1], url(1), url('surplus'));
    harness.provider.otherwise = done();
    await harness.age(job, 30 * 86_400_000);
    await harness.tryAgain(2);
    expect(await harness.states(job)).toEqual(['STORED', 'LOST']);
    expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
  });
});
