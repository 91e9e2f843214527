import { newId } from '../../src/core/ids';
import { decodeEventCursor, encodeEventCursor } from '../../src/events/event';
import { endStreams, eraseEvents, pruneEvents } from '../../src/events/event-log.repository';
import {
  follow,
  type Followed,
  type Following,
  type FollowOptions,
  type CurrentState,
} from '../../src/events/follow';
import { withPresent, type Change } from '../../src/events/present-changes';
import { TestDatabase } from '../support/database';
import { change, changes, EventProcess, range, take } from '../support/event-process';
import { until } from '../support/until';

const notFound = new Error('There is no model with this id.');

describe('following', () => {
  let testDatabase: TestDatabase;
  let process: EventProcess;

  beforeAll(async () => {
    testDatabase = await TestDatabase.create();
    process = await EventProcess.start(testDatabase);
  });

  afterEach(() => {
    process.assertAllClosed();
  });

  afterAll(async () => {
    await process.stop();
    await testDatabase.drop();
  });

  /** The current state of a subject: the last number sent; it has ended when that is 100. */
  const presentOf = async (streamId: string): Promise<CurrentState<number> | null> => {
    const [row] = await process.database.rows<{
      sequence: number;
      oldest: number;
      n: number | null;
      ended: boolean;
    }>(
      `SELECT s.sequence::float8 AS sequence,
              coalesce((SELECT min(sequence) FROM events WHERE stream_id = s.id), s.sequence + 1)::float8 AS oldest,
              (SELECT (payload->>'n')::int FROM events
                WHERE stream_id = s.id AND kind = 'MODEL' ORDER BY sequence DESC LIMIT 1) AS n
         FROM streams s WHERE s.id = $1 AND s.ended_at IS NULL`,
      [streamId],
    );
    return row ? { ...row, items: row.n === null ? [] : [row.n], ended: row.n === 100 } : null;
  };

  const followed = (
    streamId: string,
    options: Partial<FollowOptions<number>> = {},
  ): Promise<Following<number>> =>
    follow<number>(process.feed, {
      streamId,
      present: () => presentOf(streamId),
      read: (event) => (event.kind === 'MODEL' ? Number(event.payload.n) : null),
      isLast: (n) => n === 100,
      ...options,
    });

  const itemsOf = (received: readonly Followed<number>[]): number[] => received.map(({ item }) => item);
  const placesOf = (streamId: string, received: readonly Followed<number>[]): number[] =>
    received.map(({ cursor }) => decodeEventCursor(cursor, streamId));

  it('starts with a snapshot and then sends every change once', async () => {
    const streamId = await process.openStream();
    await process.publish(changes(streamId, 11, 15));
    const following = await followed(streamId);
    await process.publish(changes(streamId, 16, 17));
    const received = await take(following, 1);
    expect(received[0]?.isSnapshot).toBe(true);
    // The snapshot was read before or after the change; in both cases there is no gap and no duplicate.
    const first = received[0]!.item;
    await process.publish([change(streamId, 18)]);
    received.push(...(await take(following, 18 - first)));
    expect(itemsOf(received)).toEqual(range(first, 18));
    expect(placesOf(streamId, received)).toEqual(range(first - 10, 8));
    expect(received.slice(1).every(({ isSnapshot }) => !isSnapshot)).toBe(true);
    await following.return();
  });

  it('has neither gaps nor duplicates when it starts in a busy stream', async () => {
    const streamId = await process.openStream();
    await process.publish([change(streamId, 1)]);
    const writing = (async (): Promise<void> => {
      for (let n = 2; n < 100; n += 1) await process.publish([change(streamId, n)]);
      await process.publish([change(streamId, 100)]);
    })();
    const subscriptions: Promise<Followed<number>[]>[] = [];
    for (let index = 0; index < 30; index += 1) {
      const following = await followed(streamId);
      subscriptions.push(take(following, Infinity));
    }
    await writing;
    for (const received of await Promise.all(subscriptions)) {
      expect(itemsOf(received)).toEqual(range(received[0]!.item, 100));
      expect(placesOf(streamId, received)).toEqual(itemsOf(received));
    }
  });

  it('continues after the last cursor without a snapshot', async () => {
    const streamId = await process.openStream();
    await process.publish(changes(streamId, 1, 3));
    const first = await followed(streamId);
    const [{ cursor }] = (await take(first, 1)) as [Followed<number>];
    await first.return();
    await process.publish(changes(streamId, 4, 6));
    const second = await followed(streamId, { after: cursor });
    const received = await take(second, 3);
    await process.publish([change(streamId, 7)]);
    received.push(...(await take(second, 1)));
    expect(itemsOf(received)).toEqual([4, 5, 6, 7]);
    expect(received.some(({ isSnapshot }) => isSnapshot)).toBe(false);
    await second.return();
  });

  it('replays kept events that directly follow the cursor, and sends a snapshot if there is a gap', async () => {
    const streamId = await process.openStream();
    await process.publish(changes(streamId, 1, 6));
    await process.database.rows(
      `UPDATE events SET created_at = now() - interval '1 day' WHERE stream_id = $1 AND sequence <= 3`,
      [streamId],
    );
    await pruneEvents(process.database, 3_600_000);
    const kept = await followed(streamId, { after: encodeEventCursor(streamId, 3) });
    const lost = await followed(streamId, { after: encodeEventCursor(streamId, 2) });
    expect(await take(kept, 3)).toMatchObject([4, 5, 6].map((item) => ({ item, isSnapshot: false })));
    expect(await take(lost, 1)).toEqual([
      { item: 6, isSnapshot: true, occurredAt: null, cursor: encodeEventCursor(streamId, 6) },
    ]);
    await process.publish([change(streamId, 7)]);
    expect(itemsOf([...(await take(kept, 1)), ...(await take(lost, 1))])).toEqual([7, 7]);
    await Promise.all([kept.return(), lost.return()]);
  });

  it('repeats a snapshot for a client that received only a part of it', async () => {
    const streamId = await process.openStream();
    await process.publish([change(streamId, 1)]);
    const present = (): Promise<CurrentState<number>> =>
      Promise.resolve({ sequence: 1, oldest: 1, items: [7, 8, 9], ended: true });
    const part = await take(await followed(streamId, { present }), 2);
    const whole = await take(await followed(streamId, { present, after: part[1]?.cursor }), Infinity);
    expect(itemsOf(whole)).toEqual([7, 8, 9]);
    expect(await take(await followed(streamId, { present, after: whole[2]?.cursor }), Infinity)).toEqual([]);
  });

  it('ends after the last item, or at once after the last cursor', async () => {
    const streamId = await process.openStream();
    await process.publish([change(streamId, 1)]);
    const following = await followed(streamId);
    await process.publish([change(streamId, 100), change(streamId, 101)]);
    expect(itemsOf(await take(following, Infinity))).toEqual([1, 100]);
    await process.publish([change(streamId, 100)]);
    expect(itemsOf(await take(await followed(streamId), Infinity))).toEqual([100]);
    expect(await take(await followed(streamId, { after: encodeEventCursor(streamId, 4) }), Infinity)).toEqual(
      [],
    );
  });

  it('continues over an end that was followed by a new attempt', async () => {
    const streamId = await process.openStream();
    await process.publish([change(streamId, 1), change(streamId, 100), ...changes(streamId, 2, 3)]);
    const following = await followed(streamId, { after: encodeEventCursor(streamId, 0) });
    expect(itemsOf(await take(following, 4))).toEqual([1, 100, 2, 3]);
    await process.publish([change(streamId, 100)]);
    expect(itemsOf(await take(following, Infinity))).toEqual([100]);
  });

  it('ends when the subject is deleted, by default or with the result of its reader', async () => {
    const streamId = await process.openStream();
    await process.publish([change(streamId, 1)]);
    const quiet = await followed(streamId);
    const loud = await followed(streamId, {
      read: (event) => {
        if (event.kind === 'DELETED') throw notFound;
        return Number(event.payload.n);
      },
    });
    await process.database.transaction((sql) => endStreams(sql, [streamId], 'MODEL'));
    process.wakeups.announce({ streams: [streamId] });
    expect(itemsOf(await take(quiet, Infinity))).toEqual([1]);
    await expect(take(loud, Infinity)).rejects.toBe(notFound);
    expect(await loud.next()).toMatchObject({ done: true });
    expect(await take(await followed(streamId), Infinity)).toEqual([]);
  });

  it('ends when its generation in the stream of a model is deleted, and sends no erased event', async () => {
    const [streamId, subjectId, avatarId] = [await process.openStream(), newId(), newId()];
    const of = (id: string, kind: 'GENERATION' | 'AVATAR'): void =>
      void events.push({ streamId, kind, subjectId: id, generationId: subjectId, payload: { n: 0 } });
    const events = [change(streamId, 1)];
    of(subjectId, 'GENERATION');
    of(avatarId, 'AVATAR');
    await process.publish(events);
    const seen: string[] = [];
    const options: Partial<FollowOptions<number>> = {
      subjectId,
      after: encodeEventCursor(streamId, 0),
      read: (event) => (seen.push(`${event.kind} ${JSON.stringify(event.payload)}`), null),
    };
    await process.database.transaction((sql) =>
      eraseEvents(sql, streamId, { generationId: subjectId, avatarId }),
    );
    const following = await followed(streamId, options);
    const ended = take(following, Infinity);
    await until(() => seen.length === 3);
    expect(seen).toEqual(['MODEL {"n":1}', 'GENERATION {"n":0}', 'DELETED {"subject":"AVATAR"}']);
    await process.database.transaction((sql) => eraseEvents(sql, streamId, { generationId: subjectId }));
    process.wakeups.announce({ streams: [streamId] });
    expect(await ended).toEqual([]);
    expect(seen.slice(3)).toEqual(['DELETED {"subject":"GENERATION"}']);
  });

  it('rejects a cursor of another stream at once, and one from the future after reading', async () => {
    const streamId = await process.openStream();
    await process.publish([change(streamId, 1)]);
    const refused = { code: 'INVALID_CURSOR', field: 'after' };
    await expect(followed(streamId, { after: encodeEventCursor(newId(), 1) })).rejects.toMatchObject(refused);
    const early = followed(streamId, { after: encodeEventCursor(streamId, 2) });
    await expect(early).rejects.toMatchObject(refused);
  });

  it('fails with the error of reading the snapshot', async () => {
    const streamId = await process.openStream();
    const following = followed(streamId, { present: () => Promise.reject(notFound) });
    await expect(following).rejects.toBe(notFound);
  });

  it('releases everything at once when it is cancelled in any state', async () => {
    const streamId = await process.openStream();
    await process.publish([change(streamId, 1)]);
    const waiting = await followed(streamId);
    const untouched = await followed(streamId);
    await take(waiting, 1);
    expect(process.feed.subscriberCount).toBe(2);
    const pending = [waiting.next()];
    const left = [waiting.return(), untouched.return()];
    expect(process.feed.subscriberCount).toBe(0);
    for (const each of [...pending, ...left]) expect(await each).toEqual({ done: true, value: undefined });
    expect(await untouched.next()).toEqual({ done: true, value: undefined });
  });

  it('adds the present object to each change, and skips changes of a deleted one', async () => {
    const streamId = await process.openStream();
    await process.publish(changes(streamId, 1, 4));
    const following = await follow<Change<number, string>>(process.feed, {
      streamId,
      after: encodeEventCursor(streamId, 0),
      present: () => Promise.resolve({ sequence: 4, oldest: 1, items: [], ended: false }),
      read: ({ payload }) => ({ past: Number(payload.n), row: null }),
      isLast: () => false,
    });
    const sent = withPresent(following, {
      find: (past) => Promise.resolve(past === 2 ? undefined : `object of ${past}`),
      show: (shown) => shown,
    });
    const received = await take(sent, 3);
    expect(received).toMatchObject([1, 3, 4].map((past) => ({ past, row: `object of ${past}` })));
    expect(received[1]).toMatchObject({
      cursor: encodeEventCursor(streamId, 3),
      occurredAt: expect.any(Date) as Date,
    });
    await sent.return();
  });

  it('releases everything when the present object cannot be read', async () => {
    const streamId = await process.openStream();
    await process.publish([change(streamId, 1)]);
    const following = await follow<Change<number, string>>(process.feed, {
      streamId,
      after: encodeEventCursor(streamId, 0),
      present: () => Promise.resolve({ sequence: 1, oldest: 1, items: [], ended: false }),
      read: ({ payload }) => ({ past: Number(payload.n), row: null }),
      isLast: () => false,
    });
    const sent = withPresent(following, {
      find: () => Promise.reject(notFound),
      show: (shown) => shown,
    });
    await expect(sent.next()).rejects.toBe(notFound);
    expect(process.feed.subscriberCount).toBe(0);
    expect(await sent.next()).toEqual({ done: true, value: undefined });
  });
});
