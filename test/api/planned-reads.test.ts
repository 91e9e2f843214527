import { ReadComparison } from '../support/read-comparison';

let reads: ReadComparison;

beforeAll(async () => {
  reads = await ReadComparison.start(1);
});

afterAll(() => reads.stop());

describe('a query', () => {
  const outcomeOf = (query: string, owner?: string, scope?: string): Promise<string[]> =>
    reads.outcomes(async () => {
      const { planned, resolved } = await reads.compare({ query }, owner, scope);
      expect(planned).toBe(resolved);
    });

  it.each([
    ['planned', '{ models { nodes { id } } }'],
    // Rows have codes that this version does not know.
    ['planned', '{ photos { nodes { problems { code } } } models { nodes { failure { code } } } }'],
    [
      'planned',
      '{ models { nodes { canRetry } } generations { nodes { canRetry missing { count prompt { style } failure { code } } } } }',
    ],
    [
      'planned',
      '{ viewer { owner grantedScopes scopes usage { trainingsToday avatarsToday running resetsAt } limits { running } } }',
    ],
    ['planned', '{ nodes(ids: ["nonsense"]) { id } }'],
    ['field', '{ models { nodes { id } } styles { key } }'],
    ['input', `{ nodes(ids: [${'"x",'.repeat(101)}]) { id } }`],
    ['introspection', '{ models { nodes { id } } __type(name: "Query") { name } }'],
    ['empty', '{ __typename }'],
    [
      'size',
      `{ ${[...'abcdefgh'].map((key) => `${key}: models(first: 1) { nodes { ...M } }`).join(' ')} }
       fragment M on AvatarModel { generations(first: 1) { nodes { ...G model { generations(first: 1) { nodes { ...G } } } } } }
       fragment G on Generation { model { id } avatars { id generation { id } } }`,
    ],
    ['input', '{ models(first: 0) { nodes { id } } }'],
    ['input', '{ models(after: "x") { nodes { id } } }'],
    [
      'input',
      'query ($first: Int! = 3, $id: ID!) { models(first: $first) { nodes { id } } model(id: $id) { id } }',
    ],
  ])('has the outcome %s: %s', async (outcome, query) => {
    expect(await outcomeOf(query)).toEqual([outcome]);
  });

  it.each([
    '{ models { nodes { id name failure { message } } } }',
    'mutation { setFavorite(input: { avatarIds: [ID], favorite: true }) { avatars { id model { id } } } }',
  ])('has the same text over HTTP and WebSocket: %s', async (query) => {
    const { ids, pending } = reads.rows;
    const id = ids.get('alice')!.find((one) => one.startsWith('avatar_') && !pending.includes(one));
    const operation = { query: query.replace('ID', `"${id!}"`) };
    const { response, message } = await reads.overSocket(operation);
    expect(response).toMatch(/^{"data":{"\w+":{/);
    expect(message).toBe(`{"id":"1","type":"next","payload":${response}}`);
  });

  it('returns of each job whether it can be retried, and what it lacks', async () => {
    const query = `{ models(first: 100) { nodes { canRetry } }
      generations(first: 100) { nodes { canRetry missing { promptIndex count mayArrive failure { code message } } } } }`;
    const { planned, resolved, statements } = await reads.compare({ query });
    expect(planned).toBe(resolved);
    expect(statements).toHaveLength(1);
    expect(planned).toMatch(/canRetry":true.*canRetry":false.*generations.*canRetry":true.*promptIndex/);
  });

  it('returns of each job when its photos are deleted, and the counted and first avatars with their models', async () => {
    const query = `{ models(first: 100) { nodes { photosDeletedAt } }
      generations(first: 100) { nodes { requestedCount avatarCount avatars(first: 1) { id model { id } } } } }`;
    const { planned, resolved, statements } = await reads.compare({ query });
    expect(planned).toBe(resolved);
    expect(statements).toHaveLength(1);
    expect(planned).toMatch(
      /photosDeletedAt":"20.*photosDeletedAt":null|photosDeletedAt":null.*photosDeletedAt":"20/,
    );
    expect(planned).toMatch(/"avatarCount":2,"avatars":\[{"id":"[^"]*","model":{"id":"[^"]*"}}\]/);
  });

  it('of the viewer has the scopes of its own token, also if others have sent the same document', async () => {
    const query = '{ viewer { owner grantedScopes } }';
    const texts: string[] = [];
    for (const [owner, scope] of [
      ['carol', 'read'],
      ['dave', 'read write'],
      ['carol', 'read'],
    ] as const) {
      const { planned, resolved, statements } = await reads.compare({ query }, owner, scope);
      expect(planned).toBe(resolved);
      expect(statements).toHaveLength(1);
      texts.push(planned);
    }
    expect(texts[0]).toContain('"carol","grantedScopes":["READ"]');
    expect(texts[1]).toContain('"dave","grantedScopes":["READ","WRITE"]');
    expect(texts[2]).toBe(texts[0]);
  });

  it('is planned for each value of the variables in its directives', async () => {
    const query =
      'query ($on: Boolean!) { models { totalCount @include(if: $on) nodes { id @skip(if: $on) name } } }';
    for (const on of [true, false, true]) {
      const { planned, resolved } = await reads.compare({ query, variables: { on } });
      expect(planned).toBe(resolved);
    }
  });

  it('is answered by its own variables and owner, also if others have sent the same document', async () => {
    const query = `query ($id: ID!, $other: ID = "x", $first: Int, $after: String, $size: AvatarSize! = ORIGINAL, $format: ImageFormat, $statuses: [ModelStatus!]) {
      node(id: $id) { __typename id ... on Avatar { url(size: $size) other: url(size: PX_512, format: $format) } }
      model(id: $id) { id name }
      generations(first: 3, filter: { modelId: $id }) { nodes { id } }
      photo(id: $other) { id filename }
      models(first: $first, after: $after, filter: { statuses: $statuses }) { totalCount nodes { id name } pageInfo { endCursor } }
    }`;
    const { ids, cursors } = reads.rows;
    const [alices, bobs] = ['alice', 'bob'].map((owner) => ids.get(owner)!);
    const own = ['model', 'generation', 'avatar', 'photo'].flatMap((prefix) =>
      alices!.filter((id) => id.startsWith(prefix)).slice(0, 2),
    );
    const all: Record<string, unknown>[] = [
      ...own.map((id) => ({ id, other: own.at(-1) })),
      ...own.map((id) => ({ id: bobs![0], other: id, first: 1 })),
      ...[1, 2, null, undefined, 0].map((first) => ({ id: own[0], first })),
      ...[null, undefined, cursors[0], cursors[1], 'nonsense'].map((after) => ({ id: own[0], after })),
      ...[['READY'], ['FAILED', 'READY'], [], null, ['NONE']].map((statuses) => ({ id: own[0], statuses })),
      ...['PREVIEW', 'ORIGINAL', 'PREVIEW', 'PX_256', null].map((size) => ({ id: own[4], size })),
      ...['WEBP', 'AVIF', null, 'GIF'].map((format) => ({ id: own[4], format })),
      ...['nonsense', 7, '', null].map((id) => ({ id, other: id })),
      {},
    ];
    const outcomes = await reads.outcomes(async () => {
      for (const owner of ['alice', 'bob', 'alice']) {
        for (const variables of all) {
          const { planned, resolved } = await reads.compare({ query, variables }, owner);
          expect({ variables, planned }).toEqual({ variables, planned: resolved });
        }
      }
    });
    expect(outcomes).toEqual(['planned', 'input']);
  });

  it('returns stored avatars only, by each field that returns avatars', async () => {
    const { pending } = reads.rows;
    const avatars = 'avatars(first: 100) { nodes { id } }';
    const lookups = pending.slice(0, 15).map((id, index) => `a${index}: avatar(id: "${id}") { id }`);
    for (const query of [
      `{ ${avatars} models { nodes { cover { id } ${avatars} } } }`,
      '{ generations(first: 100) { nodes { avatars { id } } } }',
      `{ ${lookups.join(' ')} }`,
    ]) {
      const { planned, resolved } = await reads.compare({ query });
      expect(planned).toMatch(/^200 {"data"/);
      expect(pending.filter((id) => planned.includes(id) || resolved.includes(id))).toEqual([]);
    }
  });

  it('is refused while the data of its owner are being erased', async () => {
    expect(await outcomeOf('{ models { nodes { id } } }', 'erased')).toEqual(['erasure']);
  });

  it('fails with an error if its connection is lost, and the next one is answered', async () => {
    const query = '{ models { nodes { id } } }';
    expect(await reads.interrupted({ query })).toContain('SERVICE_UNAVAILABLE');
    const { planned, resolved } = await reads.compare({ query });
    expect(planned).toBe(resolved);
  });

  it('is refused without the scope read', async () => {
    expect(await outcomeOf('{ models { nodes { id } } }', 'writer', 'write')).toEqual(['scope']);
  });
});

describe('the payload of a mutation', () => {
  const favorite = (fields: string, mark = true): { query: string } => {
    const { ids, pending } = reads.rows;
    const avatars = ids.get('alice')!.filter((id) => id.startsWith('avatar_') && !pending.includes(id));
    const given = `input: { avatarIds: ${JSON.stringify(avatars.slice(0, 2))}, favorite: ${mark} }`;
    return { query: `mutation { setFavorite(${given}) { ${fields} } }` };
  };
  const outcomeOf = (operation: object): Promise<string[]> =>
    reads.outcomes(async () => {
      const { planned, resolved } = await reads.compare(operation);
      expect(planned).toBe(resolved);
    });

  it('is read by one statement after the change, which it shows', async () => {
    const nested = 'generation { id avatars { id favorite } model { name } } model { photos { url } }';
    for (const mark of [true, false]) {
      const operation = favorite(`avatars { id favorite ${nested} }`, mark);
      const { planned, resolved, statements } = await reads.compare(operation);
      expect(planned).toBe(resolved);
      expect(planned).toMatch(
        new RegExp(`^200 {"data":{"setFavorite":.*"favorite":${mark}.*"favorite":${mark}`),
      );
      expect(statements.filter((text) => /FROM (generations|models|model_photos)/.test(text))).toHaveLength(
        1,
      );
    }
  });

  it.each([
    ['planned', 'avatars { generation { id } }'],
    ['planned', 'avatars { ... on Avatar { key: provenance { provider } } __typename } other: __typename'],
    ['field', 'avatars { generation { queuePosition } }'],
    ['input', 'avatars { generation { avatars(first: 0) { id } } }'],
  ])('has the outcome %s: %s', async (outcome, fields) => {
    expect(await outcomeOf(favorite(fields))).toEqual([outcome]);
  });

  it('is not counted if the rows that were changed are enough', async () => {
    expect(await outcomeOf(favorite('avatars { id url favorite }'))).toEqual([]);
    const { generationId } = reads.rows.usable;
    const cancel = `mutation { cancelGeneration(input: { id: "${generationId}" }) { generation { canRetry missing { count } } } }`;
    expect(await outcomeOf({ query: cancel })).toEqual([]);
  });

  it('of one of several mutations is left to the resolvers', async () => {
    const { query } = favorite('avatars { generation { id } }');
    const field = query.slice('mutation { '.length, -2);
    expect(await outcomeOf({ query: `mutation { a: ${field} b: ${field} }` })).toEqual(['several']);
  });

  it('is selected by the variables in its directives', async () => {
    const { query } = favorite('avatars { id generation @include(if: $on) { id } }');
    for (const [on, outcomes] of [
      [true, ['planned']],
      [false, []],
    ] as const) {
      const operation = { query: query.replace('mutation', 'mutation ($on: Boolean!)'), variables: { on } };
      expect(await outcomeOf(operation)).toEqual(outcomes);
    }
  });

  it('has the position in the stream that the mutation returned', async () => {
    const given = `input: { id: "${reads.rows.usable.generationId}" }`;
    const query = `mutation { cancelGeneration(${given}) { generation { status cursor model { name } } } }`;
    expect(await outcomeOf({ query })).toEqual(['planned']);
  });
});

describe('a request', () => {
  const query = '{ models(first: 2) { nodes { id name } } }';
  const get = `/graphql?query=${encodeURIComponent(query)}`;
  const json = { 'content-type': 'application/json' };
  const post = (body: unknown, headers: Record<string, string> = {}): [path: string, init: RequestInit] => [
    '/graphql',
    { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(body) },
  ];
  const accepting = (accept: string): [path: string, init: RequestInit] => post({ query }, { accept });

  it.each([
    ['a query', post({ query })],
    [
      'a query with a fragment and a variable',
      post({ query: `query Q($n: Int) ${query.replace('2', '$n')}`, variables: { n: 1 } }),
    ],
    ['Accept: */*', accepting('*/*')],
    ['Accept: application/json', accepting('application/json')],
    ['Accept: application/graphql-response+json', accepting('application/graphql-response+json')],
    ['Accept: both', accepting('application/json;q=0.5, application/graphql-response+json')],
    ['Accept: application/*', accepting('application/*')],
    ['Accept with a charset', accepting('application/json; charset=utf-8')],
    ['Accept: text/html', accepting('text/html')],
    ['Accept: multipart/mixed', accepting('multipart/mixed, application/json')],
    ['an incremental request', post({ query: query.replace('nodes', 'nodes @defer') })],
    ['GET', [get, {}]],
    ['GET that a foreign page could send', [get, { headers: { accept: '*/*' } }]],
    ['GET with JSON', [get, { headers: { accept: 'application/json' } }]],
    ['GET with the header of Apollo', [get, { headers: { 'apollo-require-preflight': '1' } }]],
    ['a text', post({ query }, { 'content-type': 'text/plain' })],
    ['a foreign origin', post({ query }, { origin: 'https://elsewhere.example' })],
    ['a batch', post([{ query }, { query }])],
    ['an empty batch', post([])],
    ['two operations', post({ query: `query A ${query} query B ${query}`, operationName: 'B' })],
    ['two operations without a name', post({ query: `query A ${query} query B ${query}` })],
    ['an unknown persisted query', post({ extensions: { persistedQuery: { version: 1, sha256Hash: 'a' } } })],
    [
      'a mutation that is refused',
      post({ query: 'mutation { deleteModel(input: { id: "x" }) { deletedId } }' }),
    ],
    ['an unknown field', post({ query: '{ models { unknown } }' })],
    ['an invalid page', post({ query: '{ models(first: 0) { nodes { id } } }' })],
    ['a field that resolvers read', post({ query: '{ models { nodes { id } } styles { key } }' })],
    ['a token that is not valid', post({ query }, { authorization: 'Bearer x' })],
  ] as const)(
    'has the same status, headers and text whichever part of the program reads: %s',
    async (_what, [path, init]) => {
      const { planned, resolved } = await reads.responses(path, init);
      expect(planned).toEqual(resolved);
    },
  );
});
