import { Client } from 'pg';
import { uuidOf, type Job } from '../support/client';
import { FaultsEnvironment } from '../support/faults-environment';
import { prepareFixtures, order } from '../support/faults-jobs';
import type { GatewayProcess } from '../support/faults-process';
import type { RecordingClient } from '../support/recording-client';
import { eventually, within } from '../support/until';

jest.setTimeout(180_000);

/** More than progress may rise until a change that began now is stored: 5 points a second, shown 2 seconds late. */
const lateRise = 15;

const never = 1_000_000;

describe('progress that is stored or read late', () => {
  let environment: FaultsEnvironment;
  /** Clients of the first and of the second gateway. */
  let first: RecordingClient;
  let second: RecordingClient;

  beforeAll(async () => {
    // Without SKIP LOCKED, also the end of overdue jobs waits for other changes.
    const settings = { WORK_CHECK_INTERVAL: '1s', DATABASE_ENGINE: 'portable' };
    environment = await FaultsEnvironment.open({ gateways: 2, maxFollowed: 0, settings });
    [first, second] = environment.gateways.map((_, index) =>
      environment.clientOf(() => environment.gateways[index]!),
    ) as [RecordingClient, RecordingClient];
    await prepareFixtures(environment);
  });

  afterAll(() => environment.stop());

  /** A training whose progress rises from 0 to 90 percent, 5 points a second, without further polls. */
  async function startTraining(): Promise<string> {
    await environment.sandbox.fault({ on: 'train', kind: 'never-done' });
    const { id } = await order(environment, 'training');
    await eventually(
      'the training',
      () =>
        environment.rows(
          `UPDATE models
              SET progress = 0, lease = NULL, due_at = now() + interval '1 h',
                  pace = pace || jsonb_build_object('reached', 90, 'reportedMs', NULL,
                    'durations', '[100000, 100000, 100000]'::jsonb,
                    'atMs', extract(epoch FROM clock_timestamp() - interval '2 s') * 1000)
            WHERE id = $1 AND status = 'TRAINING' RETURNING id`,
          [uuidOf(id)],
        ),
      ({ length }) => length > 0,
    );
    return id;
  }

  /** Locks in a session of its own until the returned function is called. */
  async function lock(text: string): Promise<() => Promise<void>> {
    const session = new Client(environment.databaseUrl);
    await session.connect();
    await session.query('BEGIN');
    await session.query(text);
    return async () => {
      await session.query('ROLLBACK');
      await session.end();
    };
  }

  const lockRow = (): Promise<() => Promise<void>> =>
    lock(`SELECT FROM models WHERE status = 'TRAINING' FOR UPDATE`);

  /** Waits until statements with all of these texts wait for a lock or, with `false`, until none is active. */
  async function untilWaiting(texts: readonly string[], isExpected = true): Promise<void> {
    await eventually(
      texts.join(),
      () =>
        environment.rows(
          `SELECT FROM unnest($1::text[]) AS wanted (text)
            WHERE EXISTS (SELECT FROM pg_stat_activity
                           WHERE position(wanted.text IN query) > 0 AND pid <> pg_backend_pid() AND datname = current_database()
                             AND state = 'active' AND (wait_event_type = 'Lock' OR NOT $2))`,
          [texts, isExpected],
        ),
      ({ length }) => length === (isExpected ? texts.length : 0),
    );
  }

  /** Waits until more is shown than what was to be stored before the call. */
  async function rise(id: string): Promise<Job> {
    const now = await second.model(id);
    const job = await eventually(
      'the rise',
      () => second.model(id),
      (model) => model!.progress >= now!.progress + lateRise,
    );
    return job!;
  }

  /** Cancels it at the other gateway, if a transaction of the suspended one is not to end first. */
  const cancelAtSecond = (id: string): Promise<Job> =>
    eventually(
      'the cancellation',
      () => second.change('cancelModel', id),
      ({ status }) => status === 'CANCELLED',
    );

  const untilFailed = (id: string): Promise<Job | null> =>
    eventually(
      'the failure',
      () => second.model(id),
      (model) => model!.status === 'FAILED',
    );

  it('does not go back when the cancellation has waited for another change', async () => {
    const id = await startTraining();
    const unlock = await lockRow();
    const cancelling = second.change('cancelModel', id);
    const seen = await rise(id);
    await unlock();
    const cancelled = await cancelling;
    expect(cancelled.status).toBe('CANCELLED');
    expect(cancelled.progress).toBeGreaterThanOrEqual(seen.progress);
  });

  it('does not go back when the gateway is suspended before it commits the cancellation', async () => {
    const id = await startTraining();
    const { reached } = await environment.gateway.arm('move:before-commit');
    // Not repeated: the gateway may have made the change.
    const cancelling = first.change('cancelModel', id).catch(() => null);
    await within('the cancellation', reached);
    const seen = await rise(id);
    environment.gateway.release();
    await cancelling;
    const cancelled = await cancelAtSecond(id);
    expect(cancelled.progress).toBeGreaterThanOrEqual(seen.progress);
  });

  it('does not go back when the gateway is suspended while the cancellation waits for another change', async () => {
    const id = await startTraining();
    const unlock = await lockRow();
    const cancelling = first.change('cancelModel', id).catch(() => null);
    await untilWaiting(['"readAt"']);
    environment.gateway.signal('SIGSTOP');
    await unlock();
    const seen = await rise(id);
    environment.gateway.signal('SIGCONT');
    await cancelling;
    const cancelled = await cancelAtSecond(id);
    expect(cancelled.progress).toBeGreaterThanOrEqual(seen.progress);
  });

  it('does not go back when the failure that a poll has found waits for another change', async () => {
    const id = await startTraining();
    const reached = await Promise.all(environment.gateways.map((gateway) => gateway.arm('poll:answered')));
    await environment.sandbox.fault({ on: 'model', kind: 'failed' });
    await environment.rows('UPDATE models SET due_at = now() WHERE id = $1', [uuidOf(id)]);
    await within('a poll', Promise.race(reached.map((gateway) => gateway.reached)));
    const unlock = await lockRow();
    for (const gateway of environment.gateways) {
      // Else the gateway that has not polled would be blocked later.
      await gateway.arm('poll:answered', never);
      gateway.release();
    }
    await untilWaiting(['models']);
    const seen = await rise(id);
    await unlock();
    const failed = await untilFailed(id);
    expect(failed!.progress).toBeGreaterThanOrEqual(seen.progress);
  });

  it.each([0, 1])(
    'does not go back when the end at the deadline has waited for another change of job %d',
    async (index) => {
      const ids = [await startTraining(), await startTraining()];
      // Lets the row be updated, but not be locked for its end.
      const unlock = await lock(`SELECT FROM models WHERE id = '${uuidOf(ids[index]!)}' FOR KEY SHARE`);
      await environment.rows(`UPDATE models SET deadline_at = now() - interval '1 h' WHERE id = ANY($1)`, [
        ids.map(uuidOf),
      ]);
      await untilWaiting(['deadline_at <= now()']);
      const seen = await Promise.all(ids.map(rise));
      await unlock();
      const failed = await Promise.all(ids.map(untilFailed));
      const losses = failed.map((job, each) => seen[each]!.progress - job!.progress);
      expect(Math.max(...losses)).toBeLessThanOrEqual(0);
    },
  );

  it('does not go back when the gateway is suspended while the end at the deadline waits for another change', async () => {
    const id = await startTraining();
    const [one, other] = environment.gateways as [GatewayProcess, GatewayProcess];
    const unlock = await lock(`SELECT FROM models WHERE status = 'TRAINING' FOR KEY SHARE`);
    other.signal('SIGSTOP');
    await environment.rows(`UPDATE models SET deadline_at = now() - interval '1 h' WHERE id = $1`, [
      uuidOf(id),
    ]);
    await untilWaiting(['deadline_at <= now()']);
    one.signal('SIGSTOP');
    other.signal('SIGCONT');
    await unlock();
    const seen = await rise(id);
    one.signal('SIGCONT');
    const failed = await untilFailed(id);
    expect(failed!.progress).toBeGreaterThanOrEqual(seen.progress);
  });

  it('is that of the time of a read, although the gateway is suspended before it responds', async () => {
    const id = await startTraining();
    const unlock = await lock('LOCK TABLE models');
    const planned = first.model(id);
    // The resolvers answer operations that ask for the schema.
    const query = 'query ($id: ID!) { __schema { queryType { name } } model(id: $id) { progress } }';
    const resolved = first.request<{ model: { progress: number } }>(query, { id });
    const training = first.followTraining(id);
    const activity = first.subscribe<{ change: { progress: number } }>(
      'subscription { activity(estimates: false) { change { ... on ModelChanged { progress } } } }',
      {},
    );
    const reads = [
      '{"data":',
      'id = ANY($1) AND owner',
      'JOIN streams s ON s.id = models.id',
      'CROSS JOIN LATERAL',
    ];
    await untilWaiting(reads);
    environment.gateway.signal('SIGSTOP');
    await unlock();
    await untilWaiting(reads, false);
    const cancelled = await cancelAtSecond(id);
    await eventually(
      'a time at which the job would have more progress',
      () =>
        environment.rows(
          `SELECT FROM models WHERE id = $1 AND clock_timestamp() > updated_at + interval '4 s'`,
          [uuidOf(id)],
        ),
      ({ length }) => length > 0,
    );
    environment.gateway.signal('SIGCONT');
    const late = {
      planned: (await planned)!.progress,
      resolved: (await resolved).model.progress,
      training: (await training.until(({ length }) => length > 0))[0]!.progress,
      activity: (await activity.until(({ length }) => length > 0))[0]!.change.progress,
    };
    training.drop();
    activity.drop();
    expect(Object.entries(late).filter(([, progress]) => progress > cancelled.progress)).toEqual([]);
  });
});
