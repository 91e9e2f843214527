import type { Job } from '../support/job-harness';
import { deadlineMs, graceMs } from '../support/job-process';
import { missingAvatarsIn, url } from '../support/missing-avatars';
import { useResultHarness } from '../support/result-harness';
import {
  accepts,
  done,
  failed,
  isUnclear,
  refuses,
  running,
  saysLater,
  timesOut,
} from '../support/scripted-provider';

const dayMs = 86_400_000;

describe('a retry of missing avatars', () => {
  const harness = useResultHarness();
  const { deliver, finish, missingOf, reserved, retry, stored, submit } = missingAvatarsIn(harness);

  describe('that fails', () => {
    const ends: { name: string; code: string; isPaid: boolean; run: (job: Job) => Promise<void> }[] = [
      {
        name: 'because the upstream refuses it',
        code: 'UPSTREAM_REJECTED',
        isPaid: false,
        run: async (job) => {
          harness.provider.next(refuses());
          await submit(job);
        },
      },
      {
        name: 'because it is not submitted for a day',
        code: 'UPSTREAM_TIMEOUT',
        isPaid: false,
        run: async (job) => {
          harness.provider.next(saysLater(1));
          await submit(job);
          await harness.age(job, dayMs + 1_000);
          await harness.worker.submit('generations');
        },
      },
      {
        name: 'because its outcome stays unknown',
        code: 'SUBMISSION_UNKNOWN',
        isPaid: true,
        run: async (job) => {
          harness.provider.next(isUnclear());
          await submit(job);
          expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN' });
          await harness.age(job, graceMs + 1_000);
          await harness.worker.submit('generations');
        },
      },
      {
        name: 'because the upstream fails',
        code: 'UPSTREAM_FAILED',
        isPaid: true,
        run: async (job) => {
          await submit(job);
          await harness.says(job, failed());
          await harness.untilDue(job);
          await harness.worker.poll('generations');
        },
      },
      {
        name: 'because the upstream does not finish',
        code: 'UPSTREAM_TIMEOUT',
        isPaid: true,
        run: async (job) => {
          await submit(job);
          await harness.says(job, timesOut());
          await harness.age(job, deadlineMs + 1_000);
          await harness.worker.poll('generations');
        },
      },
    ];

    it.each(ends)(
      '$name leaves it PARTIAL, with its avatars and the reason',
      async ({ code, isPaid, run }) => {
        const job = await deliver([3], url(1), url(2));
        const before = await stored(job);
        await retry(job);
        await run(job);
        expect(await harness.row(job)).toMatchObject({ status: 'PARTIAL', progress: 100, failureCode: code });
        expect(await stored(job)).toEqual(before);
        expect(await missingOf(job)).toMatchObject([{ count: 1, mayArrive: false, failure: { code } }]);
        expect(await reserved(job)).toEqual([
          { avatars: 3, returned: false },
          { avatars: 1, returned: !isPaid },
        ]);
        // It can be ordered again, once.
        await retry(job);
        await submit(job);
        await finish(job, url('a'));
        expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED', failureCode: null });
        expect((await stored(job)).slice(0, 2)).toEqual(before);
      },
    );

    it('takes the id of a call of unknown outcome that arrives after the failure', async () => {
      const job = await deliver([3], url(1), url(2));
      await retry(job);
      const call = harness.provider.hold();
      const submitting = submit(job);
      await call.arrived;
      await harness.database.rows(`UPDATE generations SET status = 'UNCERTAIN', lease = NULL WHERE id = $1`, [
        job.id,
      ]);
      await harness.age(job, graceMs + 1_000);
      await harness.process().submit('generations');
      expect(await harness.row(job)).toMatchObject({ status: 'PARTIAL', failureCode: 'SUBMISSION_UNKNOWN' });
      call.answer(accepts('late'));
      await submitting;
      expect(await harness.row(job)).toMatchObject({
        status: 'GENERATING',
        providerRef: 'late',
        completedAt: null,
      });
      await finish(job, url('a'));
      expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED' });
      expect(harness.provider.calls).toHaveLength(2);
    });

    it('takes the pictures of an attempt that finishes after its deadline', async () => {
      const job = await deliver([3], url(1), url(2));
      await retry(job);
      await ends.at(-1)!.run(job);
      const events = await harness.events(job);
      for (const answer of [failed(), running(50)]) {
        await harness.says(job, answer);
        await harness.untilDue(job);
        await harness.worker.poll('generations');
      }
      expect(await harness.events(job)).toEqual(events);
      await harness.says(job, done(url('a')));
      await harness.untilDue(job);
      await harness.worker.poll('generations');
      expect(await harness.row(job)).toMatchObject({ status: 'STORING', progress: 100 });
      await harness.tryAgain();
      expect(await harness.row(job)).toMatchObject({ status: 'COMPLETED', failureCode: null });
      expect(harness.provider.calls).toHaveLength(2);
    });
  });
});
