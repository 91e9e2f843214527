import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Job } from '../support/client';
import { findViolations, rowId, statesOf } from '../support/faults-audit';
import { FaultsEnvironment, type EnvironmentOptions } from '../support/faults-environment';
import { ending, prepareFixtures, readJob, order, type JobKind } from '../support/faults-jobs';
import { Recorder } from '../support/faults-recorder';
import { eventually } from '../support/until';

jest.setTimeout(180_000);

const environments: FaultsEnvironment[] = [];
const recorders: Recorder[] = [];

async function open(options: EnvironmentOptions): Promise<FaultsEnvironment> {
  const environment = await FaultsEnvironment.open(options);
  environments.push(environment);
  if (environment.gateways.length > 0) await prepareFixtures(environment);
  return environment;
}

/** An environment whose upstream is reached through a recorder, which has recorded nothing yet. */
async function openRecorded(
  settings: Record<string, string> = {},
): Promise<{ environment: FaultsEnvironment; recorder: Recorder }> {
  const environment = await open({ gateways: 0 });
  const recorder = await Recorder.start(environment.sandbox.url);
  recorders.push(recorder);
  await environment.addGateway({ PICSART_BASE_URL: recorder.url, ...settings });
  await prepareFixtures(environment);
  recorder.calls.length = 0;
  return { environment, recorder };
}

afterEach(async () => {
  await Promise.all(environments.splice(0).map((environment) => environment.stop()));
  await Promise.all(recorders.splice(0).map((recorder) => recorder.close()));
});

const kinds: JobKind[] = ['training', 'generation'];

describe('an unavailable upstream', () => {
  it('delays jobs, and is paid once per job when it is back', async () => {
    const { environment, recorder } = await openRecorded();
    await recorder.close();
    const jobs = await Promise.all(kinds.map((kind) => order(environment, kind)));
    for (const [index, kind] of kinds.entries()) {
      await eventually(
        'a call that could not be made',
        () => readJob(environment, kind, jobs[index]!.id),
        (job) => job?.status === 'QUEUED' && job.attempt > 0,
      );
    }
    const before = await environment.paid();
    await recorder.open();
    await environment.freshBudget();
    for (const [index, kind] of kinds.entries()) {
      const { status } = await ending(environment, kind, jobs[index]!.id);
      expect(['READY', 'COMPLETED']).toContain(status);
      expect(await statesOf(environment, jobs[index]!.id)).not.toContain('UNCERTAIN');
    }
    expect(recorder.paid).toHaveLength(2);
    expect((await environment.paid()) - before).toBe(2);
    expect(await findViolations(environment)).toEqual([]);
  });

  it('gets no calls after five failures, then one trial call before all others', async () => {
    const { environment, recorder } = await openRecorded();
    await environment.sandbox.fault({ on: 'generate', kind: 'status', status: 500, times: 5 });
    const failing = await Promise.all([1, 2, 3, 4, 5].map(() => order(environment, 'generation')));
    await eventually(
      'five failures',
      async () => recorder.paid,
      (calls) => calls.filter(({ status }) => status === 500).length === 5,
    );
    const later = await Promise.all([1, 2, 3].map(() => order(environment, 'generation')));
    for (const { id } of later)
      expect((await ending(environment, 'generation', id)).status).toBe('COMPLETED');
    for (const { id } of failing) expect((await ending(environment, 'generation', id)).status).toBe('FAILED');
    const [, , , , fifth, probe, ...others] = recorder.paid;
    expect(probe!.atMs - fifth!.answeredMs!).toBeGreaterThanOrEqual(4_900);
    expect(others).toHaveLength(2);
    for (const { atMs } of others) expect(atMs).toBeGreaterThanOrEqual(probe!.answeredMs!);
    expect(await findViolations(environment)).toEqual([]);
  });
});

describe('the maximum number of concurrent calls', () => {
  it.each([
    ['submissions', 'MAX_SUBMISSIONS', 'SUBMIT_TIMEOUT', 'generate', /^POST .*inferences/],
    ['polls', 'MAX_POLLS', 'POLL_TIMEOUT', 'inference', /^GET .*inferences/],
  ] as const)('of %s is a setting: further ones wait', async (_, limit, timeout, on, pattern) => {
    const { environment, recorder } = await openRecorded({ [limit]: '1', [timeout]: '3s' });
    await environment.sandbox.fault({ on, kind: 'hang' });
    await Promise.all([1, 2].map(() => order(environment, 'generation')));
    const calls = await eventually(
      'two calls',
      async () => recorder.calls.filter(({ method, path }) => pattern.test(`${method} ${path}`)),
      (found) => found.length >= 2,
    );
    expect(calls[1]!.atMs - calls[0]!.atMs).toBeGreaterThanOrEqual(2_900);
  });

  it('of connections for polls is a setting: polls that wait for one do not fail', async () => {
    const { environment } = await openRecorded({ MAX_POLL_CONNECTIONS: '1', POLL_TIMEOUT: '3s' });
    await environment.sandbox.fault({ on: 'inference', kind: 'hang', times: 2 });
    const jobs = await Promise.all([1, 2, 3].map(() => order(environment, 'generation')));
    for (const { id } of jobs) expect((await ending(environment, 'generation', id)).status).toBe('COMPLETED');
    const errors = await environment.rows<{ ms: number }>(
      `SELECT duration_ms AS ms FROM timeline_entries WHERE kind = 'POLLED' AND outcome = 'ERROR'`,
    );
    expect(errors).toHaveLength(2);
    // Without the 3 seconds for which the second one waited.
    for (const { ms } of errors) expect(ms).toBeLessThan(5_900);
  });
});

describe('deadlines', () => {
  it.each(kinds)('fail a %s that never ends, and its late success is still accepted', async (kind) => {
    const environment = await open({ settings: { TRAINING_DEADLINE: '3s', GENERATION_DEADLINE: '3s' } });
    const on = kind === 'training' ? 'model' : 'inference';
    await environment.sandbox.fault({ on, kind: 'never-done', times: 100_000 });
    const before = await environment.paid();
    const { id } = await order(environment, kind);
    const late = await ending(environment, kind, id);
    expect(late).toMatchObject({ status: 'FAILED', failure: { code: 'UPSTREAM_TIMEOUT', retryable: true } });
    await environment.clearFaults();
    const done = await ending(environment, kind, id, ({ status }) => status !== 'FAILED');
    expect(['READY', 'COMPLETED']).toContain(done.status);
    expect((await environment.paid()) - before).toBe(1);
    expect(await findViolations(environment)).toEqual([]);
  });

  it('fail a job that the upstream has lost, not early, and complete it when the upstream finds it again', async () => {
    const environment = await open({
      settings: { UPSTREAM: 'sandbox', SANDBOX_SPEED: '600' },
      sandbox: { speed: 600 },
    });
    const before = await environment.paid();
    await environment.sandbox.fault({ on: 'model', kind: 'status', status: 404, forMs: 3_600_000 });
    const { id } = await order(environment, 'training');
    const lost = await ending(environment, 'training', id);
    expect(lost).toMatchObject({
      status: 'FAILED',
      failure: { code: 'MODEL_LOST_UPSTREAM', retryable: true },
    });
    const [row] = await environment.rows<{ age: number }>(
      `SELECT extract(epoch FROM updated_at - submitted_at)::float8 AS age FROM models WHERE failure_code IS NOT NULL`,
    );
    // At this speed, 30 minutes are 3 seconds.
    expect(row!.age).toBeGreaterThanOrEqual(3);
    await environment.gateway.kill();
    await environment.clearFaults();
    await environment.restartGateway();
    expect(await ending(environment, 'training', id, ({ status }) => status !== 'FAILED')).toMatchObject({
      status: 'READY',
    });
    expect((await environment.paid()) - before).toBe(1);
    expect(await statesOf(environment, id)).toContain('FAILED');
    expect(await findViolations(environment)).toEqual([]);
  });

  it.each(kinds)('allow seconds of 404 for a %s, across a crash', async (kind) => {
    const environment = await open({});
    const before = await environment.paid();
    await environment.sandbox.fault({
      on: kind === 'training' ? 'model' : 'inference',
      kind: 'status',
      status: 404,
      forMs: 3_600_000,
    });
    const { id } = await order(environment, kind);
    const table = kind === 'training' ? 'models' : 'generations';
    const notFound = (): Promise<{ count: number }[]> =>
      environment.rows(`SELECT not_found_count AS count FROM ${table} WHERE id = $1`, [rowId(id)]);
    await eventually('two answers of 404', notFound, ([row]) => row!.count >= 2);
    await environment.gateway.kill();
    await environment.restartGateway();
    await eventually('a third one, counted with the others', notFound, ([row]) => row!.count >= 3);
    await environment.clearFaults();
    expect((await ending(environment, kind, id)).status).toBe(kind === 'training' ? 'READY' : 'COMPLETED');
    expect((await environment.paid()) - before).toBe(1);
    expect(await statesOf(environment, id)).not.toContain('FAILED');
    expect(await findViolations(environment)).toEqual([]);
  });

  it.each(kinds)('accept a %s that is done after the upstream reported a failure', async (kind) => {
    const environment = await open({});
    await environment.sandbox.fault({ on: kind === 'training' ? 'model' : 'inference', kind: 'failed' });
    const { id } = await order(environment, kind);
    const states = ['READY', 'COMPLETED'];
    expect(states).toContain(
      (await ending(environment, kind, id, ({ status }) => status !== 'FAILED')).status,
    );
    expect(await statesOf(environment, id)).toContain('FAILED');
    expect(await findViolations(environment)).toEqual([]);
  });

  it('log a warning before a finished picture expires, and an error when it has expired', async () => {
    // Results are kept for 14 seconds.
    const speed = 12_000;
    const environment = await open({
      settings: { UPSTREAM: 'sandbox', SANDBOX_SPEED: String(speed) },
      sandbox: { speed },
    });
    await environment.sandbox.fault({ on: 'result', kind: 'status', status: 500, times: 100_000 });
    const { id } = await order(environment, 'generation');
    const isExpired = ({ failure }: Job): boolean => failure?.code === 'RESULT_EXPIRED';
    const expired = await ending(environment, 'generation', id, isExpired);
    expect(expired).toMatchObject({ status: 'FAILED', failure: { code: 'RESULT_EXPIRED', retryable: true } });
    await eventually(
      'a warning',
      async () => environment.gateway.said(/less than a quarter of its time left/, 'warn'),
      (lines) => lines.length > 0,
    );
    expect(await environment.gateway.metric('likeness_results_late_total')).toBeGreaterThan(0);
    expect(await environment.gateway.metric('likeness_results_lost_total')).toBeGreaterThan(0);
    expect(await findViolations(environment)).toEqual([]);
  });
});

describe('redirects', () => {
  let secret: Server;
  let hits = 0;

  beforeAll(async () => {
    secret = createServer((_, response) => {
      hits += 1;
      response.end('a secret');
    });
    await new Promise<void>((ready) => secret.listen(0, '127.0.0.1', ready));
  });

  afterAll(() => new Promise((closed) => secret.close(closed)));

  it('are never followed by paid calls, polls or picture downloads', async () => {
    const environment = await open({});
    const location = `http://127.0.0.1:${(secret.address() as AddressInfo).port}/secret`;
    for (const on of ['train', 'model', 'generate', 'inference', 'result'] as const) {
      await environment.sandbox.fault({ on, kind: 'redirect', location });
    }
    const jobs: Job[] = await Promise.all(kinds.map((kind) => order(environment, kind)));
    await Promise.all(kinds.map((kind, index) => ending(environment, kind, jobs[index]!.id)));
    const { calls } = await environment.sandbox.counts();
    expect(calls).toMatchObject({ train: 3, generate: 1 });
    expect(hits).toBe(0);
  });
});
