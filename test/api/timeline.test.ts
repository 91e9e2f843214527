import { jobKinds } from '../../src/generations/generation.kind';
import { closeUnanswered } from '../../src/jobs/ledger.repository';
import { type Job, useJobHarness } from '../support/job-harness';
import { graceMs } from '../support/job-process';
import { begin, jobTypes } from '../support/job-scenarios';
import {
  accepts,
  answersBadly,
  done,
  failed,
  isNotFound,
  isUnclear,
  refuses,
  running,
  saysLater,
  timesOut,
} from '../support/scripted-provider';

interface Call {
  httpStatus: number | null;
  durationMs: number;
  correlationId: string | null;
}

interface Entry {
  occurredAt: string;
  kind: string;
  message: string;
  attempt: number;
  call: Call | null;
}

const entryFields = 'occurredAt kind message attempt call { httpStatus durationMs correlationId }';
const aDuration = expect.any(Number) as number;

describe('the timeline of a job', () => {
  const harness = useJobHarness();

  const entriesOf = async (job: Job): Promise<Entry[]> => {
    const fields = `timeline(first: 100) { nodes { ${entryFields} } }`;
    return (await harness.readJob<{ timeline: { nodes: Entry[] } }>(job, fields)).timeline.nodes;
  };
  /** Kind, attempt and the end of the message, without what all entries of the kind have in common. */
  const storyOf = async (job: Job): Promise<string[]> =>
    (await entriesOf(job)).map(
      ({ attempt, message }) =>
        `${attempt} ${message.replace('The avatar service was asked ', '').replace('The status became ', '')}`,
    );
  const pollOnce = async (job: Job): Promise<void> => {
    await harness.untilDue(job);
    await harness.worker.poll(job.table);
  };
  const submitOnce = async (job: Job): Promise<void> => {
    await harness.untilDue(job);
    await harness.worker.submit(job.table);
  };
  const submitted = async (job: Job, ref = 'ref-1'): Promise<Job> => {
    harness.provider.next(accepts(ref));
    await submitOnce(job);
    return job;
  };

  it('has a failure and its retry, with all calls', async () => {
    const job = await submitted(await harness.generate());
    await pollOnce(job);
    harness.provider.says('ref-1', failed());
    await pollOnce(job);
    await harness.retry(job);
    await submitted(job, 'ref-2');
    harness.provider.says('ref-2', done('https://pictures.test/1', 'https://pictures.test/2'));
    await pollOnce(job);
    expect(await storyOf(job)).toEqual([
      '0 The job was requested.',
      '1 SUBMITTING.',
      '1 to do the job; it accepted.',
      '1 GENERATING.',
      '1 how the job stands; it was not finished.',
      '1 how the job stands; it had failed.',
      '1 FAILED. The avatar service failed to produce a result.',
      '1 A retry was requested.',
      '1 QUEUED.',
      '2 SUBMITTING.',
      '2 to do the job; it accepted.',
      '2 GENERATING.',
      '2 how the job stands; it was finished.',
      '2 STORING.',
    ]);
    const entries = await entriesOf(job);
    expect(entries.map(({ kind }) => kind)).toEqual([
      ...['REQUESTED', 'STATUS_CHANGED', 'SUBMITTED', 'STATUS_CHANGED', 'POLLED', 'POLLED', 'STATUS_CHANGED'],
      ...['ACTED_ON', 'STATUS_CHANGED', 'STATUS_CHANGED', 'SUBMITTED', 'STATUS_CHANGED', 'POLLED'],
      'STATUS_CHANGED',
    ]);
    const withCall = entries.filter(({ call }) => call !== null);
    expect(withCall.map(({ kind }) => kind)).toEqual([
      'SUBMITTED',
      'POLLED',
      'POLLED',
      'SUBMITTED',
      'POLLED',
    ]);
    expect(withCall[0]!.call).toEqual({
      httpStatus: null,
      durationMs: aDuration,
      correlationId: 'correlation of ref-1',
    });
    const times = entries.map(({ occurredAt }) => Date.parse(occurredAt));
    expect(times).toEqual([...times].sort((one, other) => one - other));
  });

  it.each(jobTypes)('of a %s has a call without an answer only once its end is known', async (jobType) => {
    const job = await begin(harness, jobType);
    const call = harness.provider.hold();
    const submitting = harness.worker.submit(job.table);
    await call.arrived;
    expect((await entriesOf(job)).at(-1)).toMatchObject({
      kind: 'SUBMITTED',
      message: 'The avatar service was asked to do the job; it has not answered yet.',
      call: null,
    });
    call.answer(isUnclear());
    await submitting;
    const uncertain = await entriesOf(job);
    expect(uncertain.slice(-2)).toMatchObject([
      {
        message: 'The avatar service was asked to do the job; it is unknown whether it accepted.',
        call: { httpStatus: 502, durationMs: aDuration },
      },
      { message: 'The status became UNCERTAIN.' },
    ]);
    // A photo that was fetched does not prove that the call was not accepted.
    if (jobType !== 'generation') await harness.fetchPhoto(harness.provider.calls[0]!);
    await harness.age(job, graceMs);
    await submitOnce(job);
    expect((await entriesOf(job)).at(-1)!.message).toMatch(/^The status became FAILED\. It is still unknown/);
  });

  it('has calls that were refused or not executed', async () => {
    const job = await harness.train();
    harness.provider.next(saysLater(0), refuses());
    await submitOnce(job);
    await submitOnce(job);
    expect((await entriesOf(job)).filter(({ kind }) => kind === 'SUBMITTED')).toMatchObject([
      {
        attempt: 1,
        message: expect.stringMatching(/not executed; nothing was charged/) as string,
        call: { httpStatus: 429, durationMs: aDuration },
      },
      {
        attempt: 2,
        message: expect.stringMatching(/it refused; nothing was charged/) as string,
        call: { httpStatus: 400, durationMs: aDuration },
      },
    ]);
  });

  it('has the duration of a call whose process was killed before it recorded the answer', async () => {
    const job = await harness.train();
    harness.provider.next(accepts('ref-1'));
    harness.worker.crashAt('submission:answered');
    await harness.worker.submit(job.table);
    await harness.age(job, 30_000);
    const next = harness.successor(harness.worker);
    await next.submit(job.table);
    const [call, change] = (await entriesOf(job)).slice(-2);
    expect(call).toMatchObject({ kind: 'SUBMITTED', call: { httpStatus: null } });
    expect(call!.call!.durationMs).toBeGreaterThanOrEqual(30_000);
    expect(change!.message).toBe('The status became UNCERTAIN.');
  });

  it('has the duration of a call whose process was killed and whose job was cancelled meanwhile', async () => {
    const job = await harness.train();
    harness.worker.crashAt('submission:answered');
    await harness.worker.submit(job.table);
    await harness.cancel(job);
    await harness.age(job, 30_000);
    expect(await closeUnanswered(harness.database, jobKinds, 20_000)).toBe(1);
    const call = (await entriesOf(job)).find(({ kind }) => kind === 'SUBMITTED')!.call;
    expect(call!.durationMs).toBeGreaterThanOrEqual(30_000);
  });

  it('has the duration of a call whose answer was only in the journal of a killed process', async () => {
    const job = await harness.train();
    harness.provider.next(accepts('ref-1'));
    harness.worker.crashAt('submission:journaled');
    await harness.worker.submit(job.table);
    await harness.age(job, 30_000);
    const next = harness.successor(harness.worker);
    await next.replay();
    const call = (await entriesOf(job)).find(({ kind }) => kind === 'SUBMITTED');
    expect(call!.call).toMatchObject({ correlationId: 'correlation of ref-1' });
    expect(call!.call!.durationMs).toBeLessThan(30_000);
    expect((await storyOf(job)).slice(-2)).toEqual(['1 to do the job; it accepted.', '1 TRAINING.']);
  });

  it('has one entry for equal answers to polls, with their number', async () => {
    const job = await submitted(await harness.train());
    const answers = [running(), running(5), running(), answersBadly(), answersBadly(), timesOut(), running()];
    for (const answer of [...answers, isNotFound(), isNotFound()]) {
      harness.provider.says('ref-1', answer);
      await pollOnce(job);
    }
    expect((await storyOf(job)).slice(4)).toEqual([
      '1 how the job stands, 3 times; it was not finished.',
      '1 how the job stands, 2 times; there was no usable answer.',
      '1 how the job stands; there was no usable answer.',
      '1 how the job stands; it was not finished.',
      '1 how the job stands, 2 times; the service did not know it.',
    ]);
    expect((await entriesOf(job)).slice(4).map(({ call }) => call!.httpStatus)).toEqual([
      ...[null, 502, null, null, 404],
    ]);
  });

  it('has the polls of a failed job that is still watched', async () => {
    const job = await submitted(await harness.train());
    await pollOnce(job);
    harness.provider.says('ref-1', failed());
    await pollOnce(job);
    harness.provider.says('ref-1', running());
    for (let time = 0; time < 3; time += 1) await pollOnce(job);
    harness.provider.says('ref-1', done());
    await pollOnce(job);
    expect((await storyOf(job)).slice(-3)).toEqual([
      '1 how the job stands, 3 times; it was not finished.',
      '1 how the job stands; it was finished.',
      '1 READY.',
    ]);
  });

  it('has a cancellation by its owner, once', async () => {
    const job = await harness.train();
    await harness.cancel(job);
    await harness.cancel(job);
    expect(await storyOf(job)).toEqual([
      '0 The job was requested.',
      '0 A cancellation was requested.',
      '0 CANCELLED.',
    ]);
  });

  it('is empty for a job from before there were timelines, and has its later entries', async () => {
    const job = await submitted(await harness.train());
    await harness.database.rows('DELETE FROM timeline_entries');
    expect(await entriesOf(job)).toEqual([]);
    harness.provider.says('ref-1', done());
    await pollOnce(job);
    expect((await storyOf(job)).at(-1)).toBe('1 READY.');
  });

  it('does not have the entries of the model of a generation', async () => {
    const model = await submitted(await harness.train());
    harness.provider.says('ref-1', done());
    await pollOnce(model);
    const generation = await harness.generateFrom(model.id);
    expect(await storyOf(generation)).toEqual(['0 The job was requested.']);
    expect(await storyOf(model)).toHaveLength(6);
  });
});
