import { newId, toGlobalId, type NodeKind } from '../../src/core/ids';
import { Client } from '../support/client';
import { TestGateway } from '../support/gateway';

let gateway: TestGateway;
let client: Client;

beforeAll(async () => {
  gateway = await TestGateway.start({ ROLE: 'api' });
  client = new Client(() => gateway.url);
});

afterAll(() => gateway.stop());

/** Every mutation that takes a global id: the type of the id, the path of the argument, and the request. */
const mutations: [NodeKind, string, string, (id: string) => object][] = [
  [
    'AvatarModel',
    'input.id',
    'mutation ($id: ID!) { renameModel(input: { id: $id, name: "Ann" }) { model { id } } }',
    byId,
  ],
  [
    'AvatarModel',
    'input.id',
    'mutation ($id: ID!) { cancelModel(input: { id: $id }) { model { id } } }',
    byId,
  ],
  [
    'AvatarModel',
    'input.id',
    'mutation ($id: ID!) { retryModel(input: { id: $id }) { model { id } } }',
    byId,
  ],
  [
    'Generation',
    'input.id',
    'mutation ($id: ID!) { cancelGeneration(input: { id: $id }) { generation { id } } }',
    byId,
  ],
  [
    'Generation',
    'input.id',
    'mutation ($id: ID!) { retryGeneration(input: { id: $id }) { generation { id } } }',
    byId,
  ],
  [
    'AvatarModel',
    'input.modelId',
    'mutation ($input: GenerateAvatarsInput!) { generateAvatars(input: $input) { generation { id } } }',
    (modelId) => ({ input: { modelId, prompts: [{}] } }),
  ],
  [
    'Photo',
    'input.photoId',
    'mutation ($input: GenerateInstantAvatarsInput!) { generateInstantAvatars(input: $input) { generation { id } } }',
    (photoId) => ({ input: { photoId, prompt: 'A portrait' } }),
  ],
  [
    'Photo',
    'input.photoIds[0]',
    'mutation ($input: TrainModelInput!) { trainModel(input: $input) { model { id } } }',
    (id) => ({ input: { type: 'CAT', photoIds: [id, ...Array.from({ length: 4 }, newPhotoId)] } }),
  ],
];

const deletions: [NodeKind, string][] = [
  ['AvatarModel', 'deleteModel'],
  ['Generation', 'deleteGeneration'],
  ['Avatar', 'deleteAvatar'],
  ['Photo', 'deletePhoto'],
];

function byId(id: string): object {
  return { id };
}

function newPhotoId(): string {
  return toGlobalId('Photo', newId());
}

/** Texts that are not the id of an object of the given type. */
const malformed = (kind: NodeKind): string[] => [
  'rubbish',
  '',
  newId(),
  toGlobalId(kind === 'Photo' ? 'AvatarModel' : 'Photo', newId()),
  `${toGlobalId(kind, newId())}0`,
];

describe('a global id', () => {
  it.each(mutations)(
    'of another type or form is answered like an unknown %s in %s: %s',
    async (kind, field, query, variables) => {
      const unknown = await client.refusal(query, variables(toGlobalId(kind, newId())));
      expect(unknown).toMatchObject({ extensions: { code: 'NOT_FOUND', field } });
      expect(unknown.message).toMatch(/^There is no \w+ with this id\. Check the id/);
      for (const id of malformed(kind)) {
        const { message, extensions } = await client.refusal(query, variables(id));
        expect({ id, message, ...extensions }).toMatchObject({
          id,
          message: unknown.message,
          ...unknown.extensions,
        });
      }
    },
  );

  it.each(deletions)(
    'of an unknown %s is deleted by %s, one of another type or form is refused',
    async (kind, name) => {
      const query = `mutation ($id: ID!) { ${name}(input: { id: $id }) { deletedId } }`;
      const id = toGlobalId(kind, newId());
      expect(await client.request(query, { id })).toEqual({ [name]: { deletedId: id } });
      for (const wrong of malformed(kind)) {
        expect(await client.refusal(query, { id: wrong })).toMatchObject({
          extensions: { code: 'NOT_FOUND', field: 'input.id' },
        });
      }
    },
  );

  it.each(['model', 'generation', 'photo', 'node'])(
    'of another type or form is null in %s',
    async (field) => {
      const query = `query ($id: ID!) { ${field}(id: $id) { id } }`;
      const wrong =
        field === 'node' ? ['rubbish', newId()] : malformed(field === 'photo' ? 'Photo' : 'Avatar');
      for (const id of wrong) expect(await client.request(query, { id })).toEqual({ [field]: null });
    },
  );
});
