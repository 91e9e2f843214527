import { photoRecordsTopic } from '../../src/photos/photo-availability.service';
import { JobHarness, type Job } from '../support/job-harness';
import { graceMs, type JobProcess } from '../support/job-process';
import { begin, jobTypesWithPhotos, outcomes, running } from '../support/job-scenarios';
import { servePhotos } from '../support/photo-availability';
import { accepts, isUnclear, isUnreachable, saysLater } from '../support/scripted-provider';

const unknown = { status: 'FAILED', failureCode: 'SUBMISSION_UNKNOWN', failureRetryable: true };

/** Shortly before a call whose grace period has just ended. */
const lastSeen = `-${graceMs + 8_000} ms`;

describe('the absence of photo fetches', () => {
  let harness: JobHarness;
  let worker: JobProcess;

  beforeAll(async () => {
    harness = await JobHarness.open();
  });

  beforeEach(async () => {
    worker = harness.process();
    await harness.database.rows('DELETE FROM photo_servers');
  });

  afterEach(() => harness.clear());

  afterAll(() => harness.stop());

  /** A job whose grace period has just ended, by the clock of the database. */
  const uncertain = async (jobType: (typeof jobTypesWithPhotos)[number] = 'training'): Promise<Job> => {
    const job = await begin(harness, jobType);
    harness.provider.next(isUnclear());
    await worker.submit(job.table);
    await harness.age(job, graceMs + 1_000);
    return job;
  };

  const settle = async (job: Job): Promise<void> => {
    await harness.untilDue(job);
    await worker.submit(job.table);
  };

  it.each([
    ['one gateway served during the whole time', [{ since: '-36 min', seen: '0 s' }]],
    ['another gateway started meanwhile', [{}, { since: '-20 min' }]],
    ['another gateway had ended before the call', [{}, { since: '-1 h', seen: '-36 min' }]],
    ['a photo could not be served, but before the call', [{ interrupted: '-36 min' }]],
    [
      'another gateway, with another address, was interrupted',
      [{}, { interrupted: '0 s', url: 'http://other' }],
    ],
  ])('proves that a call never arrived if %s', async (_, periods) => {
    for (const period of periods) await servePhotos(harness.database, period);
    const job = await uncertain();
    await settle(job);
    await settle(job);
    expect(await harness.row(job)).toMatchObject({ status: running[job.table], attempt: 2, resends: 1 });
    expect(await outcomes(harness, job)).toEqual(['NOT_EXECUTED', 'ACCEPTED']);
  });

  it.each([
    ['no gateway served', []],
    ['the gateway began after the call', [{ since: '-30 min', seen: '0 s' }]],
    ['the gateway has not been seen since', [{ since: '-1 h', seen: '-20 min' }]],
    [
      'there was a gap between two gateways',
      [
        { since: '-1 h', seen: '-20 min' },
        { since: '-1199 s', seen: '0 s' },
      ],
    ],
    ['one of two gateways ended meanwhile', [{}, { since: '-1 h', seen: '-20 min' }]],
    [
      'one of two gateways ended after the call, before its next record',
      [{}, { since: '-1 h', seen: lastSeen }],
    ],
    ['a photo could not be served meanwhile', [{ interrupted: '-5 min' }]],
    ['another gateway could not serve a photo meanwhile', [{}, { since: '-10 min', interrupted: '-5 min' }]],
    ['a gateway served under another address only', [{ url: 'http://other' }]],
  ])('proves nothing if %s', async (_, periods) => {
    for (const period of periods) await servePhotos(harness.database, period);
    for (const jobType of jobTypesWithPhotos) {
      const job = await uncertain(jobType);
      await settle(job);
      await settle(job);
      expect(await harness.row(job)).toMatchObject({ ...unknown, attempt: 1 });
      expect(await outcomes(harness, job)).toEqual(['UNKNOWN']);
    }
    expect(harness.provider.calls).toHaveLength(jobTypesWithPhotos.length);
  });

  it('proves nothing if the call was answered as accepted without a usable id', async () => {
    await servePhotos(harness.database);
    const holder = await begin(harness, 'training');
    harness.provider.next(accepts('held by another job'));
    await worker.submit(holder.table);
    for (const answer of [isUnclear('The upstream gave no id.', 202), accepts('held by another job')]) {
      const job = await begin(harness, 'training');
      harness.provider.next(answer);
      await worker.submit(job.table);
      expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN', attempt: 1 });
      await harness.age(job, graceMs + 1_000);
      await settle(job);
      await settle(job);
      expect(await harness.row(job)).toMatchObject({ ...unknown, attempt: 1 });
    }
    expect(harness.provider.calls).toHaveLength(3);
  });

  it('is evaluated only when every serving gateway has made a record after the grace period', async () => {
    await servePhotos(harness.database);
    await servePhotos(harness.database, { since: '-1 h', seen: '-5 s' });
    const job = await uncertain();
    await settle(job);
    expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN', attempt: 1 });
    expect(worker.announced).toEqual([photoRecordsTopic]);
    await harness.database.rows(`UPDATE photo_servers SET interrupted_at = now(), last_seen_at = now()`);
    await settle(job);
    expect(await harness.row(job)).toMatchObject(unknown);
  });

  it('proves nothing if a gateway makes no record within 15 seconds after it was requested', async () => {
    await servePhotos(harness.database);
    await servePhotos(harness.database, { since: '-1 h', seen: '-5 s' });
    const job = await uncertain();
    const clock = jest.spyOn(performance, 'now').mockReturnValue(0);
    try {
      await settle(job);
      clock.mockReturnValue(15_000);
      await settle(job);
      expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN' });
      clock.mockReturnValue(15_001);
      await settle(job);
      expect(await harness.row(job)).toMatchObject(unknown);
    } finally {
      clock.mockRestore();
    }
  });

  it('resubmits a job once, and once more after a retry by a person', async () => {
    await servePhotos(harness.database);
    const job = await uncertain();
    const endsUnknown = async (calls: number): Promise<void> => {
      harness.provider.next(isUnclear());
      await settle(job);
      await settle(job);
      await harness.age(job, graceMs + 1_000);
      await settle(job);
      await settle(job);
      expect(harness.provider.calls).toHaveLength(calls);
      expect(await harness.row(job)).toMatchObject(unknown);
    };
    await endsUnknown(2);
    await harness.retry(job);
    harness.provider.next(isUnclear());
    await settle(job);
    await harness.age(job, graceMs + 1_000);
    await endsUnknown(4);
    expect(await outcomes(harness, job)).toEqual(['NOT_EXECUTED', 'UNKNOWN', 'NOT_EXECUTED', 'UNKNOWN']);
  });

  it('does not count calls that were surely not executed as resubmissions, and keeps the count of others', async () => {
    await servePhotos(harness.database);
    const job = await begin(harness, 'training');
    harness.provider.next(
      saysLater(0),
      isUnreachable(),
      isUnclear(),
      isUnreachable(),
      isUnclear(),
      accepts(),
    );
    const untilUncertain = async (attempt: number): Promise<void> => {
      for (let time = 0; time < 4; time += 1)
        if ((await harness.row(job)).status !== 'UNCERTAIN' || time === 0) await settle(job);
      expect(await harness.row(job)).toMatchObject({ status: 'UNCERTAIN', attempt });
    };
    await untilUncertain(3);
    await harness.age(job, graceMs + 1_000);
    await untilUncertain(5);
    expect(await harness.row(job)).toMatchObject({ resends: 1 });
    await harness.age(job, graceMs + 1_000);
    await settle(job);
    await settle(job);
    expect(await harness.row(job)).toMatchObject({ ...unknown, attempt: 5 });
  });
});
