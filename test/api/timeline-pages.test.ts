import { Client, jwtSecret, jwtSettings, uuidOf } from '../support/client';
import { TestGateway } from '../support/gateway';
import { signed } from '../support/issuer';
import { until } from '../support/until';
import { unzip } from '../support/unzip';

interface Call {
  httpStatus: number | null;
  durationMs: number;
  correlationId: string | null;
}

interface Entry {
  occurredAt: string;
  kind: string;
  message: string;
  attempt: number;
  call: Call | null;
}

interface Page {
  nodes: Entry[];
  edges: { cursor: string }[];
  totalCount: number;
  pageInfo: Record<'startCursor' | 'endCursor', string> & Record<'hasNextPage' | 'hasPreviousPage', boolean>;
}

const entryFields = 'occurredAt kind message attempt call { httpStatus durationMs correlationId }';
const aDuration = expect.any(Number) as number;

describe('Job.timeline', () => {
  let gateway: TestGateway;
  let anna: Client;
  let settled: Awaited<ReturnType<Client['settle']>>;

  beforeAll(async () => {
    gateway = await TestGateway.start(jwtSettings);
    anna = await Client.of(gateway, 'anna');
    settled = await anna.settle('anna on a red bicycle', 3);
  });
  afterAll(() => gateway.stop());

  const pageOf = async (client: Client, id: string, page = 'first: 100'): Promise<Page> => {
    const query = `query ($id: ID!) { node(id: $id) { ... on Job { timeline(${page}) {
      nodes { ${entryFields} } edges { cursor } totalCount pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } } } }`;
    return (await client.request<{ node: { timeline: Page } }>(query, { id })).node.timeline;
  };

  it('has every step of a generation', async () => {
    const { nodes, totalCount } = await pageOf(anna, settled.generationId);
    expect(totalCount).toBe(nodes.length);
    const kinds = nodes.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'AVATAR_STORED')).toHaveLength(3);
    const [first, last] = [nodes[0]!, nodes.at(-1)!];
    expect(first).toMatchObject({ kind: 'REQUESTED', attempt: 0, call: null });
    expect(last).toMatchObject({
      kind: 'STATUS_CHANGED',
      message: 'The status became COMPLETED.',
      attempt: 1,
    });
    expect(nodes.find(({ kind }) => kind === 'SUBMITTED')!.call).toEqual({
      ...{ httpStatus: 202, durationMs: aDuration, correlationId: null },
    });
    expect(nodes.findLast(({ kind }) => kind === 'POLLED')!.call).toMatchObject({
      ...{ httpStatus: 200, durationMs: aDuration, correlationId: null },
    });
  });

  it('shows the ids of calls only with the scope ADMIN', async () => {
    const idsOf = async (client: Client, id = settled.modelId, of = ''): Promise<(string | null)[]> => {
      const { nodes } = await pageOf(client, id);
      return nodes.flatMap(({ kind, call }) => (call && kind.startsWith(of) ? [call.correlationId] : []));
    };
    const ledger = await gateway.rows<{ id: string }>(
      'SELECT correlation_id AS id FROM submissions WHERE model_id = $1',
      [uuidOf(settled.modelId)],
    );
    const token = await signed(jwtSecret, {
      subject: 'anna',
      claims: { scope: 'likeness:read likeness:admin' },
    });
    const operator = Client.with(gateway, 'anna', token);
    const [submitted, ...polled] = await idsOf(operator);
    expect(submitted).toBe(ledger[0]!.id);
    expect(polled.length).toBeGreaterThan(0);
    const downloads = await idsOf(operator, settled.generationId, 'AVATAR_STORED');
    expect(new Set(downloads).size).toBe(3);
    for (const id of [...polled, ...downloads]) expect(id).toMatch(/^[0-9a-f-]{36}$/);
    const shown = [...(await idsOf(anna)), ...(await idsOf(anna, settled.generationId))];
    expect(new Set(shown)).toEqual(new Set([null]));
  });

  it('has pages in both directions', async () => {
    const all = await pageOf(anna, settled.modelId);
    const cursors = all.edges.map(({ cursor }) => cursor);
    const first = await pageOf(anna, settled.modelId, 'first: 2');
    expect(first.nodes).toEqual(all.nodes.slice(0, 2));
    expect(first.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
    const after = await pageOf(anna, settled.modelId, `first: 2, after: "${first.pageInfo.endCursor}"`);
    expect(after.nodes).toEqual(all.nodes.slice(2, 4));
    expect(after.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true });
    const last = await pageOf(anna, settled.modelId, 'last: 2');
    expect(last.nodes).toEqual(all.nodes.slice(-2));
    const before = await pageOf(anna, settled.modelId, `last: 1, before: "${last.pageInfo.startCursor}"`);
    expect(before.nodes).toEqual([all.nodes.at(-3)]);
    expect(before.edges).toEqual([{ cursor: cursors.at(-3) }]);
    expect(before.totalCount).toBe(all.nodes.length);
  });

  it.each([
    ['first: 0', 'INVALID_INPUT', 'first'],
    ['last: 101', 'INVALID_INPUT', 'last'],
    ['first: 1, before: "oAaIaPBiqcFe-U2OKgKIvNA"', 'INVALID_INPUT', 'before'],
    ['after: "nonsense"', 'INVALID_CURSOR', 'after'],
    ['after: "AaIaPBiqcFe-U2OKgKIvNA"', 'INVALID_CURSOR', 'after'],
  ])('refuses %s', async (page, code, field) => {
    const { errors } = await anna.post(
      `query ($id: ID!) { model(id: $id) { timeline(${page}) { totalCount } } }`,
      { id: settled.modelId },
    );
    expect(errors).toMatchObject([{ extensions: { code, field } }]);
  });

  it('is not readable by another owner, not even with the scope ADMIN', async () => {
    const token = await signed(jwtSecret, {
      subject: 'ben',
      claims: { scope: 'likeness:read likeness:admin' },
    });
    const ben = Client.with(gateway, 'ben', token);
    const query = 'query ($id: ID!) { node(id: $id) { ... on Job { timeline { totalCount } } } }';
    expect(await ben.request(query, { id: settled.modelId })).toEqual({ node: null });
  });

  it('is in the export without the ids of calls, and is deleted with its job and with the person', async () => {
    const carla = await Client.of(gateway, 'carla');
    const { modelId, generationId } = await carla.settle();
    const { exportMyData } = await carla.request<{ exportMyData: { url: string } }>(
      'mutation { exportMyData { url } }',
    );
    const archive = unzip(Buffer.from(await (await fetch(exportMyData.url)).arrayBuffer()));
    const { timelines } = JSON.parse(archive.get('data.json')!.toString()) as { timelines: object[] };
    const entries = await gateway.rows<{ correlation: string | null }>(
      `SELECT correlation_id AS correlation FROM timeline_entries WHERE owner = 'carla'`,
    );
    expect(timelines).toHaveLength(entries.length);
    expect(timelines[0]).toMatchObject({ job: uuidOf(modelId), jobKind: 'model', kind: 'REQUESTED' });
    expect(timelines).toContainEqual(
      expect.objectContaining({ job: uuidOf(generationId), jobKind: 'generation', kind: 'AVATAR_STORED' }),
    );
    const hidden = entries.flatMap(({ correlation }) => correlation ?? []);
    expect(hidden.length).toBeGreaterThan(0);
    for (const id of hidden) expect(JSON.stringify(timelines)).not.toContain(id);

    const left = (column: string, id: string): Promise<unknown[]> =>
      gateway.rows(`SELECT 1 FROM timeline_entries WHERE ${column} = $1`, [uuidOf(id)]);
    await carla.delete('deleteGeneration', generationId);
    expect(await left('generation_id', generationId)).toEqual([]);
    expect(await left('model_id', modelId)).not.toEqual([]);
    await carla.erase();
    await until(async () => (await left('model_id', modelId)).length === 0);
  });
});
