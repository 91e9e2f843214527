import { newId, toGlobalId } from '../../src/core/ids';
import { Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { transports, type GraphQLFault, type Result } from '../support/graphql-client';

let gateway: TestGateway;
let client: Client;
let modelId: string;

beforeAll(async () => {
  gateway = await TestGateway.start({ ROLE: 'api' });
  client = new Client(() => gateway.url);
  modelId = (await client.train({ photoIds: await client.upload() })).id;
});

afterAll(async () => {
  client.close();
  await gateway.stop();
});

describe.each(transports)('20 mutations in one operation over %s', (transport) => {
  it('return 19 results and one error with its path if one of them fails', async () => {
    const unknown = toGlobalId('AvatarModel', newId());
    const rename = (index: number): string =>
      `a${index}: renameModel(input: { id: "${index === 7 ? unknown : modelId}", name: "Name ${index}" }) { model { name } }`;
    const query = `mutation { ${Array.from({ length: 20 }, (_, index) => rename(index)).join(' ')} }`;
    const { data, errors } = await client.execute(transport, { query });
    const results = Object.entries(data as Record<string, unknown>);
    expect(results).toHaveLength(20);
    for (const [alias, result] of results) {
      expect(result).toEqual(alias === 'a7' ? null : { model: { name: `Name ${alias.slice(1)}` } });
    }
    expect(errors).toMatchObject([{ path: ['a7'], extensions: { code: 'NOT_FOUND', field: 'input.id' } }]);
    expect(errors).toHaveLength(1);
  });
});

describe('queries in one operation', () => {
  it('return the results of the others if one of them fails', async () => {
    const query = '{ viewer { owner } models(first: 0) { nodes { id } } generations { nodes { id } } }';
    const { data, errors } = await client.post(query);
    expect(data).toEqual({ viewer: { owner: 'local' }, models: null, generations: { nodes: [] } });
    expect(errors).toMatchObject([{ path: ['models'], extensions: { code: 'INVALID_INPUT' } }]);
  });
});

/** Mutations with deprecated arguments: their payload, the type of their id, and the code that an unknown id returns. */
const forms = [
  ['cancelModel', 'model { id }', 'AvatarModel', 'NOT_FOUND'],
  ['retryModel', 'model { id }', 'AvatarModel', 'NOT_FOUND'],
  ['cancelGeneration', 'generation { id }', 'Generation', 'NOT_FOUND'],
  ['retryGeneration', 'generation { id }', 'Generation', 'NOT_FOUND'],
  ['deletePhoto', 'deletedId', 'Photo', null],
  ['deleteModel', 'deletedId', 'AvatarModel', null],
  ['deleteGeneration', 'deletedId', 'Generation', null],
  ['deleteAvatar', 'deletedId', 'Avatar', null],
] as const;

describe.each(forms)('%s', (mutation, payload, kind, code) => {
  const id = toGlobalId(kind, newId());
  const send = (argument: string): Promise<Result> =>
    client.post(`mutation { ${mutation}(${argument}) { ${payload} } }`);
  /** The answer to an unknown id, which a deletion treats as deleted. */
  const answerTo = (field: string): Result =>
    code === null
      ? { data: { [mutation]: { deletedId: id } } }
      : { errors: [{ extensions: { code, field } } as GraphQLFault] };

  it('takes its input, and names its fields in errors', async () => {
    expect(await send(`input: { id: "${id}" }`)).toMatchObject(answerTo('input.id'));
    const wrong = await send('input: { id: "rubbish" }');
    expect(wrong.errors).toMatchObject([{ extensions: { code: 'NOT_FOUND', field: 'input.id' } }]);
  });

  it('takes the deprecated argument id, and names it in errors', async () => {
    expect(await send(`id: "${id}"`)).toMatchObject(answerTo('id'));
    const wrong = await send('id: "rubbish"');
    expect(wrong.errors).toMatchObject([{ extensions: { code: 'NOT_FOUND', field: 'id' } }]);
  });

  it('refuses input and the deprecated argument together, and neither', async () => {
    const both = await send(`input: { id: "${id}" }, id: "${id}"`);
    expect(both).toMatchObject({
      data: { [mutation]: null },
      errors: [
        {
          message: 'Use either input or id, not both. Use input; the others are deprecated.',
          extensions: { code: 'INVALID_INPUT', field: 'id' },
        },
      ],
    });
    for (const neither of ['input: null', 'id: null', 'input: null, id: null']) {
      const { errors } = await send(neither);
      expect(errors).toMatchObject([{ extensions: { code: 'INVALID_INPUT', field: 'input' } }]);
      expect(errors![0]!.message).toMatch(/^input is required\. Its type is \w+Input!\.$/);
    }
  });
});

describe('avatarCompleted', () => {
  const unknown = toGlobalId('AvatarModel', newId());
  const unknownGeneration = toGlobalId('Generation', newId());

  it.each([
    ['', 'INVALID_INPUT', 'select'],
    [`(select: { modelId: "${unknown}" }, modelId: "${unknown}")`, 'INVALID_INPUT', 'modelId'],
    [`(select: { modelId: "${unknown}" }, generationId: "x")`, 'INVALID_INPUT', 'generationId'],
    [`(modelId: "${unknown}", generationId: "x")`, 'INVALID_INPUT', 'modelId'],
    [`(select: { modelId: "${unknown}", generationId: "x" })`, 'INVALID_INPUT', 'select'],
    ['(select: {})', 'INVALID_INPUT', 'select'],
    ['(select: { generationId: "x" })', 'NOT_FOUND', 'select.generationId'],
    ['(select: { modelId: "x" })', 'NOT_FOUND', 'select.modelId'],
    ['(modelId: "x")', 'NOT_FOUND', 'modelId'],
    [`(select: { modelId: "${unknown}" })`, 'NOT_FOUND', 'select.modelId'],
    [`(select: { generationId: "${unknownGeneration}" })`, 'NOT_FOUND', 'select.generationId'],
    [`(modelId: "${unknown}")`, 'NOT_FOUND', 'modelId'],
    [`(generationId: "${unknownGeneration}")`, 'NOT_FOUND', 'generationId'],
  ])('takes exactly one job, in one form: %s', async (given, code, field) => {
    const query = `subscription { avatarCompleted${given} { cursor } }`;
    const { errors } = await client.execute('WebSocket', { query });
    expect(errors?.[0]?.extensions).toMatchObject({ code });
    expect(errors?.[0]?.extensions.field).toBe(field);
  });
});

describe('a mutation with several deprecated arguments', () => {
  const rename = (args: string): Promise<Result> =>
    client.post(`mutation { renameModel(${args}) { model { name } } }`);

  it('takes them, and names the missing or wrong one', async () => {
    expect(await rename(`id: "${modelId}", name: "By arguments"`)).toMatchObject({
      data: { renameModel: { model: { name: 'By arguments' } } },
    });
    expect((await rename(`id: "${modelId}"`)).errors).toMatchObject([
      {
        message: 'name is required. Use input.name; name is deprecated.',
        extensions: { code: 'INVALID_INPUT', field: 'name' },
      },
    ]);
    expect((await rename(`id: "${modelId}", name: " "`)).errors).toMatchObject([
      { extensions: { code: 'INVALID_INPUT', field: 'name', problems: [{ path: ['name'] }] } },
    ]);
    expect((await rename(`input: { id: "${modelId}", name: " " }`)).errors).toMatchObject([
      { extensions: { code: 'INVALID_INPUT', field: 'input.name', problems: [{ path: ['input', 'name'] }] } },
    ]);
  });

  it('takes no part of one form and a part of the other', async () => {
    const { errors } = await rename(`input: { id: "${modelId}", name: "Input" }, name: "Argument"`);
    expect(errors).toMatchObject([{ extensions: { code: 'INVALID_INPUT', field: 'name' } }]);
    const { models } = await client.request<{ models: { nodes: { name: string }[] } }>(
      '{ models { nodes { name } } }',
    );
    expect(models.nodes).toEqual([{ name: 'By arguments' }]);
  });

  it('erases with the deprecated arguments of deleteMyData, and returns the deprecated fields', async () => {
    const refused = await client.post('mutation { deleteMyData(confirm: "yes") { receipt } }');
    expect(refused.errors).toMatchObject([{ extensions: { code: 'INVALID_INPUT', field: 'confirm' } }]);
    const fields = 'receipt erasedAt completedAt counts { photos models generations avatars }';
    const { deleteMyData } = await client.request<{ deleteMyData: Record<string, unknown> }>(
      `mutation { deleteMyData(confirm: "DELETE") { ${fields} erasure { ${fields} } } }`,
    );
    const { erasure, ...deprecated } = deleteMyData;
    expect(deprecated).toEqual(erasure);
    expect(deprecated).toMatchObject({ counts: { photos: 5, models: 1 } });
  });
});
