import { newId, toGlobalId } from '../../src/core/ids';
import { encodeEventCursor, incompleteSnapshot } from '../../src/events/event';
import { pruneEvents } from '../../src/events/event-log.repository';
import { forgetRestoredStreams } from '../../src/events/owner-stream.repository';
import { activityCursor, caughtUp, changesOf, followActivity, wordsOf } from '../support/activity';
import { Client, jwtSettings, uuidOf } from '../support/client';
import { TestGateway } from '../support/gateway';
import { eventually, until } from '../support/until';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start(jwtSettings);
});

afterAll(() => gateway.stop());

describe('cursors of activity', () => {
  it('says with hasGap that a cursor is older than the stored events', async () => {
    const client = await Client.of(gateway);
    const feed = await caughtUp(followActivity(client));
    const modelId = await client.trained(await client.upload());
    const received = await feed.until((messages) =>
      messages.some((item) => wordsOf(item) === 'ModelChanged READY'),
    );
    feed.drop();
    await client.rename(modelId, 'without subscribers');
    await gateway.rows("UPDATE events SET created_at = created_at - interval '1 day' WHERE owner = $1", [
      client.name,
    ]);
    await gateway.rows(
      `UPDATE owner_events SET created_at = created_at - interval '1 day' WHERE owner_stream_id = (SELECT id FROM owner_streams WHERE owner = $1)`,
      [client.name],
    );
    await gateway.rows(`UPDATE owner_streams SET numbered_at = now() - interval '1 day' WHERE owner = $1`, [
      client.name,
    ]);
    await pruneEvents(await gateway.database.pool(), 3_600_000);
    for (const { cursor } of [received[0]!, received.at(-1)!]) {
      const resumed = await caughtUp(followActivity(client, { after: cursor }));
      resumed.drop();
      expect(resumed.messages.map(({ change }) => change)).toEqual([{ type: 'CaughtUp', hasGap: true }]);
    }
    const current = await caughtUp(followActivity(client, { after: await activityCursor(client) }));
    await client.rename(modelId, 'again');
    expect((await current.until((messages) => messages.length === 2)).map(wordsOf)).toEqual([
      'CaughtUp',
      'ModelChanged READY',
    ]);
    current.drop();
  });

  it('says with hasGap that a snapshot, which may have followed a gap, was incomplete', async () => {
    const client = await Client.of(gateway);
    await activityCursor(client);
    const [stream] = await gateway.rows<{ id: string }>('SELECT id FROM owner_streams WHERE owner = $1', [
      client.name,
    ]);
    const after = encodeEventCursor(stream!.id, incompleteSnapshot);
    const resumed = await caughtUp(followActivity(client, { after }));
    expect(resumed.messages.map(({ change }) => change)).toEqual([{ type: 'CaughtUp', hasGap: true }]);
    resumed.drop();
  });

  it('refuses cursors of others and of other subscriptions, and invalid arguments', async () => {
    const [client, other] = [await Client.of(gateway), await Client.of(gateway)];
    const { modelId } = await client.settle();
    const own = await activityCursor(client);
    const beyond = encodeEventCursor(
      (await gateway.rows<{ id: string }>('SELECT id FROM owner_streams WHERE owner = $1', [client.name]))[0]!
        .id,
      1_000_000,
    );
    const cursors = [
      await activityCursor(other),
      encodeEventCursor(uuidOf(modelId), 1),
      beyond,
      `${own}A`,
      '',
      'x',
    ];
    for (const after of cursors) {
      expect(await followActivity(client, { after }).ended()).toMatchObject({
        how: 'errors',
        errors: [{ extensions: { code: 'INVALID_CURSOR', field: 'after' } }],
      });
    }
    const many = Array.from({ length: 101 }, () => toGlobalId('AvatarModel', newId()));
    expect(await followActivity(client, { filter: { modelIds: many } }).ended()).toMatchObject({
      errors: [{ extensions: { code: 'INVALID_INPUT', field: 'filter.modelIds' } }],
    });
    expect(await followActivity(client, { filter: { kinds: ['NOTHING'] } }).ended()).toMatchObject({
      how: 'errors',
    });
  });

  it('ends when the data of the owner are erased, and begins again', async () => {
    const client = await Client.of(gateway);
    const feed = await caughtUp(followActivity(client));
    await client.settle();
    const { receipt } = await client.erase();
    await eventually(
      'the erasure',
      () => client.erasure(receipt),
      (erasure) => erasure!.completedAt !== null,
    );
    expect(await feed.ended()).toEqual({ how: 'complete' });
    const rows = await gateway.rows(
      `SELECT owner FROM events WHERE owner = $1 UNION ALL SELECT owner FROM owner_streams WHERE owner = $1`,
      [client.name],
    );
    expect(rows).toEqual([]);
    const after = feed.messages.at(-1)!.cursor;
    const again = await caughtUp(followActivity(client));
    again.drop();
    expect(again.messages.map(wordsOf)).toEqual(['CaughtUp']);
    expect(await followActivity(client, { after }).ended()).toMatchObject({
      errors: [{ extensions: { code: 'INVALID_CURSOR' } }],
    });
  });

  it('does not send the changes of other owners', async () => {
    const [client, other] = [await Client.of(gateway), await Client.of(gateway)];
    const feed = await caughtUp(followActivity(client));
    await other.settle();
    await client.trained(await client.upload());
    const received = await feed.until((messages) =>
      messages.some((item) => wordsOf(item) === 'ModelChanged READY'),
    );
    feed.drop();
    expect(received.map(({ change }) => change.type)).not.toContain('AvatarCreated');
    expect(new Set(changesOf(received).map(({ change }) => change.modelId)).size).toBe(1);
  });

  it.each(['subscribers', 'new subscribers'])(
    'delays no %s of another owner while another session holds the numbers of an owner',
    async (which) => {
      const [client, other] = [await Client.of(gateway), await Client.of(gateway)];
      const [locked, modelId] = [
        await caughtUp(followActivity(client)),
        await other.trained(await other.upload()),
      ];
      const feed = await caughtUp(followActivity(other));
      const session = await gateway.database.session();
      await session.query('BEGIN');
      await session.query('SELECT FROM owner_streams WHERE owner = $1 FOR UPDATE', [client.name]);
      const late = which === 'subscribers' ? null : followActivity(client);
      await client.train({ photoIds: await client.upload() });
      await until(async () => {
        const waiting = await gateway.rows(
          `SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%owner_streams%'`,
        );
        return waiting.length > 0;
      });
      await other.rename(modelId, 'not delayed');
      if (late) await caughtUp(followActivity(other)).then((one) => one.drop());
      // The time limit of a statement is 15 s.
      await feed.until((received) =>
        changesOf(received).some(({ change }) => change.model?.name === 'not delayed'),
      );
      expect(changesOf(locked.messages)).toEqual([]);
      await session.query('ROLLBACK');
      await locked.until((received) => changesOf(received).length > 0);
      for (const one of [locked, feed, ...(late ? [late] : [])]) one.drop();
    },
  );

  it('numbers events in the order of their streams although transactions overlap', async () => {
    const client = await Client.of(gateway);
    const modelId = await client.trained(await client.upload());
    const feed = await caughtUp(followActivity(client));
    // The first transaction begins before the second, and appends after it.
    const database = await gateway.database.pool();
    const append = (text: string): string =>
      `WITH counted AS (UPDATE streams SET sequence = sequence + 1 WHERE id = $1 RETURNING id, owner, sequence)
       INSERT INTO events (stream_id, sequence, kind, subject_id, payload, owner, transaction_id, created_at)
       SELECT id, sequence, 'MODEL', id, (SELECT payload || '{"status": "${text}"}' FROM events WHERE stream_id = $1 ORDER BY sequence DESC LIMIT 1),
              owner, pg_current_xact_id()::text::bigint, clock_timestamp() FROM counted`;
    const id = uuidOf(modelId);
    await database.transaction(async (first) => {
      await first.rows('SELECT pg_current_xact_id()');
      await database.transaction((second) => second.rows(append('FAILED'), [id]));
      // Another event is numbered while the first transaction runs.
      await client.rename(modelId, 'a name');
      await feed.until((messages) => messages.length === 3);
      await first.rows(append('QUEUED'), [id]);
    });
    await client.rename(modelId, 'another name');
    const received = await feed.until((messages) => messages.length === 5);
    feed.drop();
    expect(received.map(wordsOf)).toEqual([
      'CaughtUp',
      ...['FAILED', 'READY', 'QUEUED', 'READY'].map((status) => `ModelChanged ${status}`),
    ]);
    const replay = await caughtUp(followActivity(client, { after: received[0]!.cursor }));
    replay.drop();
    expect(replay.messages.slice(0, -1).map(({ cursor }) => cursor)).toEqual(
      received.slice(1).map(({ cursor }) => cursor),
    );
  });

  it('are refused after the database was restored into a server with lower transaction ids', async () => {
    const client = await Client.of(gateway);
    const modelId = await client.trained(await client.upload());
    const after = await activityCursor(client);
    await gateway.end();
    await gateway.rows('UPDATE events SET transaction_id = transaction_id + 1000000000000');
    await gateway.rows("UPDATE owner_streams SET numbered_until = '1000000000000:1000000000000:'");
    await gateway.begin();
    expect(await followActivity(client, { after }).ended()).toMatchObject({
      errors: [{ extensions: { code: 'INVALID_CURSOR' } }],
    });
    const feed = await caughtUp(followActivity(client));
    await client.rename(modelId, 'after the restore');
    const received = await feed.until((messages) => messages.length === 2);
    feed.drop();
    expect(received.map(({ change }) => change.model?.name)).toEqual([undefined, 'after the restore']);
    const cursor = await activityCursor(client);
    await gateway.restart();
    expect(await activityCursor(client)).toBe(cursor);
  });

  it('are forgotten by one process at a time', async () => {
    await activityCursor(await Client.of(gateway));
    await gateway.rows("UPDATE owner_streams SET numbered_until = '1000000000000:1000000000000:'");
    const pools = await Promise.all([1, 2, 3, 4].map(() => gateway.database.pool(1)));
    const restored = await Promise.all(pools.map((pool) => forgetRestoredStreams(pool)));
    expect(restored.filter(Boolean)).toHaveLength(1);
  });

  it.each([0, 1])(
    'are refused after running processes were switched to such a server, with %i later events',
    async (later) => {
      const client = await Client.of(gateway);
      const modelId = await client.trained(await client.upload());
      const after = await activityCursor(client);
      const followed = await caughtUp(followActivity(client, { after }));
      await gateway.rows('UPDATE events SET transaction_id = transaction_id + 1000000000000');
      await gateway.rows(
        later > 0
          ? 'DELETE FROM owner_streams'
          : "UPDATE owner_streams SET numbered_until = '1000000000000:1000000000000:'",
      );
      for (let count = 0; count < later; count += 1) await client.rename(modelId, `later ${count}`);
      await gateway.rows(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'likeness wake-ups'`,
      );
      const found = 'SELECT 1 FROM events WHERE transaction_id > 1000000000000';
      await eventually(
        'the check',
        () => gateway.rows(found),
        (rows) => rows.length === 0,
      );
      await followed.ended();
      expect(await followActivity(client, { after }).ended()).toMatchObject({
        errors: [{ extensions: { code: 'INVALID_CURSOR' } }],
      });
      const feed = await caughtUp(followActivity(client));
      await client.rename(modelId, 'after the restore');
      const received = await feed.until((messages) => messages.length === 2);
      feed.drop();
      expect(received.map(({ change }) => change.model?.name)).toEqual([undefined, 'after the restore']);
    },
  );
});
