import { TestGateway } from '../support/gateway';
import { ListRows, type ListResult } from '../support/list-rows';

let gateway: TestGateway;
let rows: ListRows;

beforeAll(async () => {
  gateway = await TestGateway.start({ ROLE: 'api' }, { watchesStatements: true });
  rows = await ListRows.of(gateway);
});

afterAll(() => gateway.stop());

afterEach(() => rows.clear());

describe('filters', () => {
  it('select models by status and type; an empty list matches nothing', async () => {
    const models: Record<string, string> = {};
    for (const status of ['READY', 'FAILED', 'CANCELLED'])
      for (const type of ['CAT', 'DOG'])
        models[`${status} ${type}`] = (await rows.addModel({ status, type })).id;
    await rows.addModel({ owner: 'other-owner', type: 'CAT' });
    const idsOf = (filter: object): Promise<string[]> => rows.idsIn('models', { filter, orderBy: 'OLDEST' });
    const named = (...names: string[]): string[] => names.map((name) => models[name]!);
    expect(await idsOf({ statuses: ['FAILED'] })).toEqual(named('FAILED CAT', 'FAILED DOG'));
    expect(await idsOf({ types: ['CAT'] })).toEqual(named('READY CAT', 'FAILED CAT', 'CANCELLED CAT'));
    expect(await idsOf({ types: ['CAT'], statuses: ['READY', 'CANCELLED', 'READY'] })).toEqual(
      named('READY CAT', 'CANCELLED CAT'),
    );
    expect(await idsOf({ types: ['CAT', 'DOG'] })).toHaveLength(6);
    expect(await idsOf({ statuses: [] })).toEqual([]);
    expect(await idsOf({ types: [], statuses: ['READY'] })).toEqual([]);
    expect(await idsOf({ statuses: null, types: null, created: null })).toHaveLength(6);
    expect(await rows.idsIn('models', { filter: { statuses: [] }, orderBy: 'NAME' })).toEqual([]);
  });

  it('select generations by status, model and style of a prompt', async () => {
    const [model, other] = [await rows.addModel(), await rows.addModel()];
    const noir = await rows.addGeneration(model.uuid, { styles: ['noir'] });
    const both = await rows.addGeneration(other.uuid, { styles: ['noir', 'pop'], status: 'CANCELLED' });
    const instant = await rows.addGeneration(null, { styles: ['instant'] });
    const strange = await rows.addModel({ owner: 'other-owner' });
    await rows.addGeneration(strange.uuid, { owner: 'other-owner' });
    const idsOf = (filter: object): Promise<string[]> =>
      rows.idsIn('generations', { filter, orderBy: 'OLDEST' });
    expect(await idsOf({})).toEqual([noir.id, both.id, instant.id]);
    expect(await idsOf({ modelId: model.id })).toEqual([noir.id]);
    expect(await idsOf({ modelId: model.id, statuses: ['CANCELLED'] })).toEqual([]);
    expect(await idsOf({ modelId: other.id, statuses: ['CANCELLED', 'COMPLETED'] })).toEqual([both.id]);
    expect(await idsOf({ styles: ['noir'] })).toEqual([noir.id, both.id]);
    expect(await idsOf({ styles: ['pop', 'instant'] })).toEqual([both.id, instant.id]);
    expect(await idsOf({ styles: ['noir', 'pop', 'instant'] })).toEqual([noir.id, both.id, instant.id]);
    expect(await idsOf({ styles: ['noir'], statuses: ['CANCELLED'] })).toEqual([both.id]);
    expect(await idsOf({ styles: ['noir'], modelId: model.id })).toEqual([noir.id]);
    expect(await idsOf({ styles: ['pop'], modelId: model.id })).toEqual([]);
    expect(await idsOf({ styles: [] })).toEqual([]);
    expect(await idsOf({ styles: ['a\0b', "'"] })).toEqual([]);
    expect(await idsOf({ statuses: ['COMPLETED'] })).toEqual([noir.id, instant.id]);
    for (const modelId of [strange.id, noir.id, 'nonsense', '']) expect(await idsOf({ modelId })).toEqual([]);
  });

  it('select stored avatars by model, generation and style', async () => {
    const model = await rows.addModel();
    const [first, second] = [await rows.addGeneration(model.uuid), await rows.addGeneration(null)];
    const noir = await rows.addAvatar(first.uuid, model.uuid);
    const pop = await rows.addAvatar(first.uuid, model.uuid, { style: 'pop' });
    const instant = await rows.addAvatar(second.uuid, null, { style: 'instant' });
    await rows.addAvatar(second.uuid, null, { status: 'PENDING', style: 'pop' });
    const strange = await rows.addGeneration(null, { owner: 'other-owner' });
    await rows.addAvatar(strange.uuid, null, { owner: 'other-owner' });
    const idsOf = (filter: object): Promise<string[]> => rows.idsIn('avatars', { filter, orderBy: 'OLDEST' });
    expect(await idsOf({})).toEqual([noir.id, pop.id, instant.id]);
    expect(await idsOf({ modelId: model.id })).toEqual([noir.id, pop.id]);
    expect(await idsOf({ generationId: second.id })).toEqual([instant.id]);
    expect(await idsOf({ generationId: second.id, modelId: model.id })).toEqual([]);
    expect(await idsOf({ styles: ['pop'] })).toEqual([pop.id]);
    expect(await idsOf({ styles: ['pop', 'noir'], modelId: model.id })).toEqual([noir.id, pop.id]);
    expect(await idsOf({ styles: [] })).toEqual([]);
    expect(await idsOf({ styles: ['a\0b'] })).toEqual([]);
    for (const generationId of [strange.id, model.id, 'x']) expect(await idsOf({ generationId })).toEqual([]);
  });

  it('select photos by status and whether a model or generation uses them', async () => {
    const unused = await rows.addPhoto({ status: 'READY' });
    const rejected = await rows.addPhoto();
    const trained = await rows.addPhoto({ status: 'PURGED' });
    const instant = await rows.addPhoto({ status: 'READY', purge_at: null });
    await rows.addPhoto({ owner: 'other-owner' });
    const model = await rows.addModel();
    await rows.database.query('INSERT INTO model_photos (model_id, photo_id, position) VALUES ($1, $2, 0)', [
      model.uuid,
      trained.uuid,
    ]);
    const generation = await rows.addGeneration(null);
    await rows.database.query('UPDATE generations SET photo_id = $2 WHERE id = $1', [
      generation.uuid,
      instant.uuid,
    ]);
    const idsOf = (filter: object): Promise<string[]> => rows.idsIn('photos', { filter, orderBy: 'OLDEST' });
    expect(await idsOf({ isUnused: true })).toEqual([unused.id, rejected.id]);
    expect(await idsOf({ isUnused: false })).toEqual([trained.id, instant.id]);
    await rows.database.query('UPDATE photos SET purge_at = now() WHERE id = $1', [instant.uuid]);
    expect(await idsOf({ isUnused: false })).toEqual([trained.id, instant.id]);
    expect(await idsOf({ isUnused: true, statuses: ['READY'] })).toEqual([unused.id]);
    expect(await idsOf({ statuses: ['PURGED', 'REJECTED'] })).toEqual([rejected.id, trained.id]);
    expect(await idsOf({ isUnused: null })).toHaveLength(4);
  });

  it('select a photo as unused when a process of the earlier version deletes its last job', async () => {
    const photo = await rows.addPhoto({ status: 'READY', purge_at: new Date(Date.now() + 3_600_000) });
    const generation = await rows.addGeneration(null, { photo_id: photo.uuid });
    const model = await rows.addModel();
    await rows.database.query('INSERT INTO model_photos (model_id, photo_id, position) VALUES ($1, $2, 0)', [
      model.uuid,
      photo.uuid,
    ]);
    await rows.database.query('UPDATE photos SET is_used = true WHERE id = $1', [photo.uuid]);
    const unused = (): Promise<string[]> => rows.idsIn('photos', { filter: { isUnused: true } });
    // The earlier version deletes the rows of jobs without a change of the mark.
    await rows.database.query('DELETE FROM generations WHERE id = $1', [generation.uuid]);
    expect(await unused()).toEqual([]);
    expect(await rows.idsIn('photos', { filter: { isUnused: false } })).toEqual([photo.id]);
    await rows.database.query('DELETE FROM models WHERE id = $1', [model.uuid]);
    expect(await unused()).toEqual([photo.id]);
  });

  it('select a photo as unused when the last of its generations is deleted', async () => {
    const photo = await rows.addPhoto({ status: 'READY', purge_at: null });
    const columns = { photo_id: photo.uuid, status: 'QUEUED', due_at: new Date(Date.now() + 3_600_000) };
    const generations = [await rows.addGeneration(null, columns), await rows.addGeneration(null, columns)];
    const change = (name: 'cancel' | 'delete', { id }: { id: string }): Promise<unknown> =>
      gateway.client.request(`mutation { ${name}Generation(input: { id: "${id}" }) { __typename } }`);
    const isUnused = async (): Promise<boolean> => {
      const [unused, used] = [true, false].map((given) =>
        rows.idsIn('photos', { filter: { isUnused: given } }),
      );
      expect([...(await unused!), ...(await used!)]).toEqual([photo.id]);
      return (await unused!).length === 1;
    };
    expect(await isUnused()).toBe(false);
    for (const generation of generations) await change('cancel', generation);
    expect(await isUnused()).toBe(false);
    await change('delete', generations[0]!);
    expect(await isUnused()).toBe(false);
    await change('delete', generations[1]!);
    expect(await isUnused()).toBe(true);
  });

  it.each([
    ['models', 'status: FAILED', 'statuses: [READY]', 'status'],
    ['models', 'type: CAT', 'types: []', 'type'],
    ['generations', 'status: FAILED', 'statuses: [COMPLETED]', 'status'],
  ])(
    'accept a condition of %s in the deprecated form or in the new one, not both: %s',
    async (list, old, filter, field) => {
      await rows.addModel({ status: 'FAILED', type: 'CAT' });
      expect(
        (await gateway.client.refusal(`{ ${list}(${old}, filter: { ${filter} }) { nodes { id } } }`))
          .extensions,
      ).toMatchObject({ code: 'INVALID_INPUT', field });
      const other = field === 'type' ? 'statuses: [FAILED]' : 'created: { from: "2020-01-01T00:00:00Z" }';
      const page = await gateway.client.request<Record<string, ListResult>>(
        `{ ${list}(${old}, filter: { ${other} }) { totalCount nodes { id } } }`,
      );
      expect(page[list]!.totalCount).toBe(list === 'models' ? 1 : 0);
    },
  );

  it.each(['models', 'generations', 'avatars', 'photos', 'ledger'])(
    'refuse a span of time that ends before it begins: %s',
    async (list) => {
      const within = (created: string): string => (list === 'ledger' ? created : `filter: { ${created} }`);
      const spans = ['from: "2026-02-01T00:00:00Z", before: "2026-01-01T00:00:00Z"'];
      spans.push('from: "2026-02-01T00:00:00+01:00", before: "2026-01-31T22:59:59.999Z"');
      const field = list === 'ledger' ? 'created.before' : 'filter.created.before';
      for (const span of spans) {
        const query = `{ ${list}(${within(`created: { ${span} }`)}) { nodes { id } } }`;
        const { message, extensions } = await gateway.client.refusal(query);
        expect(extensions).toMatchObject({ code: 'INVALID_INPUT', field });
        expect(message).toContain('exchange the two times');
      }
      for (const span of ['before: "0001-01-01T00:00:00Z"', 'from: "9999-12-31T23:59:59.999Z"', ''])
        expect(
          await gateway.client.request(`{ ${list}(${within(`created: { ${span} }`)}) { nodes { id } } }`),
        ).toEqual({ [list]: { nodes: [] } });
    },
  );
});

describe('a DateTime', () => {
  const query = 'query ($filter: AvatarModelFilter!) { models(filter: $filter) { nodes { id } } }';

  it.each([
    ['30 February', '2099-02-30T00:00:00Z'],
    ['29 February of a common year', '2099-02-29T00:00:00.000Z'],
    ['29 February of a century', '2100-02-29T12:00:00+02:00'],
    ['31 April', '2026-04-31T00:00:00Z'],
    ['day 0', '2026-04-00T00:00:00Z'],
    ['month 13', '2026-13-01T00:00:00Z'],
    ['the year 0', '0000-06-01T00:00:00Z'],
    ['24 o’clock', '2026-04-30T24:00:00Z'],
    ['minute 60', '2026-04-30T23:60:00Z'],
    ['second 60', '2026-04-30T23:59:60Z'],
    ['an offset of a day', '2026-04-30T23:59:59+24:00'],
    ['after the year 9999 in UTC', '9999-12-31T23:59:59-00:01'],
    ['before the year 1 in UTC', '0001-01-01T00:00:00+00:01'],
    ['an offset of 60 minutes', '2026-04-30T23:59:59+01:60'],
  ])('that does not exist is refused, as a variable and in the query: %s', async (_what, from) => {
    const given = await gateway.client.refusal(query, { filter: { created: { from } } });
    expect(given.extensions).toMatchObject({ code: 'INVALID_INPUT', field: 'filter.created.from' });
    const literal = `{ models(filter: { created: { from: "${from}" } }) { nodes { id } } }`;
    const written = await gateway.client.refusal(literal);
    expect(written.extensions).toMatchObject({ code: 'INVALID_INPUT', field: 'filter.created.from' });
    for (const { message } of [given, written]) expect(message).toContain('a time that exists');
  });

  it('that exists is accepted in any offset, with 29 February of leap years', async () => {
    for (const from of ['2024-02-29T23:59:59Z', '2000-02-29T00:00:00-23:59', '0001-01-01T00:00:00+00:00'])
      expect(await gateway.client.request(query, { filter: { created: { from } } })).toEqual({
        models: { nodes: [] },
      });
  });
});
