import { apiSchema } from '../../src/app/services';
import { newId, nodeKinds, toGlobalId, type NodeKind } from '../../src/core/ids';
import {
  fieldsOfModelTokens,
  fieldsOfRestrictedTokens,
  fieldsOfTokens,
} from '../../src/graphql/client-token-fields';
import type { Client } from '../support/client';
import { Backend } from '../support/client-tokens';
import { TestGateway } from '../support/gateway';
import type { Result, Transport } from '../support/graphql-client';
import { walk } from './ownership-walk';
import { fullOperations, otherOperations, type IsSelected } from './schema-operations';
import type { Belongings } from './two-owners';

const schema = apiSchema();
const codeOf = ({ errors }: Result): string | undefined => errors?.[0]?.extensions.code;
const kindOf = (id: string): NodeKind =>
  (Object.keys(nodeKinds) as NodeKind[]).find((kind) => id.startsWith(`${nodeKinds[kind]}_`))!;
const transportOf = (query: string): Transport => (query.startsWith('subscription') ? 'SSE' : 'HTTP');
const without = (id: string, answer: Result): unknown =>
  JSON.parse(JSON.stringify(answer).replaceAll(id, '<id>'));

/** A model with what was made from it. */
interface Made {
  modelId: string;
  generationId: string;
  photoIds: string[];
  avatarIds: string[];
  prompt: string;
}

const isForModel: IsSelected = (type, field) =>
  (fieldsOfRestrictedTokens[type] ?? []).includes(field) || fieldsOfModelTokens.includes(`${type}.${field}`);
const isForGeneration: IsSelected = (type, field) => (fieldsOfRestrictedTokens[type] ?? []).includes(field);

describe('the fields of client tokens', () => {
  it('exist', () => {
    const fieldsOf = (name: string): string[] => {
      const type = schema.getType(name);
      return type && 'getFields' in type ? Object.keys(type.getFields()) : [];
    };
    const roots = ['Query', 'Mutation', 'Subscription'].flatMap(fieldsOf);
    expect([...fieldsOfTokens].filter((name) => !roots.includes(name))).toEqual([]);
    const listed = [
      ...Object.entries(fieldsOfRestrictedTokens).flatMap(([type, names]) =>
        names.map((name) => [type, name]),
      ),
      ...fieldsOfModelTokens.map((path) => path.split('.')),
    ];
    expect(listed.filter(([type, name]) => !fieldsOf(type!).includes(name!))).toEqual([]);
    const ofRestricted = ['Query', 'Mutation', 'Subscription'].flatMap(
      (type) => fieldsOfRestrictedTokens[type]!,
    );
    expect(ofRestricted.filter((name) => !fieldsOfTokens.has(name))).toEqual([]);
  });
});

describe('a client token', () => {
  let gateway: TestGateway;
  let backend: Backend;
  let all: Client;
  /** The model of the token, and its generation. */
  let own: Made;
  /** Another generation of the same model. */
  let sibling: Omit<Made, 'modelId' | 'photoIds'>;
  let other: Made;
  let ofModel: Client;
  let ofGeneration: Client;

  const generate = async (modelId: string, prompt: string): Promise<Omit<Made, 'modelId' | 'photoIds'>> => {
    const { id: generationId } = await all.generate(modelId, [{ prompt }]);
    await all.becomes('generation', generationId, 'COMPLETED');
    const avatarIds = (await all.avatars(generationId)).map(({ id }) => id);
    return { generationId, avatarIds, prompt };
  };
  const make = async (prompt: string): Promise<Made> => {
    const photoIds = await all.upload(5, `${prompt}.jpg`);
    const { id: modelId } = await all.train({ photoIds, name: `model ${prompt}`, type: 'CAT' });
    await all.becomes('model', modelId, 'READY');
    return { modelId, photoIds, ...(await generate(modelId, prompt)) };
  };
  const rowsOf = async ({ modelId }: Made): Promise<unknown> =>
    Promise.all(
      ['models WHERE id = $1', 'generations WHERE model_id = $1', 'avatars WHERE model_id = $1'].map((of) =>
        gateway.rows(`SELECT t::text FROM ${of.replace(' ', ' t ')} ORDER BY 1`, [toUuid(modelId)]),
      ),
    );
  let before: unknown;

  beforeAll(async () => {
    gateway = await TestGateway.start({ AUTH: 'keys' });
    backend = await Backend.of(gateway, 'bob');
    all = await backend.browser({ maxUploads: 20, expiresInSeconds: 3_600 });
    own = await make('own-prompt');
    sibling = await generate(own.modelId, 'sibling-prompt');
    other = await make('other-prompt');
    ofModel = await backend.browser({ modelId: own.modelId, maxUploads: 3, expiresInSeconds: 3_600 });
    ofGeneration = await backend.browser({ generationId: own.generationId, expiresInSeconds: 3_600 });
    before = await rowsOf(other);
  }, 60_000);
  afterAll(() => gateway.stop());

  const secretsOf = ({ generationId, avatarIds, prompt }: Omit<Made, 'modelId' | 'photoIds'>): string[] => [
    ...[generationId, ...avatarIds, prompt],
  ];
  /** Values that no response to a token may contain. */
  const hiddenFrom = (client: Client): string[] => [
    ...[...secretsOf(other), other.modelId, ...other.photoIds, ...own.photoIds],
    ...(client === ofGeneration ? [...secretsOf(sibling), own.modelId] : []),
  ];
  const expectNothingHidden = (client: Client, answer: unknown, except = ''): void => {
    const text = JSON.stringify(answer).replaceAll(except, '');
    expect(hiddenFrom(client).filter((value) => text.includes(value))).toEqual([]);
  };
  const mine = (): Belongings =>
    ({
      ...{ photo: own.photoIds[0], photos: own.photoIds, readyModel: own.modelId },
      ...{ completedGeneration: own.generationId, avatar: own.avatarIds[0], waitingModel: own.modelId },
    }) as Belongings;
  const clients = (): [string, Client, IsSelected][] => [
    ['model', ofModel, isForModel],
    ['generation', ofGeneration, isForGeneration],
  ];

  it.each(walk)('for one object answers the id of another one like an unknown id: $place', async (row) => {
    const { query, variables } = row;
    for (const [, client] of clients()) {
      const ids = [other.modelId, other.generationId, other.avatarIds[0]!, other.photoIds[0]!];
      if (client === ofGeneration) ids.push(own.modelId, sibling.generationId, sibling.avatarIds[0]!);
      for (const id of ids) {
        const ask = async (asked: string): Promise<unknown> => {
          const answer = await client.execute(transportOf(query), {
            query,
            variables: variables(asked, mine()),
          });
          expectNothingHidden(client, answer, id);
          return without(asked, answer);
        };
        expect(await ask(id)).toEqual(await ask(toGlobalId(kindOf(id), newId())));
      }
    }
  });

  it('for one object shows nothing else, in everything that the schema offers to it', async () => {
    const seen = new Set<string>();
    for (const [kind, client, isSelected] of clients()) {
      for (const id of [
        own.modelId,
        own.generationId,
        own.avatarIds[0]!,
        other.modelId,
        other.generationId,
      ]) {
        for (const { root, query } of fullOperations(schema, id, isSelected)) {
          const [type, field] = root.split('.') as [string, string];
          // The others are refused, and mutations with own ids are below.
          if (type === 'Mutation' || !isSelected(type, field)) continue;
          const answer = await client.execute(transportOf(query), { query });
          expectNothingHidden(client, answer, id);
          const text = JSON.stringify(answer);
          expect([root, text]).not.toEqual([root, expect.stringMatching(/FORBIDDEN|GRAPHQL_|TOO_COMPLEX/)]);
          if (text.includes('own-prompt')) seen.add(`${kind} ${root}`);
        }
      }
    }
    // It is not empty: these return data of the own object.
    expect([...seen].sort()).toEqual(
      [
        ...['node', 'nodes', 'generation', 'avatar'].flatMap((field) =>
          ['model', 'generation'].map((kind) => `${kind} Query.${field}`),
        ),
        'model Query.model',
        'generation Subscription.generationProgress',
        'model Subscription.generationProgress',
        ...['model', 'generation'].map((kind) => `${kind} Subscription.avatarCompleted`),
        'model Subscription.trainingProgress',
      ].sort(),
    );
  });

  it('for one object is refused every other field of the schema, wherever it is selected', async () => {
    for (const [, client, isSelected] of clients()) {
      const operations = otherOperations(schema, own.generationId, isSelected);
      const fields = new Set(operations.map(({ field }) => field));
      for (const field of ['AvatarModel.photos', 'Viewer.usage', 'Query.models', 'Mutation.deleteModel'])
        expect([...fields]).toContain(field);
      for (const { field, query } of operations) {
        const { errors, data } = await client.execute(transportOf(query), { query });
        expect([field, query, errors?.[0]?.extensions.code]).toEqual([field, query, 'FORBIDDEN']);
        expect(JSON.stringify(errors)).toContain(field.split('.')[1]);
        expect(Object.values(data ?? {}).filter((value) => value !== null)).toEqual([]);
      }
    }
  });

  it('for one object is refused activity, with the subscriptions to use instead', async () => {
    const query = 'subscription { activity { cursor } }';
    const refusals = await Promise.all(
      [ofModel, ofGeneration].map((client) => client.execute('SSE', { query })),
    );
    expect(refusals.map(({ errors }) => [errors![0]!.extensions.code, errors![0]!.message])).toEqual([
      [
        'FORBIDDEN',
        'This client token may not use `Subscription.activity`. It is only for one model. Subscribe to `trainingProgress`, `generationProgress`, `avatarCompleted` instead, or let your backend do it with its API key.',
      ],
      [
        'FORBIDDEN',
        'This client token may not use `Subscription.activity`. It is only for one generation. Subscribe to `generationProgress`, `avatarCompleted` instead, or let your backend do it with its API key.',
      ],
    ]);
  });

  it("for one generation does not show the provider's id of its model", async () => {
    const query = 'query ($id: ID!) { avatar(id: $id) { provenance { providerModelId } } }';
    const variables = { id: own.avatarIds[0]! };
    expect(codeOf(await ofGeneration.execute('HTTP', { query, variables }))).toBe('FORBIDDEN');
    expect((await ofModel.execute('HTTP', { query, variables })).errors).toBeUndefined();
  });

  it('is refused every root field that is not listed', async () => {
    const isListed: IsSelected = (type, field) =>
      !['Query', 'Mutation', 'Subscription'].includes(type) || fieldsOfTokens.has(field);
    const operations = otherOperations(schema, own.modelId, isListed);
    expect(operations.map(({ field }) => field)).toContain('Mutation.createClientToken');
    for (const { field, query } of operations) {
      const { errors } = await all.execute(transportOf(query), { query });
      expect([field, errors?.[0]?.extensions.code]).toEqual([field, 'FORBIDDEN']);
    }
  });

  it('for one object is refused fields in fragments, of interfaces and of aliases', async () => {
    const queries = [
      'query ($id: ID!) { own: model(id: $id) { ...F } } fragment F on AvatarModel { ... { other: photos { id } } }',
      'query ($id: ID!) { node(id: $id) { id ... on Node { ... on AvatarModel { photos { id } } } } }',
      'query ($id: ID!) { model(id: $id) { ... on Job { queuePosition } } }',
      'query ($id: ID!) { model(id: $id) { generations { edges { node { ... on Node { id } model { photos { id } } } } } } }',
      'query ($id: ID!) { model(id: $id) { id photos @skip(if: true) { id } } }',
      'query ($id: ID!) { model(id: $id) { id } model(id: $id) { photos { id } } }',
    ];
    for (const query of queries) {
      const answer = await ofModel.execute('HTTP', { query, variables: { id: own.modelId } });
      expect([query, codeOf(answer)]).toEqual([query, 'FORBIDDEN']);
    }
  });

  it('for one object changes this object only', async () => {
    expect(await rowsOf(other)).toEqual(before);
    await ofModel.rename(own.modelId, 'renamed by a token');
    const favorite = `mutation ($id: ID!) { setFavorite(input: { avatarIds: [$id], favorite: true }) { avatars { id favorite } } }`;
    for (const client of [ofModel, ofGeneration]) {
      const changed = await client.request(favorite, { id: own.avatarIds[0] });
      expect(changed).toEqual({ setFavorite: { avatars: [{ id: own.avatarIds[0], favorite: true }] } });
      expect(await client.refusal(favorite, { id: other.avatarIds[0] })).toMatchObject({
        extensions: { code: 'NOT_FOUND' },
      });
    }
    const { id } = await ofModel.generate(own.modelId, [{ prompt: 'more' }]);
    expect((await ofModel.generationEnd(id)).status).toBe('COMPLETED');
    expect(await ofGeneration.generation(id)).toBeNull();
    const [photo] = await ofModel.upload(1);
    expect(await ofModel.post(`{ node(id: "${photo}") { id } }`)).toMatchObject({ data: { node: null } });
  });

  it('for one object does not share the events of a subscription with others', async () => {
    const query = `subscription ($id: ID!) { generationProgress(generationId: $id) { status generation { model { id } } } }`;
    const { id } = await all.generate(own.modelId, [{ prompt: 'shared' }]);
    const open = all.subscribe<object>(query, { id });
    const feed = ofGeneration.subscribe<object>(query, { id });
    expect(await feed.ended()).toMatchObject({
      how: 'errors',
      errors: [{ extensions: { code: 'FORBIDDEN' } }],
    });
    expect(await open.ended()).toEqual({ how: 'complete' });
  });

  it('for one object does not wait for another one', async () => {
    // Without workers no job changes.
    await gateway.restart({ ROLE: 'api' });
    const { id } = await all.train({ photoIds: await all.upload(), type: 'CAT' });
    const wait = (of: string): string => `{ model(id: "${of}", waitMs: 20000) { id } }`;
    const startedMs = performance.now();
    expect((await ofModel.post(wait(id))).data).toEqual({ model: null });
    expect(performance.now() - startedMs).toBeLessThan(15_000);
  });
});

function toUuid(globalId: string): string {
  return globalId.replace(/^\w+_(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
