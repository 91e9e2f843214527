import { newId } from '../../src/core/ids';
import { createLogger } from '../../src/core/logger';
import type { Database } from '../../src/database/database';
import { WebhookFollowWork } from '../../src/webhooks/webhook-follow.work';
import { TestDatabase } from '../support/database';
import { within } from '../support/until';
import { emitModel } from '../support/webhooks';

jest.setTimeout(120_000);

describe('the search for webhooks with new events', () => {
  let testDatabase: TestDatabase;
  let database: Database;
  let work: WebhookFollowWork;
  let onDue = (): void => undefined;

  beforeAll(async () => {
    testDatabase = await TestDatabase.create();
    database = await testDatabase.pool(2);
    await database.rows(
      `INSERT INTO owner_streams (id, owner, numbered_until)
       SELECT gen_random_uuid(), 'owner-' || n, pg_current_snapshot()::text FROM generate_series(1, 1000) n`,
    );
    await database.rows(
      `INSERT INTO webhooks (id, owner, url, event_types, secret, owner_stream_id, position)
       SELECT gen_random_uuid(), owner, 'https://hooks.example', '{MODEL_READY}', 'x', id, 0 FROM owner_streams`,
    );
    await database.rows('VACUUM ANALYZE webhooks, owner_streams, events, streams');
    work = new WebhookFollowWork({
      ...{ database, logger: createLogger('silent'), onGap: () => undefined, onDue: () => onDue() },
    });
  });

  afterAll(() => testDatabase.drop());

  /** The blocks that the next look for due work reads, and whether it finds any. */
  const look = async (): Promise<{ blocks: number; isDue: boolean }> => {
    const text = `SELECT ${work.due.sql(1)} AS due`;
    const parameters = [...work.due.parameters];
    const [plan] = await database.rows<{ 'QUERY PLAN': { Plan: Record<string, number> }[] }>(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
      parameters,
    );
    const root = plan!['QUERY PLAN'][0]!.Plan;
    const [found] = await database.rows<{ due: Date | null }>(text, parameters);
    return { blocks: root['Shared Hit Blocks']! + root['Shared Read Blocks']!, isDue: found!.due !== null };
  };

  it('reads all webhooks at first, and then only those of owners with new events', async () => {
    const all = await look();
    expect(all.isDue).toBe(false);
    const none = await look();
    expect(none).toEqual({ blocks: expect.any(Number) as number, isDue: false });
    const modelId = newId();
    await emitModel(database, 'owner-500', ['READY'], modelId);
    work.onStreams([modelId]);
    const one = await look();
    expect(one.isDue).toBe(true);
    expect(none.blocks).toBeLessThan(10);
    expect(one.blocks).toBeLessThan(60);
    expect(all.blocks).toBeGreaterThan(1_000);
  });

  it('finds events whose streams were not announced, once it reads all webhooks again', async () => {
    await emitModel(database, 'owner-600', ['READY']);
    expect((await look()).isDue).toBe(false);
    work.onStreams('all');
    expect((await look()).isDue).toBe(true);
    expect(await work.processBatch(new AbortController().signal)).toBe(2);
    const [row] = await database.rows<{ count: number }>(
      'SELECT count(*)::int AS count FROM webhook_deliveries',
    );
    expect(row!.count).toBe(2);
  });

  it('takes the events of each owner before the second webhook of any, and announces deliveries while it reads on', async () => {
    await database.rows(
      `INSERT INTO webhooks (id, owner, url, event_types, secret, owner_stream_id, position, follow_at)
       SELECT gen_random_uuid(), owner, url, '{AVATAR_DELETED}', secret, owner_stream_id, position, now() - interval '1 day'
         FROM webhooks, generate_series(1, 50) WHERE owner = 'owner-700'`,
    );
    await emitModel(database, 'owner-700', ['TRAINING']);
    await emitModel(database, 'owner-800', ['READY']);
    const slow = await testDatabase.session();
    await slow.query('BEGIN');
    await slow.query(
      `SELECT FROM webhooks WHERE id IN
         (SELECT id FROM webhooks WHERE owner = 'owner-700' ORDER BY follow_at, id OFFSET 1) FOR UPDATE`,
    );
    const announced = new Promise<void>((resolve) => (onDue = resolve));
    work.onStreams('all');
    expect((await look()).isDue).toBe(true);
    const batch = work.processBatch(new AbortController().signal);
    await within('the announcement', announced);
    const made = await database.rows(
      `SELECT owner FROM webhook_deliveries WHERE owner IN ('owner-700', 'owner-800')`,
    );
    expect(made).toEqual([{ owner: 'owner-800' }]);
    await slow.query('ROLLBACK');
    expect(await batch).toBe(50);
  });
});
