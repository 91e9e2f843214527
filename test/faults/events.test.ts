import { encodeEventCursor } from '../../src/events/event';
import { findViolations, rowId } from '../support/faults-audit';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending, prepareFixtures, order } from '../support/faults-jobs';
import { Listener } from '../support/faults-listener';
import { eventually } from '../support/until';

jest.setTimeout(240_000);

const listeners = 100;
const generations = 30;

describe('100 clients that disconnect and resume', () => {
  let environment: FaultsEnvironment;
  const all: Listener[] = [];

  beforeAll(async () => {
    // An id that only the killed gateway's journal has is adopted after 10 s, before the grace period ends. With a shorter
    // one the job fails first, and its avatars follow after every job has ended.
    const settings = { UNCERTAIN_GRACE: '20s' };
    environment = await FaultsEnvironment.open({ gateways: 2, maxFollowed: 20, settings });
  });

  afterAll(async () => {
    await Promise.all(all.map((listener) => listener.stop()));
    await environment.stop();
  });

  it('receive every avatar once and in order although one of two gateways is killed', async () => {
    const { modelId } = await prepareFixtures(environment);
    const [stream] = await environment.rows<{ sequence: string }>(
      'SELECT sequence FROM streams WHERE id = $1',
      [rowId(modelId)],
    );
    const after = encodeEventCursor(rowId(modelId), Number(stream!.sequence));
    const maxItems = (): number => 1 + Math.floor(Math.random() * 12);
    const {
      token,
      options: { owner },
    } = environment.client;
    const options = { owner, token, subject: modelId, after, gateway: environment.anyGateway, maxItems };
    all.push(...Array.from({ length: listeners }, () => new Listener({ ...options, kind: 'avatars' })));

    const jobs = await Promise.all(
      Array.from({ length: generations }, () => order(environment, 'generation')),
    );
    await eventually(
      'a third of the avatars',
      async () => Math.min(...all.map(({ log }) => log.events.length)),
      (fewest) => fewest >= 10,
    );
    await environment.gateways[1]!.kill();
    environment.gateways.pop();
    await environment.freshBudget();
    await Promise.all(jobs.map(({ id }) => ending(environment, 'generation', id)));

    const received = await environment.rows<{ id: string }>(
      `SELECT replace(subject_id::text, '-', '') AS id FROM events
        WHERE stream_id = $1 AND kind = 'AVATAR' ORDER BY sequence`,
      [rowId(modelId)],
    );
    const wanted = received.map(({ id }) => `avatar_${id}`);
    expect(wanted.length).toBeGreaterThan(generations);
    await eventually(
      'the last avatar at every client',
      async () => all.filter(({ log }) => log.events.length >= wanted.length).length,
      (complete) => complete === listeners,
    );
    await Promise.all(all.map((listener) => listener.stop()));
    for (const { log } of all) expect(log.events.map(({ id }) => id)).toEqual(wanted);
    const connections = all.reduce((sum, listener) => sum + listener.connections, 0);
    expect(connections).toBeGreaterThan(4 * listeners);
    expect(await findViolations(environment)).toEqual([]);
  });
});
