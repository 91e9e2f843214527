import { pruneReservations } from '../../src/accounts/quota.repository';
import { newId, fromGlobalId } from '../../src/core/ids';
import type { Database } from '../../src/database/database';
import { failure, failureColumns, noFailure } from '../../src/jobs/failure';
import type { JobMove } from '../../src/jobs/job-move';
import { JobRepository } from '../../src/jobs/job.repository';
import { modelKind } from '../../src/models/model.kind';
import { creations, jwtSettings, Client } from '../support/client';
import { likeness } from '../support/command-line';
import { TestGateway } from '../support/gateway';
import type { HttpResult } from '../support/graphql-client';

/** Photos that are never fetched, since there are no workers. */
const photoUrls = [1, 2, 3, 4, 5].map((n) => `https://photos.example.com/${n}.jpg`);

const requestTraining = (owner: Client, idempotencyKey?: string): Promise<HttpResult> =>
  owner.post(creations.trainModel, { input: { type: 'WOMAN', photoUrls, idempotencyKey } });

const trained = async (owner: Client, idempotencyKey?: string): Promise<string> =>
  (await owner.train({ photoUrls, idempotencyKey })).id;

const requestAvatars = (owner: Client, count: number): Promise<HttpResult> =>
  owner.post(creations.generateInstantAvatars, {
    input: { photoUrl: photoUrls[0], prompt: 'a portrait', count },
  });

const usage = async (owner: Client): Promise<{ trainingsToday: number }> => {
  const { viewer } = await owner.request<{ viewer: { usage: { trainingsToday: number } } }>(
    '{ viewer { usage { trainingsToday avatarsToday running } } }',
  );
  return viewer.usage;
};

describe('quotas', () => {
  let gateway: TestGateway;
  let sql: Database;
  let store: JobRepository;

  beforeAll(async () => {
    gateway = await TestGateway.start({
      ROLE: 'api',
      ...jwtSettings,
      QUOTA_TRAININGS_PER_DAY: '2',
      QUOTA_AVATARS_PER_DAY: '10',
      QUOTA_RUNNING: '3',
    });
    sql = await gateway.database.pool(2);
    store = new JobRepository(sql, { announce: () => undefined });
  });
  afterAll(async () => {
    await gateway.stop();
  });

  /** Sets the state of a model as a worker would. */
  const move = async (globalId: string, from: string, set: JobMove['set']): Promise<void> => {
    const id = fromGlobalId('AvatarModel', globalId);
    const isOver = ['READY', 'FAILED', 'CANCELLED'].includes(String(set.status));
    await store.move(modelKind, [
      { id, from: [from], set, dueInMs: isOver ? null : 3_600_000, appendsEvent: true },
    ]);
    expect(await sql.rows('SELECT FROM models WHERE id = $1 AND status = $2', [id, set.status])).toHaveLength(
      1,
    );
  };
  const failed = { status: 'FAILED', ...failureColumns(failure('UPSTREAM_FAILED', '')) };
  const training = { status: 'TRAINING', ...noFailure };
  const called = async (globalId: string, outcome: string): Promise<void> => {
    await sql.rows(
      `INSERT INTO submissions (id, model_id, attempt, provider, account, outcome, provider_ref)
       VALUES ($1, $2, 1, 'sandbox', 'test', $3, CASE WHEN $3 = 'ACCEPTED' THEN $4 END)`,
      [newId(), fromGlobalId('AvatarModel', globalId), outcome, globalId],
    );
  };
  const trainings = async (owner: Client): Promise<number> => (await usage(owner)).trainingsToday;

  it('admit one of fifty concurrent requests to two processes when one is left', async () => {
    const owner = await Client.of(gateway);
    const elsewhere = await Client.of(await gateway.startAnother({}), owner.name);
    await trained(owner);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => requestTraining(index % 2 ? owner : elsewhere)),
    );
    const refused = answers.filter(({ errors }) => errors?.[0]?.extensions.code === 'QUOTA_EXCEEDED');
    expect(answers.filter(({ errors }) => !errors)).toHaveLength(1);
    expect(refused).toHaveLength(49);
    expect(await usage(owner)).toEqual({ trainingsToday: 2, avatarsToday: 0, running: 2 });
    const [kept] = await sql.rows<{ models: number; photos: number }>(
      `SELECT (SELECT count(*)::int FROM models WHERE owner = $1) AS models,
              (SELECT count(*)::int FROM photos WHERE owner = $1) AS photos`,
      [owner.name],
    );
    expect(kept).toEqual({ models: 2, photos: 10 });
  });

  it('return the quota, its use and when it resets', async () => {
    const owner = await Client.of(gateway);
    await trained(owner);
    await trained(owner);
    const { errors } = await requestTraining(owner);
    const resetsAt = new Date(Math.ceil(Date.now() / 86_400_000) * 86_400_000).toISOString();
    expect(errors).toMatchObject([
      {
        message: expect.stringMatching(
          /^Daily quota of 2 trainings exceeded: 2 used\. Retry after \d{4}-\d\d-\d\d 00:00 UTC\./,
        ),
        extensions: {
          code: 'QUOTA_EXCEEDED',
          quota: 'TRAININGS_PER_DAY',
          limit: 2,
          used: 2,
          asked: 1,
          resetsAt,
        },
      },
    ]);
    expect(errors![0]!.extensions.retryAfterSeconds).toBeGreaterThan(0);
  });

  it('count requested avatars, and admit requests that still fit', async () => {
    const owner = await Client.of(gateway);
    expect((await requestAvatars(owner, 8)).errors).toBeUndefined();
    expect((await requestAvatars(owner, 4)).errors).toMatchObject([
      { extensions: { quota: 'AVATARS_PER_DAY', limit: 10, used: 8, asked: 4 } },
    ]);
    expect((await requestAvatars(owner, 2)).errors).toBeUndefined();
    expect(await usage(owner)).toEqual({ trainingsToday: 0, avatarsToday: 10, running: 2 });
  });

  it('count waiting and running jobs of both kinds', async () => {
    const owner = await Client.of(gateway);
    await trained(owner);
    await requestAvatars(owner, 1);
    await requestAvatars(owner, 1);
    expect((await requestAvatars(owner, 1)).errors).toMatchObject([
      {
        message:
          'Limit of 3 unfinished trainings and generations reached: 3 wait or run. Repeat the request when one has ended, or cancel one.',
        extensions: { code: 'QUOTA_EXCEEDED', quota: 'RUNNING', limit: 3, used: 3, resetsAt: null },
      },
    ]);
  });

  it('do not affect other owners', async () => {
    const [one, other] = [await Client.of(gateway), await Client.of(gateway)];
    await trained(one);
    expect(await usage(other)).toEqual({ trainingsToday: 0, avatarsToday: 0, running: 0 });
  });

  it('count a repeated request once, and let a rejected idempotency key be reused', async () => {
    const owner = await Client.of(gateway);
    const ids = await Promise.all([1, 2, 3].map(() => trained(owner, 'same')));
    expect(new Set(ids).size).toBe(1);
    const second = await trained(owner, 'second');
    expect((await requestTraining(owner, 'third')).errors).toMatchObject([
      { extensions: { code: 'QUOTA_EXCEEDED' } },
    ]);
    expect(await trained(owner, 'same')).toBe(ids[0]);
    await move(second, 'QUEUED', failed);
    await trained(owner, 'third');
  });

  it.each([
    ['NOT_EXECUTED', 0],
    ['ACCEPTED', 1],
  ])(
    'count a training that failed after a call that was %s as %i, and one that succeeds late as 1',
    async (outcome, left) => {
      const owner = await Client.of(gateway);
      const id = await trained(owner);
      await called(id, outcome);
      await move(id, 'QUEUED', { ...training, providerRef: id });
      await move(id, 'TRAINING', failed);
      expect(await usage(owner)).toEqual({ trainingsToday: left, avatarsToday: 0, running: 0 });
      await move(id, 'FAILED', { status: 'READY', readyAt: 'now', ...noFailure });
      expect(await usage(owner)).toEqual({ trainingsToday: 1, avatarsToday: 0, running: 0 });
    },
  );

  it('count a retry again', async () => {
    const owner = await Client.of(gateway);
    const query =
      'mutation ($id: ID!, $key: String) { retryModel(input: { id: $id, idempotencyKey: $key }) { model { status } } }';
    const retry = (id: string, key?: string): Promise<HttpResult> => owner.post(query, { id, key });
    const id = await trained(owner);
    await sql.rows(`UPDATE photos SET purge_at = NULL WHERE owner = $1`, [owner.name]);
    await move(id, 'QUEUED', failed);
    expect((await retry(id)).data).toEqual({ retryModel: { model: { status: 'QUEUED' } } });
    expect(await trainings(owner)).toBe(1);
    await move(id, 'QUEUED', { status: 'SUBMITTING', attempt: 1 });
    await called(id, 'UNKNOWN');
    await move(id, 'SUBMITTING', { status: 'UNCERTAIN' });
    expect((await retry(id)).errors).toBeUndefined();
    expect(await trainings(owner)).toBe(2);
    await move(id, 'QUEUED', { status: 'SUBMITTING', attempt: 2 });
    await move(id, 'SUBMITTING', { status: 'UNCERTAIN' });
    expect((await retry(id, 'refused')).errors).toMatchObject([
      { extensions: { quota: 'TRAININGS_PER_DAY', used: 2 } },
    ]);
    expect((await owner.post('query ($id: ID!) { model(id: $id) { status } }', { id })).data).toEqual({
      model: { status: 'UNCERTAIN' },
    });
    // The refused retry did not use its key.
    await sql.rows('UPDATE quota_reservations SET day = day - 1 WHERE owner = $1', [owner.name]);
    expect((await retry(id, 'refused')).data).toEqual({ retryModel: { model: { status: 'QUEUED' } } });
    expect(await trainings(owner)).toBe(1);
    expect((await retry(id, 'refused')).data).toEqual({ retryModel: { model: { status: 'QUEUED' } } });
    expect(await trainings(owner)).toBe(1);
  });

  it.each([
    ['before anything was called', null, 0],
    ['after a call that was not executed', 'NOT_EXECUTED', 0],
    ['after a call that was refused', 'REFUSED', 0],
    ['while a call is being made', 'CALLING', 1],
    ['after a call of unknown outcome', 'UNKNOWN', 1],
    ['after it was accepted', 'ACCEPTED', 1],
  ])(
    'release cancelled or deleted jobs only if they were surely not paid: %s',
    async (_when, outcome, left) => {
      for (const mutation of ['cancelModel', 'deleteModel']) {
        const owner = await Client.of(gateway);
        const id = await trained(owner);
        if (outcome) await called(id, outcome);
        const field = mutation === 'cancelModel' ? 'model { status }' : 'deletedId';
        const { errors } = await owner.post(
          `mutation ($id: ID!) { ${mutation}(input: { id: $id }) { ${field} } }`,
          {
            id,
          },
        );
        expect(errors).toBeUndefined();
        expect(await usage(owner)).toEqual({ trainingsToday: left, avatarsToday: 0, running: 0 });
      }
    },
  );

  it('of earlier days are deleted', async () => {
    const owner = await Client.of(gateway);
    await trained(owner);
    await trained(owner);
    await sql.rows('UPDATE quota_reservations SET day = day - 1 WHERE owner = $1', [owner.name]);
    expect(await trainings(owner)).toBe(0);
    await trained(owner);
    const kept = (): Promise<unknown[]> =>
      sql.rows('SELECT id FROM quota_reservations WHERE owner = $1', [owner.name]);
    await pruneReservations(sql);
    expect(await kept()).toHaveLength(3);
    await sql.rows('UPDATE quota_reservations SET day = day - 1 WHERE owner = $1', [owner.name]);
    await pruneReservations(sql);
    expect(await kept()).toHaveLength(1);
  });

  it('apply to owners and not to retries by the operator', async () => {
    const owner = await Client.of(gateway);
    const id = await trained(owner);
    await move(id, 'QUEUED', failed);
    await trained(owner);
    await trained(owner);
    const environment = { DATABASE_URL: gateway.database.url, DATA_DIR: gateway.dataDir };
    const { code, out } = await likeness(environment, 'retry', id);
    expect({ code, out }).toEqual({ code: 0, out: `${id} is QUEUED.` });
    expect(await trainings(owner)).toBe(3);
  });
});

describe('without quotas', () => {
  it('counts everything and rejects nothing', async () => {
    const gateway = await TestGateway.start({ ROLE: 'api', ...jwtSettings });
    const owner = await Client.of(gateway);
    for (let time = 0; time < 4; time += 1) await trained(owner);
    const { data } = await owner.post(
      '{ viewer { usage { trainingsToday running } limits { trainingsPerDay avatarsPerDay running } } }',
    );
    expect(data).toEqual({
      viewer: {
        usage: { trainingsToday: 4, running: 4 },
        limits: { trainingsPerDay: null, avatarsPerDay: null, running: null },
      },
    });
    await gateway.stop();
  });
});
