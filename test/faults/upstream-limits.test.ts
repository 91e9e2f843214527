import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { complaints, rowId, statesOf } from '../support/faults-audit';
import { eventually, type Job } from '../support/faults-client';
import { FaultsHouse, type HouseOptions } from '../support/faults-house';
import { ending, furnish, look, order, type JobKind } from '../support/faults-jobs';
import { Recorder } from '../support/faults-recorder';

jest.setTimeout(180_000);

const houses: FaultsHouse[] = [];
const recorders: Recorder[] = [];

async function open(options: HouseOptions): Promise<FaultsHouse> {
  const house = await FaultsHouse.open(options);
  houses.push(house);
  await furnish(house);
  return house;
}

/** A house whose upstream is reached by way of a recorder, from its second start on. */
async function openRecorded(
  settings: Record<string, string> = {},
): Promise<{ house: FaultsHouse; recorder: Recorder }> {
  const house = await open({});
  const recorder = await Recorder.start(house.sandbox.url);
  recorders.push(recorder);
  await house.gateway.kill();
  await house.restartGateway(0, { PICSART_BASE_URL: recorder.url, ...settings });
  return { house, recorder };
}

afterEach(async () => {
  await Promise.all(houses.splice(0).map((house) => house.close()));
  await Promise.all(recorders.splice(0).map((recorder) => recorder.close()));
});

const kinds: JobKind[] = ['training', 'generation'];

describe('an upstream that is not there', () => {
  it('is waited for, and paid once when it comes back', async () => {
    const { house, recorder } = await openRecorded();
    await recorder.close();
    const jobs = await Promise.all(kinds.map((kind) => order(house, kind)));
    for (const [index, kind] of kinds.entries()) {
      await eventually(
        'a call that could not be made',
        () => look(house, kind, jobs[index]!.id),
        (job) => job?.status === 'QUEUED' && job.attempt > 0,
      );
    }
    const before = await house.paid();
    await recorder.open();
    await house.freshBudget();
    for (const [index, kind] of kinds.entries()) {
      const { status } = await ending(house, kind, jobs[index]!.id);
      expect(['READY', 'COMPLETED']).toContain(status);
      expect(await statesOf(house, jobs[index]!.id)).not.toContain('UNCERTAIN');
    }
    expect(recorder.paid).toHaveLength(2);
    expect((await house.paid()) - before).toBe(2);
    expect(await complaints(house)).toEqual([]);
  });

  it('is left alone once it has failed five times, and one call probes before the others follow', async () => {
    const { house, recorder } = await openRecorded();
    await house.sandbox.fault({ on: 'generate', kind: 'status', status: 500, times: 5 });
    const failing = await Promise.all([1, 2, 3, 4, 5].map(() => order(house, 'generation')));
    await eventually(
      'five failures',
      async () => recorder.paid,
      (calls) => calls.filter(({ status }) => status === 500).length === 5,
    );
    const later = await Promise.all([1, 2, 3].map(() => order(house, 'generation')));
    for (const { id } of later) expect((await ending(house, 'generation', id)).status).toBe('COMPLETED');
    for (const { id } of failing) expect((await ending(house, 'generation', id)).status).toBe('FAILED');
    const [, , , , fifth, probe, ...others] = recorder.paid;
    expect(probe!.atMs - fifth!.answeredMs!).toBeGreaterThanOrEqual(4_900);
    expect(others).toHaveLength(2);
    for (const { atMs } of others) expect(atMs).toBeGreaterThanOrEqual(probe!.answeredMs!);
    expect(await complaints(house)).toEqual([]);
  });
});

describe('deadlines', () => {
  it.each(kinds)('ends a %s that never ends, and takes its late success after all', async (kind) => {
    const house = await open({ settings: { TRAINING_DEADLINE: '3s', GENERATION_DEADLINE: '3s' } });
    const on = kind === 'training' ? 'model' : 'inference';
    await house.sandbox.fault({ on, kind: 'never-done', times: 100_000 });
    const before = await house.paid();
    const { id } = await order(house, kind);
    const late = await ending(house, kind, id);
    expect(late).toMatchObject({ status: 'FAILED', failure: { code: 'UPSTREAM_TIMEOUT', retryable: true } });
    await house.clearFaults();
    const done = await ending(house, kind, id, ({ status }) => status !== 'FAILED');
    expect(['READY', 'COMPLETED']).toContain(done.status);
    expect((await house.paid()) - before).toBe(1);
    expect(await complaints(house)).toEqual([]);
  });

  it('gives a job up that the upstream has lost, but not before its time, and takes it when it is found again', async () => {
    const house = await open({
      settings: { UPSTREAM: 'sandbox', SANDBOX_SPEED: '600' },
      sandbox: { speed: 600 },
    });
    const before = await house.paid();
    await house.sandbox.fault({ on: 'model', kind: 'status', status: 404, forMs: 3_600_000 });
    const { id } = await order(house, 'training');
    const lost = await ending(house, 'training', id);
    expect(lost).toMatchObject({
      status: 'FAILED',
      failure: { code: 'MODEL_LOST_UPSTREAM', retryable: true },
    });
    const [row] = await house.rows<{ age: number }>(
      `SELECT extract(epoch FROM updated_at - submitted_at)::float8 AS age FROM models WHERE failure_code IS NOT NULL`,
    );
    // At this speed, 30 minutes are 3 seconds.
    expect(row!.age).toBeGreaterThanOrEqual(3);
    await house.gateway.kill();
    await house.clearFaults();
    await house.restartGateway();
    expect(await ending(house, 'training', id, ({ status }) => status !== 'FAILED')).toMatchObject({
      status: 'READY',
    });
    expect((await house.paid()) - before).toBe(1);
    expect(await statesOf(house, id)).toContain('FAILED');
    expect(await complaints(house)).toEqual([]);
  });

  it.each(kinds)('goes on with a %s that is answered by 404 for seconds, over a crash', async (kind) => {
    const house = await open({});
    const before = await house.paid();
    await house.sandbox.fault({
      on: kind === 'training' ? 'model' : 'inference',
      kind: 'status',
      status: 404,
      forMs: 3_600_000,
    });
    const { id } = await order(house, kind);
    const table = kind === 'training' ? 'models' : 'generations';
    const notFound = (): Promise<{ count: number }[]> =>
      house.rows(`SELECT not_found_count AS count FROM ${table} WHERE id = $1`, [rowId(id)]);
    await eventually('two answers of 404', notFound, ([row]) => row!.count >= 2);
    await house.gateway.kill();
    await house.restartGateway();
    await eventually('a third one, counted with the others', notFound, ([row]) => row!.count >= 3);
    await house.clearFaults();
    expect((await ending(house, kind, id)).status).toBe(kind === 'training' ? 'READY' : 'COMPLETED');
    expect((await house.paid()) - before).toBe(1);
    expect(await statesOf(house, id)).not.toContain('FAILED');
    expect(await complaints(house)).toEqual([]);
  });

  it.each(kinds)('takes a %s that is done after the upstream said that it failed', async (kind) => {
    const house = await open({});
    await house.sandbox.fault({ on: kind === 'training' ? 'model' : 'inference', kind: 'failed' });
    const { id } = await order(house, kind);
    const states = ['READY', 'COMPLETED'];
    expect(states).toContain((await ending(house, kind, id, ({ status }) => status !== 'FAILED')).status);
    expect(await statesOf(house, id)).toContain('FAILED');
    expect(await complaints(house)).toEqual([]);
  });

  it('warns when a finished picture runs out of time, and says so when it is over', async () => {
    // Results last 14 seconds.
    const speed = 12_000;
    const house = await open({
      settings: { UPSTREAM: 'sandbox', SANDBOX_SPEED: String(speed) },
      sandbox: { speed },
    });
    await house.sandbox.fault({ on: 'result', kind: 'status', status: 500, times: 100_000 });
    const { id } = await order(house, 'generation');
    const isExpired = ({ failure }: Job): boolean => failure?.code === 'RESULT_EXPIRED';
    const expired = await ending(house, 'generation', id, isExpired);
    expect(expired).toMatchObject({ status: 'FAILED', failure: { code: 'RESULT_EXPIRED', retryable: true } });
    expect(house.gateway.said(/less than a quarter of its time left/, 'warn')).not.toEqual([]);
    expect(await house.gateway.metric('likeness_results_late_total')).toBeGreaterThan(0);
    expect(await house.gateway.metric('likeness_results_lost_total')).toBeGreaterThan(0);
    expect(await complaints(house)).toEqual([]);
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

  it('are never followed, neither by calls nor by questions nor by pictures', async () => {
    const house = await open({});
    const location = `http://127.0.0.1:${(secret.address() as AddressInfo).port}/secret`;
    for (const on of ['train', 'model', 'generate', 'inference', 'result'] as const) {
      await house.sandbox.fault({ on, kind: 'redirect', location });
    }
    const jobs: Job[] = await Promise.all(kinds.map((kind) => order(house, kind)));
    await Promise.all(kinds.map((kind, index) => ending(house, kind, jobs[index]!.id)));
    const { calls } = await house.sandbox.counts();
    expect(calls).toMatchObject({ train: 3, generate: 1 });
    expect(hits).toBe(0);
  });
});
