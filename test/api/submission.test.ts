import { JobBench, type Job } from '../support/job-bench';
import type { JobProcess } from '../support/job-process';
import { begin, nouns, outcomes, running, tryEverything } from '../support/job-stories';
import {
  accepts,
  isUnclear,
  isUnreachable,
  refuses,
  saysLater,
  throws,
  type Fate,
} from '../support/scripted-provider';

/** How one paid call ends, and what must follow from it, by the matrix of faults. */
interface Row {
  what: string;
  fate: () => Fate;
  status: string;
  outcome: string;
  /** The failure, where it is one. */
  failure?: { failureCode: string; failureRetryable: boolean };
  /** Paid calls in all once everything was tried that may be tried by itself, before the grace is over. */
  calls: number;
}

const failure = (failureCode: string, failureRetryable: boolean): Row['failure'] => ({
  failureCode,
  failureRetryable,
});

/** What the provider makes of 429, 4xx, 5xx, resets and so on, is the matter of its own contract tests. */
const matrix: Row[] = [
  { what: 'it is taken', fate: () => accepts(), status: 'running', outcome: 'ACCEPTED', calls: 1 },
  {
    what: 'the upstream says later (429, 503 with a time)',
    fate: () => saysLater(90_000),
    status: 'QUEUED',
    outcome: 'NOT_EXECUTED',
    calls: 2,
  },
  {
    what: 'the upstream cannot be reached (refused, DNS, TLS)',
    fate: isUnreachable,
    status: 'QUEUED',
    outcome: 'NOT_EXECUTED',
    calls: 2,
  },
  {
    what: 'the request is refused (400, 413, 422)',
    fate: () => refuses('UPSTREAM_REJECTED'),
    status: 'FAILED',
    outcome: 'REFUSED',
    failure: failure('UPSTREAM_REJECTED', false),
    calls: 1,
  },
  {
    what: 'it is refused without a reason',
    fate: () => refuses(),
    status: 'FAILED',
    outcome: 'REFUSED',
    failure: failure('UPSTREAM_REJECTED', false),
    calls: 1,
  },
  {
    what: 'the key is refused (401)',
    fate: () => refuses('UPSTREAM_AUTH'),
    status: 'QUEUED',
    outcome: 'NOT_EXECUTED',
    calls: 2,
  },
  {
    what: 'it is forbidden (403)',
    fate: () => refuses('FORBIDDEN'),
    status: 'QUEUED',
    outcome: 'NOT_EXECUTED',
    calls: 2,
  },
  {
    what: 'there are no credits (402)',
    fate: () => refuses('UPSTREAM_CREDITS'),
    status: 'QUEUED',
    outcome: 'NOT_EXECUTED',
    calls: 2,
  },
  {
    what: 'a photo could not be fetched (422)',
    fate: () => refuses('PHOTO_UNREACHABLE'),
    status: 'FAILED',
    outcome: 'REFUSED',
    failure: failure('PHOTO_UNREACHABLE', true),
    calls: 1,
  },
  {
    what: 'the upstream does not know what it refers to (404)',
    fate: () => refuses('NOT_FOUND'),
    status: 'FAILED',
    outcome: 'REFUSED',
    failure: failure('MODEL_LOST_UPSTREAM', true),
    calls: 1,
  },
  {
    what: 'nothing certain is known (5xx, HTML, reset, timeout, malformed, no id)',
    fate: () => isUnclear(),
    status: 'UNCERTAIN',
    outcome: 'UNKNOWN',
    calls: 1,
  },
  {
    what: 'the call ends in a way that nobody foresaw',
    fate: () => throws(new TypeError('bug')),
    status: 'UNCERTAIN',
    outcome: 'UNKNOWN',
    calls: 1,
  },
  {
    what: 'the refusal is in words that no database takes',
    fate: () => refuses('UPSTREAM_REJECTED', 'no \u0000 face \ud83d'),
    status: 'FAILED',
    outcome: 'REFUSED',
    failure: failure('UPSTREAM_REJECTED', false),
    calls: 1,
  },
];

describe('a submission', () => {
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

    it.each(matrix)('when $what: $status, $calls paid in all', async (row) => {
      const job = await start();
      bench.provider.next(row.fate());
      await worker.submit(job.table);
      const status = row.status === 'running' ? running[job.table] : row.status;
      expect(await bench.row(job)).toMatchObject({ status, attempt: 1, ...row.failure });
      expect(await outcomes(bench, job)).toEqual([row.outcome]);
      expect(bench.provider.calls).toHaveLength(1);
      await tryEverything(bench, job, worker);
      expect(bench.provider.calls).toHaveLength(row.calls);
      const last = row.calls > 1 ? running[job.table] : status;
      expect(await bench.row(job)).toMatchObject({ status: last, attempt: row.calls });
      const told = (await bench.events(job)).map(({ payload }) => payload.status);
      expect(told.slice(-1)).toEqual([last]);
    });

    it('commits its attempt before it calls', async () => {
      const job = await start();
      const seen: unknown[] = [];
      bench.provider.onCall = async () => {
        const [attempt] = await bench.ledger(job);
        const { status } = await bench.row(job);
        seen.push({ status, attempt: attempt?.attempt, outcome: attempt?.outcome });
      };
      await worker.submit(job.table);
      expect(seen).toEqual([{ status: 'SUBMITTING', attempt: 1, outcome: 'CALLING' }]);
    });

    it('notes the id and how to speak of the call to the upstream’s support', async () => {
      const job = await start();
      bench.provider.next(accepts('ref-1'));
      await worker.submit(job.table);
      expect(await bench.row(job)).toMatchObject({ providerRef: 'ref-1', failureCode: null });
      expect(await bench.ledger(job)).toMatchObject([
        { providerRef: 'ref-1', correlationId: 'correlation of ref-1', evidence: null },
      ]);
      expect((await bench.row(job)).deadlineAt!.getTime()).toBeGreaterThan(Date.now());
    });

    it('keeps what came back for the operator where nothing certain is known', async () => {
      const job = await start();
      bench.provider.next(isUnclear());
      await worker.submit(job.table);
      expect(await bench.ledger(job)).toMatchObject([{ httpStatus: 502, evidence: 'HTTP 502, <html>' }]);
    });

    it('waits as long as the upstream says, and so do all others with the key', async () => {
      const [job, other] = [await start(), await start()];
      bench.provider.next(saysLater(90_000), saysLater(90_000));
      await worker.submit(job.table);
      const called = bench.provider.calls.length;
      await bench.database.rows(`UPDATE ${job.table} SET due_at = now()`);
      const before = await Promise.all([job, other].map((each) => bench.row(each)));
      for (let time = 0; time < 3; time += 1) await bench.process().submit(job.table);
      expect(bench.provider.calls).toHaveLength(called);
      expect(await Promise.all([job, other].map((each) => bench.row(each)))).toEqual(before);
      const [account] = await bench.database.rows<{ pause_ms: number }>(
        'SELECT extract(epoch FROM paused_until - now())::float8 * 1000 AS pause_ms FROM upstream_accounts',
      );
      expect(account!.pause_ms).toBeGreaterThan(80_000);
    });

    it('is made once by workers that race for it', async () => {
      const job = await start();
      const workers = [worker, bench.process(), bench.process()];
      await Promise.all(workers.flatMap((each) => [each.submit(job.table), each.submit(job.table)]));
      expect(bench.provider.calls).toHaveLength(1);
      expect(await bench.row(job)).toMatchObject({ status: running[job.table], attempt: 1 });
    });

    it('leaves the first job alone when the upstream gives its id to a second', async () => {
      const [first, second] = [await start(), await start()];
      bench.provider.next(accepts('ref-1'), accepts('ref-1'));
      await worker.submit(first.table);
      await tryEverything(bench, second, worker);
      const rows = [await bench.row(first), await bench.row(second)];
      expect(rows.map(({ status }) => status).sort()).toEqual(['UNCERTAIN', running[first.table]].sort());
      expect(rows.map(({ providerRef }) => providerRef ?? 'none').sort()).toEqual(['none', 'ref-1']);
      expect([...(await outcomes(bench, first)), ...(await outcomes(bench, second))].sort()).toEqual([
        'ACCEPTED',
        'UNKNOWN',
      ]);
      expect(worker.settlement.isBehind).toBe(false);
      expect(bench.provider.calls).toHaveLength(2);
    });
  });

  it('is made once for mutations that are repeated with one key, also at the same time', async () => {
    const request = { idempotencyKey: 'key-1', photoIds: await bench.addPhotos(2) };
    const jobs = await Promise.all(Array.from({ length: 10 }, () => bench.train(request)));
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(1);
    await tryEverything(bench, jobs[0]!, worker);
    expect(bench.provider.calls).toHaveLength(1);
  });
});
