import { activityCursor, caughtUp, followActivity, wordsOf } from '../support/activity';
import { Client, jwtSettings, uuidOf } from '../support/client';
import { TestGateway } from '../support/gateway';

/** More than are numbered at once. */
const eventCount = 100_001;

let gateway: TestGateway;
let client: Client;

beforeAll(async () => {
  gateway = await TestGateway.start(jwtSettings);
  client = await Client.of(gateway);
});

afterAll(async () => {
  client.close();
  await gateway.stop();
});

describe('the activity of an owner with very many events since the last subscriber', () => {
  it('says with hasGap that events are missing, then sends every later change', async () => {
    const modelId = await client.trained(await client.upload());
    const cursor = await activityCursor(client);
    await gateway.rows(
      `WITH counted AS (UPDATE streams SET sequence = sequence + $2 WHERE id = $1 RETURNING sequence - $2 AS start)
       INSERT INTO events (stream_id, sequence, kind, subject_id, payload, owner, transaction_id)
       SELECT $1, start + n, 'MODEL', $1, (SELECT payload FROM events WHERE stream_id = $1 ORDER BY sequence DESC LIMIT 1),
              $3, pg_current_xact_id()::text::bigint
         FROM counted, generate_series(1, $2::int) n RETURNING 1`,
      [uuidOf(modelId), eventCount, client.name],
    );
    const feed = await caughtUp(followActivity(client, { after: cursor }));
    expect(feed.messages.map(({ change }) => change)).toEqual([{ type: 'CaughtUp', hasGap: true }]);
    await client.rename(modelId, 'afterwards');
    const received = await feed.until((messages) => messages.length === 2);
    expect(received.map(wordsOf)).toEqual(['CaughtUp', 'ModelChanged READY']);
    feed.drop();

    // A cursor from after the gap has none.
    const resumed = await caughtUp(followActivity(client, { after: received[0]!.cursor }));
    const again = await resumed.until((messages) => messages.length === 2);
    expect(again.map(wordsOf).sort()).toEqual(['CaughtUp', 'ModelChanged READY']);
    expect(again.some(({ change }) => 'hasGap' in change && change.hasGap)).toBe(false);
    resumed.drop();
  });
});
