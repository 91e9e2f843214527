import { Client } from 'pg';
import type { Job } from '../support/client';
import { FaultsEnvironment } from '../support/faults-environment';
import { prepareFixtures, order } from '../support/faults-jobs';
import type { RecordingClient } from '../support/recording-client';
import { eventually, within } from '../support/until';

jest.setTimeout(180_000);

/** More than progress may rise until a change that began now is stored: 5 points a second, shown 2 seconds late. */
const lateRise = 20;

describe('the progress of a job whose cancellation is delayed', () => {
  let environment: FaultsEnvironment;
  /** Clients of the first and of the second gateway. */
  let first: RecordingClient;
  let second: RecordingClient;

  beforeAll(async () => {
    environment = await FaultsEnvironment.open({ gateways: 2, maxFollowed: 0 });
    [first, second] = environment.gateways.map((_, index) =>
      environment.clientOf(() => environment.gateways[index]!),
    ) as [RecordingClient, RecordingClient];
    await prepareFixtures(environment);
  });

  afterAll(() => environment.stop());

  /** A training that runs until it is cancelled, when its progress is between steps. */
  async function startTraining(): Promise<Job> {
    await environment.sandbox.fault({ on: 'train', kind: 'never-done' });
    const { id } = await order(environment, 'training');
    return progressOf(id, 5);
  }

  async function progressOf(id: string, min: number): Promise<Job> {
    const job = await eventually(
      `${min} percent`,
      () => second.model(id),
      (model) => model!.progress >= min,
    );
    return job!;
  }

  it('does not go back when the cancellation has waited for another change', async () => {
    const { id, progress } = await startTraining();
    const session = new Client(environment.databaseUrl);
    await session.connect();
    await session.query('BEGIN');
    await session.query(`SELECT FROM models WHERE status = 'TRAINING' FOR UPDATE`);
    const cancelling = second.change('cancelModel', id);
    const seen = await progressOf(id, progress + lateRise);
    await session.query('ROLLBACK');
    await session.end();
    const cancelled = await cancelling;
    expect(cancelled.status).toBe('CANCELLED');
    expect(cancelled.progress).toBeGreaterThanOrEqual(seen.progress);
  });

  it('does not go back when the gateway is suspended before it commits the cancellation', async () => {
    const { id, progress } = await startTraining();
    const { reached } = await environment.gateway.arm('move:before-commit');
    // Not repeated: the gateway may have made the change.
    const cancelling = first.change('cancelModel', id).catch(() => null);
    await within('the cancellation', reached);
    const seen = await progressOf(id, progress + lateRise);
    environment.gateway.release();
    await cancelling;
    await eventually(
      'the cancellation',
      () => second.change('cancelModel', id),
      ({ status }) => status === 'CANCELLED',
    );
    const cancelled = await second.model(id);
    expect(cancelled!.progress).toBeGreaterThanOrEqual(seen.progress);
  });
});
