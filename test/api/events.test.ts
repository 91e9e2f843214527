import { newId } from '../../src/core/ids';
import { appendEvents, endStreams, pruneEvents } from '../../src/events/event-log.repository';
import type { EventSubscription } from '../../src/events/subscription';
import { TestDatabase } from '../support/database';
import { change, changes, EventProcess, range, sequencesOf, take } from '../support/event-process';
import { until } from '../support/until';

const tooSlow = expect.objectContaining({ code: 'SUBSCRIBER_TOO_SLOW' }) as Error;

describe('the event feed', () => {
  let testDatabase: TestDatabase;
  let one: EventProcess;
  let other: EventProcess;
  const more: EventProcess[] = [];

  const another = async (sweepMs?: number): Promise<EventProcess> => {
    const process = await EventProcess.start(testDatabase, sweepMs);
    more.push(process);
    return process;
  };

  /** A subscription at the end of its stream, which the shared read serves from then on. */
  const live = async (process: EventProcess, streamId: string): Promise<EventSubscription> => {
    const subscription = process.feed.subscribe(streamId, 0);
    await process.publish([change(streamId, 0)]);
    await take(subscription, 1);
    return subscription;
  };

  beforeAll(async () => {
    testDatabase = await TestDatabase.create();
    [one, other] = [await EventProcess.start(testDatabase), await EventProcess.start(testDatabase)];
  });

  afterEach(async () => {
    await Promise.all(more.splice(0).map((process) => process.stop()));
    one.assertAllClosed();
    other.assertAllClosed();
  });

  afterAll(async () => {
    await Promise.all([one.stop(), other.stop()]);
    await testDatabase.drop();
  });

  it('sends past and then current events, from changes in any process', async () => {
    const streamId = await one.openStream();
    await one.publish(changes(streamId, 1, 3));
    const subscription = other.feed.subscribe(streamId, 1);
    expect(await take(subscription, 2)).toMatchObject([
      { streamId, sequence: 2, kind: 'MODEL', subjectId: streamId, generationId: null, payload: { n: 2 } },
      { sequence: 3, createdAt: expect.any(Date) as Date },
    ]);
    await one.publish([change(streamId, 4)]);
    expect(sequencesOf(await take(subscription, 1))).toEqual([4]);
    await subscription.return();
  });

  it('listens from the call, not from the first next()', async () => {
    const streamId = await one.openStream();
    const subscription = one.feed.subscribe(streamId, 0);
    await one.publish(changes(streamId, 1, 20));
    expect(sequencesOf(await take(subscription, 20))).toEqual(range(1, 20));
    await subscription.return();
  });

  it('sends a new subscriber events that are committed during its initial read', async () => {
    const streamId = await one.openStream();
    const { answers } = one;
    const release = one.holdAnswers();
    const subscription = one.feed.subscribe(streamId, 0);
    await until(() => one.answers > answers);
    await one.publishAndWake([change(streamId, 1)]);
    release();
    expect(sequencesOf(await take(subscription, 1))).toEqual([1]);
    await subscription.return();
  });

  it('sends existing subscribers events that are committed during their read', async () => {
    const streamId = await one.openStream();
    const subscription = await live(one, streamId);
    const { answers } = one;
    const release = one.holdAnswers();
    await one.publish([change(streamId, 2)]);
    await until(() => one.answers > answers);
    await one.publishAndWake([change(streamId, 3)]);
    release();
    expect(sequencesOf(await take(subscription, 2))).toEqual([2, 3]);
    await subscription.return();
  });

  it('reads a change once for all subscribers of a process', async () => {
    const streamId = await one.openStream();
    const first = await live(other, streamId);
    const subscriptions = [first, ...range(2, 1_000).map(() => other.feed.subscribe(streamId, 1))];
    const before = other.reads;
    for (let n = 2; n <= 11; n += 1) {
      await one.publish([change(streamId, n)]);
      const events = await Promise.all(subscriptions.map((each) => take(each, 1)));
      expect(new Set(events.flat().map((event) => event.sequence))).toEqual(new Set([n]));
      expect(new Set(events.flat()).size).toBe(1);
    }
    expect(other.reads - before).toBe(10);
    await Promise.all(subscriptions.map((each) => each.return()));
  });

  it('reads the changes of many streams in one statement', async () => {
    const streams = await Promise.all(range(1, 500).map(() => one.openStream()));
    const subscriptions = await Promise.all(streams.map((streamId) => live(one, streamId)));
    const before = one.reads;
    await one.publish(streams.map((streamId) => change(streamId, 1)));
    const events = await Promise.all(subscriptions.map((each) => take(each, 1)));
    expect(events.flat().map((event) => event.streamId)).toEqual(streams);
    expect(one.reads - before).toBe(1);
    await Promise.all(subscriptions.map((each) => each.return()));
  });

  it('sends a new subscriber a long past at its own pace, and then joins it to the others', async () => {
    const streamId = await one.openStream();
    await one.publish(changes(streamId, 1, 3_000));
    const early = one.feed.subscribe(streamId, 3_000);
    const late = one.feed.subscribe(streamId, 0);
    const first = await take(late, 10);
    for (let n = 3_001; n <= 3_020; n += 1) await one.publish([change(streamId, n)]);
    expect(sequencesOf(await take(early, 20))).toEqual(range(3_001, 3_020));
    expect(sequencesOf([...first, ...(await take(late, 3_010))])).toEqual(range(1, 3_020));
    const before = one.reads;
    await one.publish([change(streamId, 3_021)]);
    expect(sequencesOf([...(await take(early, 1)), ...(await take(late, 1))])).toEqual([3_021, 3_021]);
    expect(one.reads - before).toBe(1);
    await Promise.all([early.return(), late.return()]);
  });

  it('sends every event once and in order to 100 clients that drop and resume at random on two processes', async () => {
    const streams = await Promise.all(range(1, 10).map(() => one.openStream()));
    const total = 200;
    const writer = async (streamId: string): Promise<void> => {
      for (let n = 1; n <= total; n += 5) await (n % 2 ? one : other).publish(changes(streamId, n, n + 4));
    };
    let resumed = 0;
    const client = async (streamId: string): Promise<number[]> => {
      const seen: number[] = [];
      while (seen.length < total) {
        const process = Math.random() < 0.5 ? one : other;
        const subscription = process.feed.subscribe(streamId, seen.at(-1) ?? 0);
        const wanted = Math.min(total - seen.length, Math.ceil(Math.random() * 30));
        seen.push(...sequencesOf(await take(subscription, wanted)));
        // A client often disconnects just before an event is sent.
        const pending = subscription.next();
        await subscription.return();
        await pending;
        resumed += 1;
      }
      return seen;
    };
    const clients = range(0, 99).map((index) => client(streams[index % streams.length]!));
    await Promise.all(streams.map(writer));
    for (const seen of await Promise.all(clients)) expect(seen).toEqual(range(1, total));
    expect(resumed).toBeGreaterThan(500);
  });

  it('loses no event when the listening connections are killed, with less than 5 s of delay', async () => {
    const streamId = await one.openStream();
    const subscriptions = [await live(one, streamId), other.feed.subscribe(streamId, 1)];
    const killed = await one.database.rows(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'likeness wake-ups'`,
    );
    expect(killed).toHaveLength(2);
    const startedAt = Date.now();
    await one.publish(changes(streamId, 2, 4));
    for (const each of subscriptions) expect(sequencesOf(await take(each, 3))).toEqual([2, 3, 4]);
    expect(Date.now() - startedAt).toBeLessThan(5_000);
    await other.publish([change(streamId, 5)]);
    for (const each of subscriptions) expect(sequencesOf(await take(each, 1))).toEqual([5]);
    await Promise.all(subscriptions.map((each) => each.return()));
  });

  it('continues after every database connection was cut', async () => {
    const streamId = await one.openStream();
    const subscription = await live(other, streamId);
    const killed = other.database.rows(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()`,
    );
    await expect(killed).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    await until(() => one.publish([change(streamId, 2)]).then(() => true, () => false)); // prettier-ignore
    expect(sequencesOf(await take(subscription, 1))).toEqual([2]);
    await subscription.return();
  });

  it('finds events without a wake-up by its sweep', async () => {
    const process = await another(50);
    const streamId = await one.openStream();
    const subscription = await live(process, streamId);
    await appendEvents(one.database, [change(streamId, 2)]);
    expect(sequencesOf(await take(subscription, 1))).toEqual([2]);
    await subscription.return();
  });

  it('sweeps a thousand streams with one statement, and reads their new events with two', async () => {
    const streams = range(1, 1_000).map(() => newId());
    await one.database.rows(
      `INSERT INTO streams (id, owner) SELECT id, 'local' FROM unnest($1::uuid[]) AS id`,
      [streams],
    );
    const events = streams.map((streamId) => change(streamId, 1));
    const subscriptions = streams.map((streamId) => one.feed.subscribe(streamId, 0));
    await one.publish(events);
    await Promise.all(subscriptions.map((each) => take(each, 1)));
    await appendEvents(one.database, events);
    const before = one.reads;
    one.wakeups.announce({ streams: 'all' });
    for (const each of subscriptions) expect(sequencesOf(await take(each, 1))).toEqual([2]);
    expect(one.reads - before).toBe(3);
    await Promise.all(subscriptions.map((each) => each.return()));
  });

  it('sends events to the other subscribers if a listener throws an error', async () => {
    const streamId = await one.openStream();
    const [broken, other] = [one.feed.subscribe(streamId, 0), one.feed.subscribe(streamId, 0)];
    await until(() => one.reads > 0);
    const calls: number[] = [];
    broken.attach({
      onItem: ({ sequence }) => {
        calls.push(sequence);
        throw new Error('broken');
      },
      onEnd: () => undefined,
    });
    await one.publish(changes(streamId, 1, 2));
    expect(sequencesOf(await take(other, 2))).toEqual([1, 2]);
    await one.publish(changes(streamId, 3, 3));
    expect(sequencesOf(await take(other, 1))).toEqual([3]);
    expect(calls).toEqual([1]);
    expect(one.feed.subscriberCount).toBe(1);
    await other.return();
  });

  it('drops only a subscriber with 1,000 unread events', async () => {
    const streamId = await one.openStream();
    const slow = await live(one, streamId);
    const quick = one.feed.subscribe(streamId, 1);
    for (let n = 2; n <= 1_002; n += 91) {
      await one.publish(changes(streamId, n, n + 90));
      await take(quick, 91);
    }
    await expect(slow.next()).rejects.toEqual(tooSlow);
    expect(await slow.next()).toEqual({ done: true, value: undefined });
    expect(one.feed.subscriberCount).toBe(1);
    await quick.return();
  });

  it('drops a subscriber whose next events are already pruned', async () => {
    const streamId = await one.openStream();
    await one.publish(changes(streamId, 1, 5));
    await one.database.rows(`UPDATE events SET created_at = now() - interval '1 day' WHERE sequence <= 3`);
    await pruneEvents(one.database, 3_600_000);
    await expect(one.feed.subscribe(streamId, 1).next()).rejects.toEqual(tooSlow);
    const subscription = one.feed.subscribe(streamId, 3);
    expect(sequencesOf(await take(subscription, 2))).toEqual([4, 5]);
    await subscription.return();
  });

  it('rejects a position beyond the end of the stream', async () => {
    const streamId = await one.openStream();
    await one.publish([change(streamId, 1)]);
    await expect(one.feed.subscribe(streamId, 2).next()).rejects.toMatchObject({ code: 'INVALID_CURSOR' });
  });

  it('ends all subscriptions of a stream that has lost events, without a wake-up, and none that begin then', async () => {
    const process = await another(20);
    const streamId = await one.openStream();
    const subscriptions = [await live(process, streamId), process.feed.subscribe(streamId, 1)];
    await one.publish(changes(streamId, 2, 3));
    for (const each of subscriptions) expect(sequencesOf(await take(each, 2))).toEqual([2, 3]);
    // As a failover to a standby that lacks the last commits.
    await testDatabase.rows('DELETE FROM events WHERE stream_id = $1 AND sequence > 1', [streamId]);
    await testDatabase.rows('UPDATE streams SET sequence = 1 WHERE id = $1', [streamId]);
    const fresh = process.feed.subscribe(streamId, 1);
    for (const each of subscriptions)
      await expect(each.next()).rejects.toMatchObject({ code: 'INVALID_CURSOR' });
    await one.publish([change(streamId, 4)]);
    expect(sequencesOf(await take(fresh, 1))).toEqual([2]);
    await fresh.return();
  });

  it('ends with the deletion event, also for later subscribers', async () => {
    const streamId = await one.openStream();
    const early = await live(one, streamId);
    await one.publish(changes(streamId, 1, 3));
    await other.database.transaction((sql) => endStreams(sql, [streamId], 'MODEL'));
    other.wakeups.announce({ streams: [streamId] });
    const late = other.feed.subscribe(streamId, 1);
    expect((await take(early, 9)).at(-1)).toMatchObject({ sequence: 5, kind: 'DELETED' });
    expect(await take(late, 9)).toMatchObject([{ sequence: 5, kind: 'DELETED' }]);
    expect(await take(other.feed.subscribe(streamId, 5), 1)).toEqual([]);
    expect(await take(other.feed.subscribe(newId(), 0), 1)).toEqual([]);
  });

  it('ends all subscriptions when it stops, and accepts no more', async () => {
    const process = await another();
    const streams = await Promise.all(range(1, 3).map(() => one.openStream()));
    const waiting = (await Promise.all(streams.map((id) => live(process, id)))).map((each) => each.next());
    const starting = process.feed.subscribe(await one.openStream(), 0).next();
    await Promise.all([process.feed.stop(), process.feed.stop()]);
    for (const each of [...waiting, starting]) expect(await each).toEqual({ done: true, value: undefined });
    expect(process.feed.subscriberCount).toBe(0);
    expect(await take(process.feed.subscribe(streams[0]!, 0), 1)).toEqual([]);
  });
});
