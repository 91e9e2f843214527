import { activityCursor } from '../support/activity';
import { followIds } from '../support/activity-follower';
import { findViolations } from '../support/faults-audit';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending } from '../support/faults-jobs';
import type { FeedEnd } from '../support/feed';
import { ReplicatedPostgres } from '../support/replicated-postgres';
import { eventually, until, within } from '../support/until';

jest.setTimeout(180_000);

let servers: ReplicatedPostgres;
let environment: FaultsEnvironment;

beforeEach(async () => {
  servers = await ReplicatedPostgres.start();
  environment = await FaultsEnvironment.open({ databaseUrl: servers.url, maxFollowed: 5 });
});

afterEach(async () => {
  await environment.stop();
  await servers.stop();
});

/** Generates an avatar; repeated until there is an answer. */
const generate = async (modelId: string, key: string): Promise<void> => {
  const { client } = environment;
  const { id } = await eventually(
    'an answer',
    () => client.generate(modelId, [{ count: 1 }], key),
    () => true,
  );
  await eventually(
    'an avatar',
    () => client.generation(id),
    (job) => job?.status === 'COMPLETED',
  );
};

const refused: FeedEnd = {
  how: 'errors',
  errors: [expect.objectContaining({ extensions: expect.objectContaining({ code: 'INVALID_CURSOR' }) })],
};

describe('a failover to a standby that lacks the last commits', () => {
  it('ends subscriptions whose events it lacks, and refuses their cursors', async () => {
    const { client, gateway } = environment;
    const modelId = await client.trained(await client.upload(5));
    await generate(modelId, 'first');
    const start = await activityCursor(client);
    const avatars = client.followAvatars({ modelId });
    const activity = followIds(gateway.url, client, start);
    await avatars.until(({ length }) => length === 1);
    await servers.crashStandby();
    await generate(modelId, 'lost');
    await avatars.until(({ length }) => length === 2);
    const { length } = await activity.until((items) => items.some(({ change }) => change.avatarId));
    await servers.failOver(() => Promise.resolve());

    expect(await avatars.ended()).toEqual(refused);
    expect(await activity.ended()).toEqual(refused);
    const after = avatars.messages.at(-1)!.cursor;
    expect(await client.followAvatars({ modelId, after }).ended()).toEqual(refused);
    expect(await followIds(gateway.url, client, activity.messages[length - 1]!.cursor).ended()).toEqual(
      refused,
    );

    const fresh = client.followAvatars({ modelId });
    await fresh.until((items) => items.length === 1);
    await generate(modelId, 'later');
    const [known, later] = await fresh.until((items) => items.length === 2);
    expect(known!.avatar.id).toBe(avatars.messages[0]!.avatar.id);
    expect(later!.avatar.id).not.toBe(avatars.messages[1]!.avatar.id);
    fresh.drop();
  });

  it('pays once for a call that only the journal has, since its job is QUEUED there', async () => {
    const { client, gateway } = environment;
    const photoIds = await client.upload(5);
    const called = await gateway.arm('move:before-commit');
    const { id } = await client.train({ photoIds });
    await within('the intent to call', called.reached);
    await servers.crashStandby();
    const { reached } = await gateway.arm('submission:answered');
    gateway.release();
    await within('the answer', reached);
    await servers.failOver(async () => {
      gateway.release();
      const message = /could not be stored yet/;
      await until(() => gateway.said(message).length > 0);
    });
    const job = await ending(environment, 'training', id);
    expect(job).toMatchObject({ status: 'READY', attempt: 1 });
    expect(await environment.paid()).toBe(1);
    expect(await findViolations(environment)).toEqual([]);
  });
});
