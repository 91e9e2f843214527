import { apiSchema } from '../../src/app/services';
import { newId, nodeKinds, toGlobalId, type NodeKind } from '../../src/core/ids';
import type { ListOrder } from '../../src/core/list-statements';
import { encodeEventCursor } from '../../src/events/event';
import { encodeCursor } from '../../src/graphql/connection';
import type { Client } from '../support/client';
import { transports, type Operation, type Result, type Transport } from '../support/graphql-client';
import { send } from '../support/raw-client';
import { idPlaces } from './id-places';
import { cursorWalk } from './ownership-cursors';
import { isSilent, walk } from './ownership-walk';
import { TwoOwners, type Belongings } from './two-owners';

const kindOf = (id: string): NodeKind =>
  (Object.keys(nodeKinds) as NodeKind[]).find((kind) => id.startsWith(`${nodeKinds[kind]}_`))!;

const codeOf = ({ errors }: Result): string | undefined => errors?.[0]?.extensions.code;

/** The response without the requested id. */
const without = (id: string, answer: Result): unknown =>
  JSON.parse(JSON.stringify(answer).replaceAll(id, '<id>'));

describe('data of another owner', () => {
  let owners: TwoOwners;
  let before: string;
  beforeAll(async () => {
    owners = await TwoOwners.settle();
    before = await owners.snapshot('alice');
  }, 60_000);
  afterAll(() => owners.stop());

  const idsOf = (of: Belongings): string[] => [
    of.photo,
    of.awaitingPhoto,
    of.readyModel,
    of.waitingModel,
    of.failedModel,
    of.completedGeneration,
    of.waitingGeneration,
    of.failedGeneration,
    of.avatar,
    of.webhook,
    of.delivery,
    of.notice,
    of.ledgerEntry,
    of.clientToken,
  ];
  /** Over WebSocket and SSE one id of each kind: the resolvers are the same, and HTTP is asked for all. */
  const idsOver = (transport: Transport): string[] => {
    const ids = idsOf(owners.alices);
    return transport === 'HTTP'
      ? ids
      : ids.filter((id, index) => ids.findIndex((other) => kindOf(other) === kindOf(id)) === index);
  };
  /** Values that no response to Bob may contain. */
  const secrets = (): string[] => ['alice', ...idsOf(owners.alices)];
  const expectNothingAbout = (answer: unknown, except: string): void => {
    const text = JSON.stringify(answer).replaceAll(except, '');
    expect(secrets().filter((secret) => text.includes(secret))).toEqual([]);
  };

  it('are requested through every field of the schema', () => {
    const places = idPlaces(apiSchema());
    const named = (takes: string): string[] =>
      places
        .filter((place) => place.takes === takes)
        .map(({ name }) => name)
        .sort();
    expect(walk.map(({ place }) => place).sort()).toEqual(named('id'));
    expect(cursorWalk.map(({ place }) => place).sort()).toEqual(named('cursor'));
  });

  describe.each(transports)('over %s', (transport) => {
    it.each(walk)(
      "return the same answer for another owner's id as for an unknown id: $place",
      async ({ query, variables }) => {
        const { bob, bobs } = owners;
        for (const id of idsOver(transport)) {
          const ghost = toGlobalId(kindOf(id), newId());
          const [of, never] = await Promise.all(
            [id, ghost].map(async (asked) =>
              without(asked, await bob.execute(transport, { query, variables: variables(asked, bobs) })),
            ),
          );
          expect(of).toEqual(never);
          expectNothingAbout(of, id);
        }
      },
    );

    it.each(cursorWalk)('cannot be reached through their cursors: $place', async (row) => {
      const { place, query, own, cursor } = row;
      const { bob, alices, bobs } = owners;
      const nowhere = { id: newId(), key: null };
      const orders: Partial<Record<keyof Belongings, ListOrder>> = {
        listCursor: 'NEWEST',
        timelineCursor: 'OLDEST',
      };
      const order = orders[cursor];
      const never = order ? encodeCursor(nowhere, order) : encodeEventCursor(nowhere.id, 1);
      const id = own && bobs[own];
      const [of, ofNothing] = await Promise.all(
        [alices[cursor], never].map((after) => bob.execute(transport, { query, variables: { id, after } })),
      );
      // A list cursor is a position in time, valid for every owner: it returns Bob's own items or fewer.
      expectNothingAbout(of, alices[cursor]);
      expect(of!.errors).toEqual(ofNothing!.errors);
      const isAnswered = transport !== 'HTTP' || place.startsWith('Query.');
      const refusal = isAnswered ? 'INVALID_CURSOR' : 'INVALID_INPUT';
      expect(codeOf(of!)).toBe(order ? undefined : refusal);
    });
  });

  it('cannot be reached with an idempotency key of their owner, since keys are separate per owner', async () => {
    const { alice, bob, alices, bobs } = owners;
    const query =
      'mutation ($input: GenerateAvatarsInput!) { generateAvatars(input: $input) { generation { id } } }';
    const asked = async (caller: Client, modelId: string): Promise<string> =>
      (
        await caller.request<{ generateAvatars: { generation: { id: string } } }>(query, {
          input: { modelId, prompts: [{}], idempotencyKey: 'the-same' },
        })
      ).generateAvatars.generation.id;
    const ofAlice = await asked(alice, alices.readyModel);
    const ofBob = await asked(bob, bobs.readyModel);
    expect(ofBob).not.toBe(ofAlice);
    expect(await asked(alice, alices.readyModel)).toBe(ofAlice);
    expect(await asked(bob, bobs.readyModel)).toBe(ofBob);
    await alice.request('mutation ($id: ID!) { deleteGeneration(input: { id: $id }) { deletedId } }', {
      id: ofAlice,
    });
    before = await owners.snapshot('alice');
  });

  it('are not served by a signed URL of another resource', async () => {
    const { alices, bobs } = owners;
    const [avatar, photo, upload] = [bobs.avatarUrl, bobs.photoUrl, bobs.uploadUrl].map(
      (url) => new URL(url),
    );
    const swapped = (url: URL, from: string, to: string): string => url.href.replace(from, to);
    const forged = [
      swapped(avatar!, bobs.avatar, alices.avatar),
      swapped(avatar!, bobs.avatar, alices.photo),
      swapped(avatar!, '/original', '/preview'),
      swapped(avatar!, `avatars/${bobs.avatar}/original`, `photos/${alices.photo}.jpg`),
      swapped(photo!, bobs.photo, alices.photo),
      swapped(photo!, `photos/${bobs.photo}.jpg`, `avatars/${alices.avatar}/original`),
      `${owners.gateway.url}/media/photos/${bobs.awaitingPhoto}.jpg${upload!.search}`,
      avatar!.href.replace(/expires=(\d+)/, (_, at: string) => `expires=${Number(at) + 3_600}`),
      photo!.href.replace(/signature=(.)/, (_, first: string) => `signature=${first === 'A' ? 'B' : 'A'}`),
      photo!.href.replace(/&signature=.*/, ''),
    ];
    for (const url of forged) {
      const { status, text } = await send(url);
      expect([status, (JSON.parse(text) as { code: string }).code]).toEqual([403, 'INVALID_SIGNATURE']);
    }
    for (const url of [
      swapped(upload!, bobs.awaitingPhoto, alices.awaitingPhoto),
      photo!.href.replace('/media/photos', '/uploads'),
    ]) {
      const { status } = await send(url, { method: 'PUT', headers: { 'content-type': 'image/jpeg' } }, 'x');
      expect([403, 404, 405]).toContain(status);
    }
    expect((await send(bobs.avatarUrl)).status).toBe(200);
    expect((await send(bobs.photoUrl)).status).toBe(200);
  });

  it('are unchanged after all of these requests', async () => {
    expect(await owners.snapshot('alice')).toBe(before);
    expect((await send(owners.alices.avatarUrl)).status).toBe(200);
    expect((await send(owners.alices.photoUrl)).status).toBe(200);
  });

  it.each([
    'readyModel',
    'completedGeneration',
    'avatar',
    'photo',
    'webhook',
    'delivery',
    'notice',
    'ledgerEntry',
    'clientToken',
  ] as const)('are returned to their owner by node and nodes: %s', async (own) => {
    const { alice, alices } = owners;
    const id = alices[own];
    const query = 'query ($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } }';
    expect(await alice.request(query, { id })).toEqual({ node: { id }, nodes: [{ id }] });
  });

  it.each(walk.filter(({ own }) => own !== null))('are returned to their owner: $place', async (row) => {
    const { alice, alices } = owners;
    const ask = (id: string): Promise<Result> => {
      const operation: Operation = { query: row.query, variables: row.variables(id, alices) };
      return alice.execute(row.place.startsWith('Subscription') ? 'SSE' : 'HTTP', operation);
    };
    const own = alices[row.own!] as string;
    const never = toGlobalId(kindOf(own), newId());
    const answer = await ask(own);
    expect(answer.errors).toBeUndefined();
    const isAlike = JSON.stringify(without(own, answer)) === JSON.stringify(without(never, await ask(never)));
    expect(isAlike).toBe(isSilent(row));
  });

  it.each(walk.filter(isSilent))('are gone after their owner deleted them: $place', async ({ own }) => {
    const query = 'query ($id: ID!) { node(id: $id) { id } }';
    expect(await owners.alice.request(query, { id: owners.alices[own!] })).toEqual({ node: null });
  });

  it('are gone, including their URLs, after their owner deletes them', async () => {
    expect((await send(owners.alices.avatarUrl)).status).toBe(404);
    expect((await send(owners.alices.photoUrl)).status).toBe(404);
  });
});
