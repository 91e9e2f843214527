import { createLogger } from '../../src/core/logger';
import type { Sql } from '../../src/core/sql';
import type { Database } from '../../src/database/database';
import { everyTopic } from '../../src/events/wake';
import { acceptsConnections } from '../../src/http/health';
import { pruneAvailability } from '../../src/photos/photo-availability.repository';
import { PhotoAvailabilityHeartbeat, photoRecordsTopic } from '../../src/photos/photo-availability.service';
import { TestDatabase } from '../support/database';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';

interface ServerRow {
  public_url: string;
  /** Whether the current period started at least a minute ago. */
  old: boolean;
  /** Seconds since the last record. */
  age: number;
  interrupted: boolean;
}

const query = `SELECT public_url, serving_since < now() - interval '1 min' AS old, interrupted_at IS NOT NULL AS interrupted,
                      extract(epoch FROM now() - last_seen_at)::float8 AS age FROM photo_servers`;

describe('the record that a process serves photos', () => {
  let testDatabase: TestDatabase;
  let database: Database;

  beforeAll(async () => {
    testDatabase = await TestDatabase.create();
    database = await testDatabase.pool(2);
  });

  beforeEach(() => database.rows('DELETE FROM photo_servers'));

  afterEach(() => jest.restoreAllMocks());

  afterAll(() => testDatabase.drop());

  const serve = ({
    sql = database,
    isAccepting = () => Promise.resolve(true),
  }: { sql?: Sql; isAccepting?: () => Promise<boolean> } = {}): PhotoAvailabilityHeartbeat =>
    new PhotoAvailabilityHeartbeat(
      sql,
      createLogger('silent'),
      () => 'https://avatars.example.com',
      isAccepting,
    );

  const row = async (): Promise<ServerRow | undefined> => (await database.rows<ServerRow>(query))[0];

  /** Simulates an hour of serving, with the last record some seconds ago. */
  const age = (seconds: number): Promise<unknown> =>
    database.rows(
      `UPDATE photo_servers SET last_seen_at = now() - $1 * interval '1 s', serving_since = now() - $1 * interval '1 s' - interval '1 h'`,
      [seconds],
    );

  it('is written before the start returns, once per process', async () => {
    const [one, other] = [serve(), serve()];
    await one.start();
    await one.start();
    expect(await row()).toMatchObject({ public_url: 'https://avatars.example.com', interrupted: false });
    await other.start();
    expect(await database.rows(query)).toHaveLength(2);
    await Promise.all([one.stop(), other.stop()]);
  });

  it.each([
    [10, 0, true],
    [16, 0, false],
    [20, 14, true],
    [35, 14, false],
  ])('continues after %i s, of which the process has observed %i: %s', async (seconds, observed, goesOn) => {
    const clock = jest.spyOn(performance, 'now').mockReturnValue(0);
    const serving = serve();
    await serving.record();
    clock.mockReturnValue(observed * 1_000);
    await age(seconds);
    await serving.record();
    const { old, age: seen, interrupted } = (await row())!;
    expect({ old, isSeen: seen < 10, interrupted }).toEqual({
      old: goesOn,
      isSeen: true,
      interrupted: !goesOn,
    });
  });

  it('is interrupted if the process did not check itself for more than 15 seconds', async () => {
    const serving = serve();
    await serving.record();
    const { now } = Date;
    const isInterruptedAt = async (seconds: number): Promise<boolean> => {
      jest.spyOn(Date, 'now').mockImplementation(() => now() + seconds * 1_000);
      await serving.record();
      return (await row())!.interrupted;
    };
    expect(await isInterruptedAt(10)).toBe(false);
    expect(await isInterruptedAt(30)).toBe(true);
  });

  it.each([photoRecordsTopic, everyTopic])(
    'is renewed soon at the topic %s, unless it is new',
    async (topic) => {
      let records = 0;
      const { engine, entities } = database;
      const rows: Sql['rows'] = (...statement) => ((records += 1), database.rows(...statement));
      const startedAt = Date.now();
      jest.spyOn(performance, 'now').mockReturnValue(performance.now());
      const clock = jest.spyOn(Date, 'now').mockReturnValue(startedAt);
      const serving = serve({ sql: { engine, entities, rows } });
      await serving.start();
      serving.onTopic(topic);
      clock.mockReturnValue(startedAt + 6_000);
      serving.onTopic('another topic');
      await row();
      expect(records).toBe(1);
      serving.onTopic(topic);
      jest.restoreAllMocks();
      // The next one without a request would be made after 20 seconds.
      await until(() => records === 2, 15_000);
      await serving.stop();
    },
  );

  it('is interrupted while the server accepts no connections', async () => {
    let accepts = false;
    const serving = serve({ isAccepting: () => Promise.resolve(accepts) });
    await expect(serving.record()).rejects.toThrow(/does not accept connections/);
    expect(await row()).toBeUndefined();
    accepts = true;
    await serving.record();
    expect(await row()).toMatchObject({ interrupted: true });
  });

  it('keeps an interruption until the database has it, and stores it once', async () => {
    let isAway = true;
    const sql: Sql = {
      engine: database.engine,
      entities: database.entities,
      rows: (text, parameters) =>
        isAway ? Promise.reject(new Error('away')) : database.rows(text, parameters),
    };
    const serving = serve({ sql });
    serving.interrupt();
    await expect(serving.record()).rejects.toThrow('away');
    isAway = false;
    await serving.record();
    const at = async (): Promise<unknown> =>
      (await database.rows<{ at: Date }>('SELECT interrupted_at AS at FROM photo_servers'))[0]!.at;
    const first = await at();
    expect(first).not.toBeNull();
    await serving.record();
    expect(await at()).toEqual(first);
  });

  it('is removed a month after the process has ended', async () => {
    await serve().record();
    await age(29 * 86_400);
    await pruneAvailability(database);
    expect(await row()).toBeDefined();
    await age(31 * 86_400);
    await pruneAvailability(database);
    expect(await row()).toBeUndefined();
  });

  it('is written by a gateway when it is ready, while its server accepts connections', async () => {
    const gateway = await TestGateway.start();
    try {
      expect(await gateway.rows(query)).toMatchObject([{ public_url: gateway.url, interrupted: false }]);
      expect(await acceptsConnections(gateway.url)).toBe(true);
      const { url } = gateway;
      await gateway.end();
      expect(await acceptsConnections(url)).toBe(false);
    } finally {
      await gateway.stop();
    }
  });
});
