import { newId } from '../../src/core/ids';
import { createLogger } from '../../src/core/logger';
import { everyTopic } from '../../src/events/wake';
import { Wakeups } from '../../src/events/wakeups';
import { TestDatabase } from '../support/database';
import { EventProcess, range } from '../support/event-process';
import { TcpProxy } from '../support/servers';
import { until } from '../support/until';

/** The received wake-ups of a listener. */
class TopicListener {
  readonly streams: string[] = [];
  everything = 0;
  work = 0;
  readonly topics: string[] = [];

  constructor(wakeups: Wakeups) {
    wakeups.onStreams((ids) => {
      if (ids === 'all') this.everything += 1;
      else this.streams.push(...ids);
    });
    wakeups.onWork(() => (this.work += 1));
    wakeups.onTopic((topic) => this.topics.push(topic));
  }
}

describe('wake-ups', () => {
  const logger = createLogger('silent');
  let testDatabase: TestDatabase;
  let observer: EventProcess;
  const running: Wakeups[] = [];

  const started = async (
    url = testDatabase.url,
    checkMs?: number,
  ): Promise<{ wakeups: Wakeups; listener: TopicListener }> => {
    const wakeups = new Wakeups({ url, logger, ...(checkMs !== undefined && { checkMs }) });
    const listener = new TopicListener(wakeups);
    running.push(wakeups);
    await wakeups.start();
    return { wakeups, listener };
  };

  const notified = (payload: string): Promise<unknown> =>
    observer.database.rows('SELECT pg_notify($1, $2)', ['likeness', payload]);

  beforeAll(async () => {
    testDatabase = await TestDatabase.create();
    observer = await EventProcess.start(testDatabase);
  });

  afterEach(async () => {
    await Promise.all(running.splice(0).map((wakeups) => wakeups.stop()));
  });

  afterAll(async () => {
    await observer.stop();
    await testDatabase.drop();
  });

  it('reach listeners in this and every other process once', async () => {
    const [here, there, third] = [await started(), await started(), await started()];
    const id = newId();
    here.wakeups.announce({ streams: [id], work: true });
    here.wakeups.announce({ streams: [id], work: true, topics: ['revoked:1'] });
    await until(() => there.listener.topics.length === 1 && third.listener.topics.length === 1);
    there.wakeups.announce({ topics: ['end'] });
    await until(() => here.listener.topics.includes('end'));
    for (const { listener } of [here, there, third]) {
      expect(listener).toMatchObject({ streams: [id], work: 1, everything: 0 });
      expect(listener.topics.filter((topic) => topic !== 'end')).toEqual(['revoked:1']);
    }
  });

  it('carry thousands of streams and long topics in one batch', async () => {
    const [here, there] = [await started(), await started()];
    const ids = range(1, 5_000).map(() => newId());
    const topics = range(1, 50).map((n) => `${n}`.padEnd(200, '\u0001'));
    here.wakeups.announce({ streams: ids, topics });
    await until(
      () => there.listener.streams.length >= ids.length && there.listener.topics.length >= topics.length,
    );
    expect(there.listener.streams.sort()).toEqual(ids.sort());
    expect(there.listener.topics.sort()).toEqual(topics.sort());
  });

  it('become one wake-up for everything when there are too many to list', async () => {
    const [here, there] = [await started(), await started()];
    here.wakeups.announce({
      streams: range(1, 10_001).map(() => newId()),
      topics: range(1, 1_001).map((n) => `topic ${n}`),
    });
    await until(() => there.listener.everything > 0 && there.listener.topics.length > 0);
    expect(there.listener).toMatchObject({ everything: 1, streams: [], topics: [everyTopic] });
  });

  it('reject a topic that is too long before sending', async () => {
    const { wakeups } = await started();
    expect(() => {
      wakeups.announce({ topics: ['x'.repeat(201)] });
    }).toThrow(RangeError);
  });

  it('reach the other listeners although one throws', async () => {
    const { wakeups, listener } = await started();
    wakeups.onWork(() => {
      throw new Error('a listener of no use');
    });
    const second = new TopicListener(wakeups);
    wakeups.announce({ work: true });
    await until(() => second.work === 1);
    expect(listener.work).toBe(1);
  });

  it('ignore foreign notifications on the channel', async () => {
    const [here, there] = [await started(), await started()];
    for (const payload of ['', 'not JSON', '[]', '{"from":1}', '{"from":"x","streams":7}'])
      await notified(payload);
    here.wakeups.announce({ work: true });
    await until(() => there.listener.work === 1);
    expect(there.listener).toMatchObject({ streams: [], everything: 0, topics: [] });
  });

  it('are sent before the service stops', async () => {
    const [here, there] = [await started(), await started()];
    here.wakeups.announce({ topics: ['last words'] });
    await here.wakeups.stop();
    await until(() => there.listener.topics.length === 1);
    expect(here.listener.topics).toEqual(['last words']);
  });

  it('wake everything after a reconnect, and send pending announcements', async () => {
    const proxy = new TcpProxy(new URL(testDatabase.url));
    await proxy.open();
    const [here, there] = [await started(proxy.url), await started()];
    await proxy.close();
    const id = newId();
    here.wakeups.announce({ streams: [id], topics: ['meanwhile'] });
    await until(() => here.listener.streams.length === 1);
    await proxy.open();
    await until(() => here.listener.everything > 0 && there.listener.topics.length > 0);
    expect(here.listener).toMatchObject({ everything: 1, work: 1, topics: ['meanwhile', everyTopic] });
    expect(there.listener).toMatchObject({ streams: [id], topics: ['meanwhile'], everything: 0 });
    await here.wakeups.stop();
    await proxy.close();
  });

  it('detect a silently dead connection', async () => {
    const proxy = new TcpProxy(new URL(testDatabase.url));
    await proxy.open();
    const { wakeups, listener } = await started(proxy.url, 500);
    proxy.silence();
    await until(() => listener.everything > 0);
    expect(listener).toMatchObject({ everything: 1, work: 1, topics: [everyTopic] });
    await wakeups.stop();
    await proxy.close();
  });

  it('keep their connection while a read on it waits for a locked table', async () => {
    const { wakeups, listener } = await started();
    const session = await testDatabase.session();
    await session.query('BEGIN; LOCK TABLE models IN ACCESS EXCLUSIVE MODE');
    await expect(wakeups.read('SELECT id FROM models LIMIT 1', [])).rejects.toThrow();
    await session.query('ROLLBACK');
    await session.end();
    expect(await wakeups.read<object>('SELECT 1 AS one', [])).toEqual([{ one: 1 }]);
    const other = await started();
    other.wakeups.announce({ topics: ['afterwards'] });
    await until(() => listener.topics.length > 0);
    expect(listener).toMatchObject({ everything: 0, work: 0, topics: ['afterwards'] });
  });

  it('restart during a database outage, but fail the first start', async () => {
    const proxy = new TcpProxy(new URL(testDatabase.url));
    await proxy.open();
    await proxy.close();
    const wakeups = new Wakeups({ url: proxy.url, logger });
    const listener = new TopicListener(wakeups);
    await expect(wakeups.start()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await proxy.open();
    await Promise.all([wakeups.start(), wakeups.start()]);
    await wakeups.stop();
    await proxy.close();
    await wakeups.start();
    await proxy.open();
    await until(() => listener.everything === 1);
    await Promise.all([wakeups.stop(), wakeups.stop()]);
    await proxy.close();
  });
});
