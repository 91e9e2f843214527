import { createLogger } from '../../src/core/logger';
import { startSandbox } from '../../src/sandbox/sandbox';
import type { Job } from '../support/client';
import { findViolations, rowId, statesOf } from '../support/faults-audit';
import { FaultsEnvironment, type EnvironmentOptions } from '../support/faults-environment';
import { ending, order, orderAll, prepareFixtures, readJob } from '../support/faults-jobs';
import type { GatewayProcess } from '../support/faults-process';
import { Recorder } from '../support/faults-recorder';
import { ApiError } from '../support/graphql-client';
import type { RecordingClient } from '../support/recording-client';
import { eventually, within } from '../support/until';

jest.setTimeout(180_000);

let environment: FaultsEnvironment;

async function open(options: EnvironmentOptions): Promise<void> {
  environment = await FaultsEnvironment.open({ maxFollowed: 20, ...options });
}

afterEach(() => environment.stop());

const clientOf = (gateway: GatewayProcess): RecordingClient => environment.clientOf(() => gateway);

describe('two gateways on one database', () => {
  it('create one job for ten requests with one idempotency key sent to both', async () => {
    await open({ gateways: 2 });
    const photoIds = await environment.client.upload(5);
    const clients = environment.gateways.map(clientOf);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        clients[index % 2]!.train({ photoIds, idempotencyKey: 'the-same-key' }),
      ),
    );
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    await ending(environment, 'training', answers[0]!.id);
    expect((await environment.sandbox.counts()).trainings).toBe(1);
    const other = clients[1]!.train({ photoIds: [...photoIds].reverse(), idempotencyKey: 'the-same-key' });
    await expect(other).rejects.toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' });
    expect((await environment.sandbox.counts()).trainings).toBe(1);
    expect(await findViolations(environment)).toEqual([]);
  });

  it('retry a job once for ten requests with one key sent to both, of which one process is killed before it answers', async () => {
    await open({ gateways: 2 });
    const photoIds = await environment.client.upload(5);
    await environment.sandbox.fault({ on: 'train', kind: 'failed' });
    const { id } = await environment.client.train({ photoIds });
    expect(await ending(environment, 'training', id)).toMatchObject({ status: 'FAILED', attempt: 1 });
    const request = { attempt: 1, idempotencyKey: 'the-same-retry' };
    const [killed, other] = environment.gateways as [GatewayProcess, GatewayProcess];
    const { reached } = await killed.arm('mutation:committed');
    const lost = clientOf(killed)
      .change('retryModel', id, request)
      .catch(() => null);
    await within('the commit', reached);
    await killed.kill();
    environment.gateways.shift();
    expect(await lost).toBeNull();
    const repeat = (): Promise<Job> => clientOf(other).change('retryModel', id, request);
    const answers = await Promise.all(Array.from({ length: 10 }, repeat));
    expect(new Set(answers.map((job) => job.id))).toEqual(new Set([id]));
    const ready = await ending(environment, 'training', id, ({ status }) => status === 'READY');
    expect(ready).toMatchObject({ attempt: 2 });
    expect(await repeat()).toMatchObject({ status: 'READY', attempt: 2 });
    expect((await environment.sandbox.counts()).trainings).toBe(2);
    expect(await findViolations(environment)).toEqual([]);
  });

  it('close the paid call of a process that ended after its job was cancelled', async () => {
    await open({ gateways: 2 });
    await prepareFixtures(environment);
    const [stopped, other] = environment.gateways as [GatewayProcess, GatewayProcess];
    // Only one gateway is running during the call.
    process.kill(other.pid, 'SIGSTOP');
    const { reached } = await stopped.arm('submission:answered');
    const { id } = await order(environment, 'generation');
    await within('the answer', reached);
    process.kill(other.pid, 'SIGCONT');
    await clientOf(other).change('cancelGeneration', id);
    await stopped.kill();
    const outcomes = (): Promise<{ outcome: string; isOld: boolean }[]> =>
      environment.rows(
        `SELECT outcome, called_at < now() - interval '15 s' AS "isOld" FROM submissions WHERE generation_id = $1`,
        [rowId(id)],
      );
    await eventually('the time for an answer', outcomes, ([call]) => call!.isOld);
    // Such calls are checked at a start and every minute.
    await environment.restartGateway();
    await eventually('the outcome', outcomes, ([call]) => call!.outcome === 'UNKNOWN');
    expect(await findViolations(environment)).toEqual([]);
  });

  it('pay for 40 jobs 40 times although one gateway is killed meanwhile', async () => {
    await open({ gateways: 2 });
    await prepareFixtures(environment);
    const before = await environment.paid();
    const kinds = Array.from({ length: 40 }, (_, index) => (index % 4 === 0 ? 'training' : 'generation'));
    const jobs = await orderAll(environment, kinds);
    await eventually(
      'the first half',
      () => environment.paid(),
      (paid) => paid >= before + 10,
    );
    await environment.gateways[1]!.kill();
    await environment.freshBudget();
    const ended = await Promise.all(jobs.map(({ id }, index) => ending(environment, kinds[index]!, id)));
    const ends = ended.map(({ status, failure }) => failure?.code ?? status);
    const count = (wanted: string): number => ends.filter((end) => end === wanted).length;
    // The killed process cannot serve the photos of its call: the upstream then refuses the call.
    const [unknown, refused] = [count('SUBMISSION_UNKNOWN'), count('PHOTO_UNREACHABLE')];
    expect(count('READY') + count('COMPLETED') + unknown + refused).toBe(40);
    // One process makes at most 32 concurrent paid calls: two passes of eight for trainings, as many for generations.
    expect(unknown + refused).toBeLessThanOrEqual(32);
    const paid = (await environment.paid()) - before;
    expect(paid).toBeLessThanOrEqual(40 - refused);
    expect(paid).toBeGreaterThanOrEqual(40 - refused - unknown);
    expect(await findViolations(environment)).toEqual([]);
  });

  it('resume the work of a killed gateway within 30 seconds', async () => {
    // Uses the default lease.
    await open({ settings: { LEASE: '20s', UNCERTAIN_GRACE: '40s' } });
    await prepareFixtures(environment);
    const [point, training] = [
      await environment.gateway.arm('poll:answered'),
      await order(environment, 'training'),
    ];
    await within('the poll', point.reached);
    const second = await environment.addGateway();
    const killedMs = Date.now();
    await environment.gateway.kill();
    environment.gateways.shift();
    expect(environment.gateway).toBe(second);
    const { status } = await ending(environment, 'training', training.id);
    expect(status).toBe('READY');
    expect(Date.now() - killedMs).toBeLessThan(30_000);
    expect(await findViolations(environment)).toEqual([]);
  });

  it('lose no id that only the journal of a killed gateway holds', async () => {
    // Files of a killed process are adopted after 10 seconds, which must not be the end of the grace period.
    await open({ gateways: 1, settings: { UNCERTAIN_GRACE: '60s' } });
    await prepareFixtures(environment);
    const before = await environment.paid();
    const { reached } = await environment.gateway.arm('submission:journaled');
    const { id } = await order(environment, 'generation');
    await within('the journal', reached);
    const second = await environment.addGateway();
    await environment.gateway.kill();
    environment.gateways.shift();
    expect(environment.gateway).toBe(second);
    expect(await ending(environment, 'generation', id)).toMatchObject({ status: 'COMPLETED', attempt: 1 });
    expect((await environment.paid()) - before).toBe(1);
    expect(await findViolations(environment)).toEqual([]);
  });

  it('make no second call when the calling gateway is suspended for longer than its lease and the grace period', async () => {
    await open({ gateways: 1 });
    await prepareFixtures(environment);
    const before = await environment.paid();
    const { reached } = await environment.gateway.arm('submission:before-call');
    const { id } = await order(environment, 'training');
    await within('the call', reached);
    // SIGSTOP stops all timers, so that the lease is not renewed.
    process.kill(environment.gateway.pid, 'SIGSTOP');
    const awake = await environment.addGateway();
    const client = clientOf(awake);
    await eventually(
      'the end of the first attempt',
      () => client.model(id),
      (model) => model?.failure?.code === 'SUBMISSION_UNKNOWN',
    );
    await client.change('retryModel', id);
    await eventually(
      'the second attempt',
      () => client.model(id),
      (model) => model?.status === 'READY' && model.attempt === 2,
    );
    process.kill(environment.gateway.pid, 'SIGCONT');
    environment.gateway.release();
    await eventually(
      'the call that was not made',
      async () => environment.gateway.log.slice(-5),
      () => environment.gateway.log.some(({ outcome }) => outcome === 'NOT_SENT'),
    );
    expect((await environment.paid()) - before).toBe(1);
    expect(await readJob(environment, 'training', id)).toMatchObject({ status: 'READY', attempt: 2 });
    expect(await findViolations(environment)).toEqual([]);
  });

  it('share a limit of 4 requests per second: 20 jobs are paid 20 times, and no call is early', async () => {
    const limited = await startSandbox({
      speed: 2_400,
      rateLimit: { requests: 4, windowMs: 1_000 },
      logger: createLogger('silent'),
    });
    const recorder = await Recorder.start(limited.url);
    try {
      await open({
        gateways: 2,
        settings: { PICSART_BASE_URL: recorder.url, PICSART_API_KEY: limited.apiKey },
      });
      const photoIds = await environment.client.upload(5);
      const jobs = await Promise.all(
        Array.from({ length: 20 }, (_, index) => {
          const client = clientOf(environment.gateways[index % 2]!);
          const train = (): Promise<Job> => client.train({ photoIds, idempotencyKey: `job-${index}` });
          // On a busy machine an operation may reach its time limit.
          return eventually('an answer', train, () => true);
        }),
      );
      await Promise.all(jobs.map(({ id }) => ending(environment, 'training', id)));
      const { trainings } = await limited.counts();
      const models = await environment.rows<{ status: string }>('SELECT status FROM models');
      expect(models.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 'READY'));
      expect(trainings).toBe(20);
      // Calls in flight at the first 429 cannot be withdrawn: two processes with two passes each.
      expect(recorder.early.length).toBeLessThanOrEqual(40);
      const states = await Promise.all(jobs.map(({ id }) => statesOf(environment, id)));
      expect(states.flat()).not.toContain('UNCERTAIN');
    } finally {
      await recorder.close();
      await limited.stop();
    }
  });
});

describe('an unavailable database', () => {
  it('fails requests at once, stores nothing, and leaves the idempotency key unused', async () => {
    await open({ ownPostgres: true });
    await prepareFixtures(environment);
    const before = await environment.paid();
    await environment.crashPostgres();
    const beganMs = Date.now();
    const refusal = await order(environment, 'training', 'a-key').catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(ApiError);
    expect(refusal).toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    expect(Date.now() - beganMs).toBeLessThan(6_000);
    expect(await environment.paid()).toBe(before);
    await environment.startPostgres();
    const { id } = await eventually(
      'an answer',
      () => order(environment, 'training', 'a-key'),
      () => true,
    );
    await ending(environment, 'training', id);
    const rows = await environment.rows('SELECT id FROM submissions WHERE model_id = $1', [rowId(id)]);
    expect(rows).toHaveLength(1);
    expect(await findViolations(environment)).toEqual([]);
  });
});

describe('an error that the program does not handle', () => {
  it.each(['exception', 'rejection'] as const)(
    'ends the process with exit code 1 and a fatal log line, and loses no job: %s',
    async (how) => {
      await open({});
      await prepareFixtures(environment);
      const { id } = await order(environment, 'generation');
      const failed = environment.gateway;
      expect(await failed.fail(how)).toBe(1);
      const [line] = await eventually(
        'a fatal log line',
        async () => failed.said(/^uncaught error; the process exits$/, 'fatal'),
        (lines) => lines.length > 0,
      );
      expect(line).toMatchObject({ err: { message: 'an error that no code handles' } });
      await environment.restartGateway();
      await ending(environment, 'generation', id);
      expect(await findViolations(environment)).toEqual([]);
    },
  );
});
