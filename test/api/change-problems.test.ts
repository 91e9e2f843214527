import pg from 'pg';
import { Client, creations } from '../support/client';
import { TestGateway } from '../support/gateway';

const unknown = (kind: string): string => `${kind}_${'0'.repeat(32)}`;

let gateway: TestGateway;
let client: Client;

beforeAll(async () => {
  gateway = await TestGateway.start();
  client = new Client(() => gateway.url);
});

afterAll(() => gateway.stop());

/** The code and path of each problem. */
const problemsOf = async (query: string, variables: object): Promise<string[]> => {
  const { extensions } = await client.refusal(query, variables);
  const { problems } = extensions as unknown as { problems: { code: string; path: unknown[] }[] };
  return problems.map(({ code, path }) => `${code} ${path.join('.')}`);
};

describe('an invalid change is refused with all problems', () => {
  const rename = 'mutation ($input: RenameModelInput!) { renameModel(input: $input) { model { id } } }';

  it.each([
    [{ id: '7', name: ' ' }, ['NOT_FOUND input.id', 'INVALID_INPUT input.name']],
    [{ id: unknown('model'), name: '' }, ['INVALID_INPUT input.name', 'NOT_FOUND input.id']],
    [{ id: unknown('model'), name: 'Ann' }, ['NOT_FOUND input.id']],
  ])('of renameModel: %j', async (input, expected) => {
    expect(await problemsOf(rename, { input })).toEqual(expected);
  });

  it.each([
    ['retryModel', 'RetryModelInput', 'model'],
    ['retryGeneration', 'RetryGenerationInput', 'generation'],
  ])('of %s', async (mutation, type, kind) => {
    const retry = `mutation ($input: ${type}!) { ${mutation}(input: $input) { __typename } }`;
    const wrong = { attempt: -1, idempotencyKey: 'my key' };
    const both = ['INVALID_INPUT input.attempt', 'INVALID_INPUT input.idempotencyKey'];
    expect(await problemsOf(retry, { input: { id: '7', ...wrong } })).toEqual([
      'NOT_FOUND input.id',
      ...both,
    ]);
    expect(await problemsOf(retry, { input: { id: unknown(kind), ...wrong } })).toEqual([
      ...both,
      'NOT_FOUND input.id',
    ]);
  });

  it('of a training with a photo that was rejected', async () => {
    const photos = (await client.upload()).map((photoId) => ({ photoId }));
    const [slot] = await client.slots([{ byteSize: 10 }]);
    await fetch(slot!.uploadUrl, { method: 'PUT', body: 'no picture' });
    const input = { type: 'MAN', photos: [...photos, { photoId: slot!.photo.id }] };
    const { extensions } = await client.refusal(creations.trainModel, { input });
    expect(extensions).toMatchObject({
      code: 'PHOTO_INVALID',
      problems: [
        {
          code: 'PHOTO_INVALID',
          path: ['input', 'photos', photos.length, 'photoId'],
          message: expect.stringContaining('JPEG') as string,
        },
      ],
    });
  });
});

describe('invalid arguments of a list are refused with all problems', () => {
  const many = (value: string): string[] => Array.from({ length: 101 }, () => value);

  it('of models', async () => {
    const query = `query ($filter: AvatarModelFilter) {
      models(first: 0, after: "x", last: 101, before: "y", status: READY, type: MAN, filter: $filter) { totalCount } }`;
    const filter = { statuses: many('READY'), types: many('MAN') };
    expect(await problemsOf(query, { filter })).toEqual([
      'INVALID_INPUT status',
      'INVALID_INPUT type',
      'INVALID_INPUT last',
      'INVALID_INPUT first',
      'INVALID_INPUT last',
      'INVALID_CURSOR after',
      'INVALID_CURSOR before',
    ]);
    const page = 'query ($filter: AvatarModelFilter) { models(first: 0, filter: $filter) { totalCount } }';
    expect(await problemsOf(page, { filter })).toEqual([
      'INVALID_INPUT first',
      'INVALID_INPUT filter.statuses',
      'INVALID_INPUT filter.types',
    ]);
  });

  it('of generations', async () => {
    const query = `query ($filter: GenerationFilter) {
      generations(last: 0, filter: $filter) { nodes { id } } }`;
    const filter = { statuses: many('FAILED'), styles: many('realistic') };
    expect(await problemsOf(query, { filter })).toEqual([
      'INVALID_INPUT last',
      'INVALID_INPUT filter.statuses',
      'INVALID_INPUT filter.styles',
    ]);
  });
});

describe('what another version of the server has stored', () => {
  it('is shown as UNKNOWN if it is a failure code, with its message', async () => {
    await gateway.sandbox.fault({ on: 'train', kind: 'never-done' });
    const { id } = await client.train({ photoIds: await client.upload() });
    const database = new pg.Client(gateway.databaseUrl);
    await database.connect();
    const uuid = id.replace('model_', '');
    await database.query(
      `UPDATE models SET status = 'FAILED', due_at = NULL, lease = NULL, provider_ref = NULL, ready_at = NULL,
              failure_code = 'OF_A_LATER_VERSION', failure_message = 'Read this.', failure_retryable = false
        WHERE id = $1`,
      [uuid],
    );
    await database.end();
    const query = 'query ($id: ID!) { model(id: $id) { failure { code message retryable } } }';
    expect(await client.request(query, { id })).toEqual({
      model: { failure: { code: 'UNKNOWN', message: 'Read this.', retryable: false } },
    });
  });
});

describe('the viewer', () => {
  it('has the scopes that were granted', async () => {
    const query = '{ viewer { grantedScopes } }';
    expect(await client.request(query)).toEqual({
      viewer: { grantedScopes: expect.arrayContaining(['READ', 'WRITE']) as string[] },
    });
  });
});
