import { decodeEventCursor } from '../../src/events/event';
import { activityCursor, followActivity, isCaughtUp, type ActivityNews } from '../support/activity';
import { Client } from '../support/client';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending, order, prepareFixtures } from '../support/faults-jobs';
import type { Feed } from '../support/feed';
import { eventually } from '../support/until';

jest.setTimeout(120_000);

const clientCount = 100;
const generations = 12;

const changesIn = (feed: Feed<ActivityNews>): string[] =>
  feed.messages.filter((item) => !isCaughtUp(item)).map(({ cursor }) => cursor);

/** A client that disconnects at random and resumes with its last cursor at any gateway. */
class Follower {
  connections = 0;
  /** The cursors that earlier connections have received. */
  private readonly before: string[] = [];
  private feed: Feed<ActivityNews> | null = null;
  private maxChanges = 0;
  private isStopped = false;
  private readonly running: Promise<void>;

  constructor(
    private readonly connect: (after: string) => Feed<ActivityNews>,
    private readonly start: string,
  ) {
    this.running = this.run();
  }

  get cursors(): string[] {
    // Changes after the disconnect are not received.
    return [...this.before, ...(this.feed ? changesIn(this.feed).slice(0, this.maxChanges) : [])];
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.feed?.drop();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.isStopped) {
      this.connections += 1;
      this.maxChanges = 1 + Math.floor(Math.random() * 30);
      const feed = this.connect(this.before.at(-1) ?? this.start);
      this.feed = feed;
      const isFull = (): boolean => feed.end !== null || changesIn(feed).length >= this.maxChanges;
      await feed.until(isFull, Infinity);
      feed.drop();
      this.before.push(...changesIn(feed).slice(0, this.maxChanges));
      this.feed = null;
      // Delays the next connection attempt if no gateway responds.
      await new Promise((resume) => setTimeout(resume, 20));
    }
  }
}

describe('100 subscribers of activity that disconnect and resume', () => {
  let environment: FaultsEnvironment;
  const all: Follower[] = [];

  beforeAll(async () => {
    environment = await FaultsEnvironment.open({
      gateways: 2,
      maxFollowed: 0,
      settings: { UNCERTAIN_GRACE: '20s' },
    });
  });

  afterAll(async () => {
    await Promise.all(all.map((follower) => follower.stop()));
    await environment.stop();
  });

  it('receive every event of all models once and in order although one of two gateways is killed', async () => {
    await prepareFixtures(environment);
    const { client } = environment;
    const start = await activityCursor(client);
    const countEvents = async (): Promise<number> =>
      (await environment.rows<{ count: number }>('SELECT count(*)::int AS count FROM events'))[0]!.count;
    const before = await countEvents();
    const connect = (after: string): Feed<ActivityNews> =>
      followActivity(new Client(environment.anyGateway, client.options), { after });
    all.push(...Array.from({ length: clientCount }, () => new Follower(connect, start)));

    const kinds = ['training', ...Array<'generation'>(generations).fill('generation'), 'instant'] as const;
    const jobs = await Promise.all(kinds.map((kind) => order(environment, kind)));
    await eventually(
      'some changes at each client',
      () => Promise.resolve(Math.min(...all.map(({ cursors }) => cursors.length))),
      (fewest) => fewest >= 10,
    );
    await environment.gateways[1]!.kill();
    environment.gateways.pop();
    await environment.freshBudget();
    await Promise.all(jobs.map(({ id }, index) => ending(environment, kinds[index]!, id)));

    const last = await activityCursor(client);
    const [stream] = await environment.rows<{ id: string }>('SELECT id FROM owner_streams');
    const numberOf = (cursor: string): number => decodeEventCursor(cursor, stream!.id);
    const wanted = Array.from(
      { length: numberOf(last) - numberOf(start) },
      (_, n) => numberOf(start) + 1 + n,
    );
    await eventually(
      'the last event at every client',
      () => Promise.resolve(all.filter(({ cursors }) => cursors.length >= wanted.length).length),
      (complete) => complete === clientCount,
    );
    await Promise.all(all.map((follower) => follower.stop()));
    for (const { cursors } of all) expect(cursors.map(numberOf)).toEqual(wanted);
    expect(all.reduce((sum, { connections }) => sum + connections, 0)).toBeGreaterThan(3 * clientCount);

    // Every event has one number, in the order of its stream.
    expect((await countEvents()) - before).toBe(wanted.length);
    const disordered = await environment.rows(
      `SELECT 1 FROM owner_events one JOIN owner_events other USING (owner_stream_id, stream_id)
        WHERE one.sequence < other.sequence AND one.stream_sequence >= other.stream_sequence`,
    );
    expect(disordered).toEqual([]);
  });
});
