import { type Client, uuidOf } from '../support/client';
import { TestGateway } from '../support/gateway';

let gateway: TestGateway;
let client: Client;
let settled: Awaited<ReturnType<Client['settle']>>;

beforeAll(async () => {
  gateway = await TestGateway.start({}, { watchesStatements: true });
  ({ client } = gateway);
  settled = await client.settle();
  // Without workers, every change is one of the test.
  await gateway.restart({ ROLE: 'api' });
});

afterAll(() => gateway.stop());

/** A new model that stays QUEUED. */
const waiting = async (): Promise<string> => (await client.train({ photoIds: settled.photoIds })).id;

interface Actions {
  status: string;
  canCancel: boolean;
  canRetry: boolean;
}

const actionsOf = async (id: string): Promise<Actions> => {
  const query = 'query ($id: ID!) { node(id: $id) { ... on Job { canCancel canRetry } } }';
  return (await client.request<{ node: Actions }>(query, { id })).node;
};

describe('canCancel and canRetry', () => {
  /** Whether the mutation is accepted; if it is, it changes the job. */
  const accepts = async (mutation: 'retryModel' | 'retryGeneration', id: string): Promise<boolean> => {
    const payload = mutation === 'retryModel' ? 'model' : 'generation';
    const { errors } = await client.post(
      `mutation ($id: ID!) { it: ${mutation}(input: { id: $id }) { ${payload} { id } } }`,
      { id },
    );
    return errors === undefined;
  };

  it('say what an unfinished, a cancelled and an ended job accept', async () => {
    const id = await waiting();
    expect(await actionsOf(id)).toEqual({ canCancel: true, canRetry: false });
    await client.change('cancelModel', id);
    expect(await actionsOf(id)).toEqual({ canCancel: false, canRetry: false });
    expect(await actionsOf(settled.modelId)).toEqual({ canCancel: false, canRetry: false });
    expect(await actionsOf(settled.generationId)).toEqual({ canCancel: false, canRetry: false });
  });

  it('allow a retry of a failure that is retryable, exactly as retryModel does', async () => {
    const id = await waiting();
    await gateway.failJob('models', id, false);
    expect([await actionsOf(id), await accepts('retryModel', id)]).toEqual([
      { canCancel: false, canRetry: false },
      false,
    ]);
    await gateway.failJob('models', id);
    expect([await actionsOf(id), await accepts('retryModel', id)]).toEqual([
      { canCancel: false, canRetry: true },
      true,
    ]);
  });

  it('allow to end an UNCERTAIN job', async () => {
    const id = await waiting();
    await gateway.rows(`UPDATE models SET status = 'UNCERTAIN', attempt = 1 WHERE id = $1`, [uuidOf(id)]);
    expect(await actionsOf(id)).toEqual({ canCancel: true, canRetry: true });
  });

  it('refuse a retry without the photos of the training', async () => {
    const photoIds = await client.upload();
    const [deleted, purged] = [(await client.train({ photoIds })).id, (await client.train({ photoIds })).id];
    for (const id of [deleted, purged]) await gateway.failJob('models', id);
    await gateway.rows('DELETE FROM model_photos WHERE model_id = $1 AND position = 4', [uuidOf(deleted)]);
    expect([await actionsOf(deleted), await accepts('retryModel', deleted)]).toMatchObject([
      { canRetry: false },
      false,
    ]);
    expect(await actionsOf(purged)).toMatchObject({ canRetry: true });
    await gateway.rows(`UPDATE photos SET status = 'PURGED', filename = NULL WHERE id = $1`, [
      uuidOf(photoIds[0]!),
    ]);
    expect([await actionsOf(purged), await accepts('retryModel', purged)]).toMatchObject([
      { canRetry: false },
      false,
    ]);
  });

  it('refuse a retry of avatars without training when their photo was deleted', async () => {
    const [photoId] = await client.upload(1);
    const { id } = await client.instant({ photoId: photoId!, prompt: 'as a king' });
    await gateway.failJob('generations', id);
    expect(await actionsOf(id)).toEqual({ canCancel: false, canRetry: true });
    await client.delete('deletePhoto', photoId!);
    expect([await actionsOf(id), await accepts('retryGeneration', id)]).toMatchObject([
      { canRetry: false },
      false,
    ]);
  });

  it('allow a retry of a generation whose model has no photos', async () => {
    const { id } = await client.generate(settled.modelId);
    await gateway.failJob('generations', id);
    expect(await actionsOf(id)).toMatchObject({ canRetry: true });
  });

  it('refuse a retry with a provider that is not configured', async () => {
    const id = await waiting();
    await gateway.failJob('models', id);
    await gateway.rows(`UPDATE models SET provider = 'other' WHERE id = $1`, [uuidOf(id)]);
    expect([await actionsOf(id), await accepts('retryModel', id)]).toMatchObject([
      { canRetry: false },
      false,
    ]);
  });
});

describe('updatedAt', () => {
  it('increases with every change', async () => {
    const id = await waiting();
    const read = async (): Promise<number> => {
      const query = 'query ($id: ID!) { model(id: $id) { updatedAt } }';
      const { model } = await client.request<{ model: { updatedAt: string } }>(query, { id });
      return Date.parse(model.updatedAt);
    };
    const times = [await read()];
    for (const name of ['a', 'b', 'c', 'd']) {
      await client.rename(id, name);
      times.push(await read());
    }
    await client.change('cancelModel', id);
    times.push(await read());
    expect(times.slice(1).every((time, index) => time > times[index]!)).toBe(true);
    // As if another server's clock were ahead.
    await gateway.rows(`UPDATE models SET updated_at = now() + interval '1 day' WHERE id = $1`, [uuidOf(id)]);
    const ahead = await read();
    await client.rename(id, 'e');
    expect(await read()).toBe(ahead + 1);
  });
});

describe('the cover of a model', () => {
  const coverOf = async (id: string): Promise<string | null> => {
    const query = 'query ($id: ID!) { model(id: $id) { cover { id } avatars { nodes { id } } } }';
    const { model } = await client.request<{
      model: { cover: { id: string } | null; avatars: { nodes: { id: string }[] } };
    }>(query, { id });
    expect(model.cover?.id).toBe(model.avatars.nodes[0]?.id);
    return model.cover?.id ?? null;
  };

  it('is its newest stored avatar', async () => {
    expect(await coverOf(await waiting())).toBeNull();
    expect(await coverOf(settled.modelId)).toMatch(/^avatar_/);
  });
});

describe('photosDeletedAt', () => {
  const readOf = async (id: string): Promise<string | null> => {
    const query = 'query ($id: ID!) { model(id: $id) { photosDeletedAt } }';
    return (await client.request<{ model: { photosDeletedAt: string | null } }>(query, { id })).model
      .photosDeletedAt;
  };
  const purgeAt = async (photoId: string, time: string, status = 'READY'): Promise<void> => {
    const column = status === 'PURGED' ? 'updated_at' : 'purge_at';
    await gateway.rows(`UPDATE photos SET status = $2, ${column} = $3 WHERE id = $1`, [
      ...[uuidOf(photoId), status, time],
    ]);
  };

  it('is when the first of the photos is deleted, and null while a training needs them', async () => {
    const photoIds = await client.upload();
    const { id } = await client.train({ photoIds });
    expect(await readOf(id)).toBeNull();
    // Also a photo whose deletion was due before the training needed it.
    await purgeAt(photoIds[0]!, '2030-01-01T00:00:00.123Z');
    expect(await readOf(id)).toBeNull();
    await client.change('cancelModel', id);
    const [photo] = await gateway.rows<{ at: Date }>('SELECT purge_at AS at FROM photos WHERE id = $1', [
      uuidOf(photoIds[1]!),
    ]);
    expect(await readOf(id)).toBe(photo!.at.toISOString());
    await purgeAt(photoIds[2]!, '2026-02-01T00:00:00.123Z');
    expect(await readOf(id)).toBe('2026-02-01T00:00:00.123Z');
    for (const photoId of photoIds) await client.delete('deletePhoto', photoId);
    expect(await readOf(id)).toBeNull();
  });

  it('stays when they have been deleted, also if a deleted model had used them too', async () => {
    const photoIds = await client.upload();
    const [id, other] = [(await client.train({ photoIds })).id, (await client.train({ photoIds })).id];
    for (const model of [id, other]) await client.change('cancelModel', model);
    for (const photoId of photoIds) await purgeAt(photoId, '2026-02-01T00:00:00.000Z', 'PURGED');
    await client.delete('deleteModel', other);
    expect(await readOf(id)).toBe('2026-02-01T00:00:00.000Z');
  });
});

describe('the avatars of a generation', () => {
  const query = `query ($id: ID!, $first: Int) { generation(id: $id) {
    requestedCount avatarCount avatars(first: $first) { id model { id } } all: avatars { id } } }`;
  interface Counted {
    requestedCount: number;
    avatarCount: number;
    avatars: { id: string; model: { id: string } | null }[];
    all: { id: string }[];
  }
  const read = async (id: string, first: number | null = null): Promise<Counted> =>
    (await client.request<{ generation: Counted }>(query, { id, first })).generation;

  it('are counted, as requested and as stored, and limited to the first few', async () => {
    const { id } = await client.generate(settled.modelId, [{ count: 3 }]);
    expect(await read(id)).toEqual({ requestedCount: 3, avatarCount: 0, avatars: [], all: [] });
    const { generationId, modelId } = settled;
    const { all, ...one } = await read(generationId, 1);
    const [first] = all;
    expect(all).toHaveLength(2);
    const model = { id: modelId };
    expect(one).toEqual({ requestedCount: 2, avatarCount: 2, avatars: [{ ...first, model }] });
    for (const size of [null, 2, 100]) expect((await read(generationId, size)).avatars).toHaveLength(2);
    const setStatus = (status: string): Promise<unknown> =>
      gateway.rows('UPDATE avatars SET status = $2 WHERE id = $1', [uuidOf(first!.id), status]);
    await setStatus('LOST');
    expect(await read(generationId)).toMatchObject({ requestedCount: 2, avatarCount: 1, all: [all[1]] });
    await setStatus('STORED');
    for (const size of [0, -1, 101]) {
      const refused = await client.refusal(query, { id: generationId, first: size });
      expect(refused).toMatchObject({ extensions: { code: 'INVALID_INPUT', field: 'first' } });
    }
  });
});

describe('the cost of a query', () => {
  it('includes a row for each cover', async () => {
    const query = (field: string): string =>
      `{ models(first: 100) { nodes { generations(first: 100) { nodes { model { ${field} } } } } } }`;
    expect((await client.post(query('id'))).errors).toBeUndefined();
    expect(await client.refusal(query('cover { id }'))).toMatchObject({
      extensions: { code: 'QUERY_TOO_COMPLEX', limit: 'cost', given: 20_100 },
    });
  });
});

describe('the cost of the avatars of a generation', () => {
  it('is that of a page, or of the requested number', async () => {
    const ofTwo =
      '{ models(first: 100) { nodes { generations(first: 10) { nodes { avatarCount avatars(first: 2) { id } } } } } }';
    expect((await client.post(ofTwo)).errors).toBeUndefined();
    const query = '{ models(first: 100) { nodes { generations(first: 10) { nodes { avatars { id } } } } } }';
    expect(await client.refusal(query)).toMatchObject({
      extensions: { code: 'QUERY_TOO_COMPLEX', limit: 'cost', given: 21_100 },
    });
  });
});

describe('a list of jobs', () => {
  it('reads cursors, covers and possible actions by one statement each at most', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 3; count += 1) ids.push(await waiting());
    for (const id of ids) await gateway.failJob('models', id);
    let answer: { models: { nodes: (Actions & { cursor: string })[] } } | undefined;
    const statements = await gateway.watch.during(async () => {
      const query =
        '{ models(first: 20) { nodes { status cursor canCancel canRetry updatedAt cover { id } } } }';
      answer = await client.request(query);
    });
    expect(answer!.models.nodes.length).toBeGreaterThan(5);
    expect(answer!.models.nodes.filter(({ canRetry }) => canRetry).length).toBeGreaterThanOrEqual(3);
    const count = (pattern: RegExp): number => statements.filter((text) => pattern.test(text)).length;
    expect(count(/FROM avatars/)).toBe(1);
    expect(count(/FROM model_photos/)).toBe(1);
    expect(count(/FROM streams/)).toBe(1);
    expect(count(/FROM models/)).toBe(1);
  });
});
