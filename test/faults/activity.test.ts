import { activityCursor, followActivity, type ActivityNews } from '../support/activity';
import { ActivityFollower, OwnerEvents } from '../support/activity-follower';
import { Client, uuidOf } from '../support/client';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending, order, prepareFixtures } from '../support/faults-jobs';
import type { Feed } from '../support/feed';
import { eventually } from '../support/until';

jest.setTimeout(120_000);

const clientCount = 100;
const generations = 12;

describe('100 subscribers of activity that disconnect and resume', () => {
  let environment: FaultsEnvironment;
  const all: ActivityFollower[] = [];

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
    const events = await OwnerEvents.of(environment, client);
    const countEvents = async (): Promise<number> =>
      (await environment.rows<{ count: number }>('SELECT count(*)::int AS count FROM events'))[0]!.count;
    const before = await countEvents();
    const connect = (after: string): Feed<ActivityNews> =>
      followActivity(new Client(environment.anyGateway, client.options), { after });
    all.push(...Array.from({ length: clientCount }, () => new ActivityFollower(connect, events.start)));

    const kinds = ['training', ...Array<'generation'>(generations).fill('generation'), 'instant'] as const;
    const jobs = await Promise.all(kinds.map((kind) => order(environment, kind)));
    await eventually(
      'some changes at each client',
      () => Promise.resolve(Math.min(...all.map(({ changes }) => changes.length))),
      (fewest) => fewest >= 10,
    );
    await environment.gateways[1]!.kill();
    environment.gateways.pop();
    await environment.freshBudget();
    const ended = await Promise.all(jobs.map(({ id }, index) => ending(environment, kinds[index]!, id)));

    // It numbers the latest events.
    await activityCursor(client);
    const wanted = await events.stored();
    const lastStatus = (id: string): string | null => wanted.findLast(([, of]) => of === uuidOf(id))![2];
    expect(ended.map(({ id }) => lastStatus(id))).toEqual(ended.map(({ status }) => status));
    await eventually(
      'the last event at every client',
      () => Promise.resolve(all.filter(({ changes }) => changes.length >= wanted.length).length),
      (complete) => complete === clientCount,
    );
    await Promise.all(all.map((follower) => follower.stop()));
    for (const { changes } of all) expect(events.received(changes)).toEqual(wanted);
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
