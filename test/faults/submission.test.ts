import { type Job, useJobHarness } from '../support/job-harness';
import { begin, jobTypes, outcomes, running, runAllWork } from '../support/job-scenarios';
import {
  accepts,
  isUnclear,
  isUnreachable,
  refuses,
  saysLater,
  throws,
  type ScriptedResponse,
} from '../support/scripted-provider';

/** The end of one paid call and its consequences, by the matrix of faults. */
interface Row {
  what: string;
  response: () => ScriptedResponse;
  status: string;
  outcome: string;
  /** The failure, if it fails. */
  failure?: { failureCode: string; failureRetryable: boolean };
  /** The number of paid calls after all automatic work before the end of the grace period. */
  calls: number;
}

const failure = (failureCode: string, failureRetryable: boolean): Row['failure'] => ({
  failureCode,
  failureRetryable,
});

/** The mapping of 429, 4xx, 5xx, resets and so on is covered by the contract tests of the provider. */
const matrix: Row[] = [
  { what: 'it is taken', response: () => accepts(), status: 'running', outcome: 'ACCEPTED', calls: 1 },
  {
    what: 'the upstream delays the call (429, 503 with a time)',
    response: () => saysLater(90_000),
    status: 'QUEUED',
    outcome: 'NOT_EXECUTED',
    calls: 2,
  },
  {
    what: 'the upstream cannot be reached (refused, DNS, TLS)',
    response: isUnreachable,
    status: 'QUEUED',
    outcome: 'NOT_EXECUTED',
    calls: 2,
  },
  {
    what: 'the request is refused (400, 413, 422)',
    response: () => refuses('UPSTREAM_REJECTED'),
    status: 'FAILED',
    outcome: 'REFUSED',
    failure: failure('UPSTREAM_REJECTED', false),
    calls: 1,
  },
  {
    what: 'it is refused without a reason',
    response: () => refuses(),
    status: 'FAILED',
    outcome: 'REFUSED',
    failure: failure('UPSTREAM_REJECTED', false),
    calls: 1,
  },
  {
    what: 'the key is refused (401)',
    response: () => refuses('UPSTREAM_AUTH'),
    status: 'QUEUED',
    outcome: 'NOT_EXECUTED',
    calls: 2,
  },
  {
    what: 'it is forbidden (403)',
    response: () => refuses('FORBIDDEN'),
    status: 'QUEUED',
    outcome: 'NOT_EXECUTED',
    calls: 2,
  },
  {
    what: 'there are no credits (402)',
    response: () => refuses('UPSTREAM_CREDITS'),
    status: 'QUEUED',
    outcome: 'NOT_EXECUTED',
    calls: 2,
  },
  {
    what: 'a photo could not be fetched (422)',
    response: () => refuses('PHOTO_UNREACHABLE'),
    status: 'FAILED',
    outcome: 'REFUSED',
    failure: failure('PHOTO_UNREACHABLE', true),
    calls: 1,
  },
  {
    what: 'the upstream does not find the model (404)',
    response: () => refuses('NOT_FOUND'),
    status: 'FAILED',
    outcome: 'REFUSED',
    failure: failure('MODEL_LOST_UPSTREAM', true),
    calls: 1,
  },
  {
    what: 'the outcome is unknown (5xx, HTML, reset, timeout, malformed, no id)',
    response: () => isUnclear(),
    status: 'UNCERTAIN',
    outcome: 'UNKNOWN',
    calls: 1,
  },
  {
    what: 'the call ends with an unexpected error',
    response: () => throws(new TypeError('bug')),
    status: 'UNCERTAIN',
    outcome: 'UNKNOWN',
    calls: 1,
  },
  {
    what: 'the refusal has characters that the database rejects',
    response: () => refuses('UPSTREAM_REJECTED', 'no \u0000 face \ud83d'),
    status: 'FAILED',
    outcome: 'REFUSED',
    failure: failure('UPSTREAM_REJECTED', false),
    calls: 1,
  },
];

describe('a submission', () => {
  const harness = useJobHarness();

  describe.each(jobTypes)('of a %s', (jobType) => {
    const start = (): Promise<Job> => begin(harness, jobType);

    it.each(matrix)('when $what: $status, $calls paid in all', async (row) => {
      const job = await start();
      harness.provider.next(row.response());
      await harness.worker.submit(job.table);
      const status = row.status === 'running' ? running[job.table] : row.status;
      expect(await harness.row(job)).toMatchObject({ status, attempt: 1, ...row.failure });
      expect(await outcomes(harness, job)).toEqual([row.outcome]);
      expect(harness.provider.calls).toHaveLength(1);
      await runAllWork(harness, job, harness.worker);
      expect(harness.provider.calls).toHaveLength(row.calls);
      const last = row.calls > 1 ? running[job.table] : status;
      expect(await harness.row(job)).toMatchObject({ status: last, attempt: row.calls });
      const received = (await harness.events(job)).map(({ payload }) => payload.status);
      expect(received.slice(-1)).toEqual([last]);
    });

    it('commits its attempt before it calls', async () => {
      const job = await start();
      const seen: unknown[] = [];
      harness.provider.onCall = async () => {
        const [attempt] = await harness.ledger(job);
        const { status } = await harness.row(job);
        seen.push({ status, attempt: attempt?.attempt, outcome: attempt?.outcome });
      };
      await harness.worker.submit(job.table);
      expect(seen).toEqual([{ status: 'SUBMITTING', attempt: 1, outcome: 'CALLING' }]);
    });

    it('records the id and the correlation id of the upstream', async () => {
      const job = await start();
      harness.provider.next(accepts('ref-1'));
      await harness.worker.submit(job.table);
      expect(await harness.row(job)).toMatchObject({ providerRef: 'ref-1', failureCode: null });
      expect(await harness.ledger(job)).toMatchObject([
        { providerRef: 'ref-1', correlationId: 'correlation of ref-1', evidence: null },
      ]);
      expect((await harness.row(job)).deadlineAt!.getTime()).toBeGreaterThan(Date.now());
    });

    it('keeps the response for the operator if the outcome is unknown', async () => {
      const job = await start();
      harness.provider.next(isUnclear());
      await harness.worker.submit(job.table);
      expect(await harness.ledger(job)).toMatchObject([{ httpStatus: 502, evidence: 'HTTP 502, <html>' }]);
    });

    it('waits as long as the upstream says, like all submissions of the account', async () => {
      const [job, other] = [await start(), await start()];
      harness.provider.next(saysLater(90_000), saysLater(90_000));
      await harness.worker.submit(job.table);
      const called = harness.provider.calls.length;
      await harness.database.rows(`UPDATE ${job.table} SET due_at = now()`);
      const before = await Promise.all([job, other].map((each) => harness.row(each)));
      for (let time = 0; time < 3; time += 1) await harness.process().submit(job.table);
      expect(harness.provider.calls).toHaveLength(called);
      expect(await Promise.all([job, other].map((each) => harness.row(each)))).toEqual(before);
      const [account] = await harness.database.rows<{ pause_ms: number }>(
        'SELECT extract(epoch FROM paused_until - now())::float8 * 1000 AS pause_ms FROM upstream_accounts',
      );
      expect(account!.pause_ms).toBeGreaterThan(80_000);
    });

    it('is made once by concurrent workers', async () => {
      const job = await start();
      const workers = [harness.worker, harness.process(), harness.process()];
      await Promise.all(workers.flatMap((each) => [each.submit(job.table), each.submit(job.table)]));
      expect(harness.provider.calls).toHaveLength(1);
      expect(await harness.row(job)).toMatchObject({ status: running[job.table], attempt: 1 });
    });

    it('leaves the first job alone when the upstream gives its id to a second', async () => {
      const [first, second] = [await start(), await start()];
      harness.provider.next(accepts('ref-1'), accepts('ref-1'));
      await harness.worker.submit(first.table);
      await runAllWork(harness, second, harness.worker);
      const rows = [await harness.row(first), await harness.row(second)];
      expect(rows.map(({ status }) => status).sort()).toEqual(['UNCERTAIN', running[first.table]].sort());
      expect(rows.map(({ providerRef }) => providerRef ?? 'none').sort()).toEqual(['none', 'ref-1']);
      expect([...(await outcomes(harness, first)), ...(await outcomes(harness, second))].sort()).toEqual([
        'ACCEPTED',
        'UNKNOWN',
      ]);
      expect(harness.worker.recorder.isBehind).toBe(false);
      expect(harness.provider.calls).toHaveLength(2);
    });
  });

  it('is made once for repeated and concurrent mutations with one key', async () => {
    const request = { idempotencyKey: 'key-1', photoIds: await harness.addPhotos(2) };
    const jobs = await Promise.all(Array.from({ length: 10 }, () => harness.train(request)));
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(1);
    await runAllWork(harness, jobs[0]!, harness.worker);
    expect(harness.provider.calls).toHaveLength(1);
  });
});
