import { newId } from '../../src/core/ids';
import { addFailedGeneration } from '../support/bulk';
import { Client, jwtSettings } from '../support/client';
import { TestGateway } from '../support/gateway';
import { ListRows } from '../support/list-rows';
import { unzip } from '../support/unzip';

const prices = 'sandbox.training=2.50+0.05/photo,sandbox.generation=0.02/avatar,sandbox.instant=0.03/avatar';
const settings = { ...jwtSettings, PRICES: prices, CURRENCY: 'EUR' };
const eur = (amount: string): object => ({ amount, currency: 'EUR' });

interface Entry {
  id: string;
  kind: string;
  amount: { amount: string; currency: string };
  attempt: number;
  job: { id: string } | null;
}

const ledgerQuery = `query ($first: Int, $after: String, $created: DateTimeRangeInput) {
  ledger(first: $first, after: $after, created: $created) {
    nodes { id kind amount { amount currency } attempt createdAt job { id } } totalCount pageInfo { endCursor hasNextPage } } }`;

async function ledgerOf(client: Client, variables: object = {}): Promise<Entry[]> {
  const { ledger } = await client.request<{ ledger: { nodes: Entry[] } }>(ledgerQuery, variables);
  return ledger.nodes;
}

const kindsOf = (entries: readonly Entry[]): string[] => entries.map(({ kind }) => kind);

const estimateQuery =
  'query ($input: EstimateCostInput!) { estimateCost(input: $input) { total { amount currency } refusal } }';

async function estimate(client: Client, input: object): Promise<unknown> {
  return (await client.request<{ estimateCost: unknown }>(estimateQuery, { input })).estimateCost;
}

const money = `{ viewer {
  usage { reserved { amount currency } spentToday { amount currency } spentThisMonth { amount currency } }
  limits { spendPerDay { amount currency } spendPerMonth { amount currency } } } }`;

async function usageOf(client: Client): Promise<Record<string, unknown>> {
  return (await client.request<{ viewer: { usage: Record<string, unknown> } }>(money)).viewer.usage;
}

describe('money', () => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await TestGateway.start(settings);
  });
  afterAll(() => gateway.stop());

  const clientOf = (): Promise<Client> => Client.of(gateway);

  it('is reserved, and spent once the avatar service has accepted the work', async () => {
    const client = await clientOf();
    const photoIds = await client.upload();
    const input = { type: 'WOMAN', photos: photoIds.map((photoId) => ({ photoId })) };
    expect(await estimate(client, { trainModel: input })).toEqual({ total: eur('2.75'), refusal: null });
    expect(await usageOf(client)).toEqual({
      reserved: eur('0'),
      spentToday: eur('0'),
      spentThisMonth: eur('0'),
    });
    const { id } = await client.train({ photoIds });
    expect((await ledgerOf(client)).at(-1)).toMatchObject({
      kind: 'RESERVED',
      amount: eur('2.75'),
      attempt: 1,
      job: { id },
    });
    await client.modelEnd(id);
    const trained = await ledgerOf(client);
    expect(kindsOf(trained)).toEqual(['SPENT', 'RESERVED']);
    expect(trained[0]).toMatchObject({ amount: eur('2.75'), attempt: 1, job: { id } });

    const prompts = [{ count: 2 }, { count: 1 }];
    expect(await estimate(client, { generateAvatars: { modelId: id, prompts } })).toEqual({
      total: eur('0.06'),
      refusal: null,
    });
    const generation = await client.generate(id, prompts);
    await client.generationEnd(generation.id);
    const instant = { photo: { photoId: photoIds[0] }, prompt: 'p', count: 4 };
    expect(await estimate(client, { generateInstantAvatars: instant })).toEqual({
      total: eur('0.12'),
      refusal: null,
    });
    await client.generationEnd((await client.instant({ photoId: photoIds[0]!, prompt: 'p', count: 4 })).id);
    expect(await usageOf(client)).toEqual({
      reserved: eur('0'),
      spentToday: eur('2.93'),
      spentThisMonth: eur('2.93'),
    });

    await client.delete('deleteModel', id);
    const entries = await ledgerOf(client);
    expect(entries).toHaveLength(6);
    expect(entries.slice(2).map(({ job }) => job)).toEqual([null, null, null, null]);
    expect(await usageOf(client)).toMatchObject({ spentToday: eur('2.93') });
  });

  it('has a ledger in pages, which belongs to its owner', async () => {
    const client = await clientOf();
    const [photoId] = await client.upload(1);
    for (let count = 1; count <= 3; count += 1)
      await client.generationEnd((await client.instant({ photoId: photoId!, prompt: 'p', count })).id);
    const all = await ledgerOf(client);
    expect(all.map(({ kind, amount }) => `${kind} ${amount.amount}`)).toEqual([
      ...['SPENT 0.09', 'RESERVED 0.09', 'SPENT 0.06', 'RESERVED 0.06', 'SPENT 0.03', 'RESERVED 0.03'],
    ]);
    const page = async (after: string | null): Promise<{ nodes: Entry[]; pageInfo: { endCursor: string } }> =>
      (
        await client.request<{ ledger: { nodes: Entry[]; pageInfo: { endCursor: string } } }>(ledgerQuery, {
          first: 4,
          after,
        })
      ).ledger;
    const first = await page(null);
    const second = await page(first.pageInfo.endCursor);
    expect([...first.nodes, ...second.nodes]).toEqual(all);
    const future = new Date(Date.now() + 3_600_000).toISOString();
    expect(await ledgerOf(client, { created: { from: future } })).toEqual([]);
    expect(await ledgerOf(client, { created: { before: future } })).toHaveLength(6);
    // Without their jobs, entries are read by a planned statement.
    const { ledger } = await client.request<{ ledger: object }>(
      '{ ledger(first: 2) { nodes { id kind amount { amount currency } attempt createdAt } totalCount } }',
    );
    const withoutJobs = all.slice(0, 2).map(({ job: _job, ...entry }) => entry);
    expect(ledger).toEqual({ nodes: withoutJobs, totalCount: 6 });
    const node = 'query ($id: ID!) { node(id: $id) { id ... on LedgerEntry { kind job { id } } } }';
    const { id, job } = all[0]!;
    expect(await client.request(node, { id })).toEqual({ node: { id, kind: 'SPENT', job } });
    const other = await clientOf();
    expect(await ledgerOf(other)).toEqual([]);
    expect(await other.request(node, { id })).toEqual({ node: null });
  });

  it('is estimated without making the request, with the code by which it would be refused', async () => {
    const client = await clientOf();
    const photoIds = await client.upload();
    const photos = photoIds.map((photoId) => ({ photoId }));
    const training = { type: 'WOMAN', photos };
    expect(await estimate(client, { trainModel: { ...training, photos: photos.slice(1) } })).toEqual({
      total: eur('2.7'),
      refusal: 'TOO_FEW_PHOTOS',
    });
    expect(await estimate(client, { trainModel: { ...training, name: ' ' } })).toEqual({
      total: eur('2.75'),
      refusal: 'INVALID_INPUT',
    });
    const unknown = `photo_${'0'.repeat(32)}`;
    expect(
      await estimate(client, {
        trainModel: { ...training, photos: [...photos.slice(1), { photoId: unknown }] },
      }),
    ).toEqual({ total: eur('2.75'), refusal: 'NOT_FOUND' });
    const modelId = `model_${'0'.repeat(32)}`;
    expect(await estimate(client, { generateAvatars: { modelId, prompts: [{ count: 5 }] } })).toEqual({
      total: eur('0.1'),
      refusal: 'NOT_FOUND',
    });
    expect(await estimate(client, { generateAvatars: { modelId, prompts: [{ count: -5 }] } })).toEqual({
      total: null,
      refusal: 'INVALID_INPUT',
    });
    for (const retry of [modelId, 'nonsense', photoIds[0]])
      expect(await estimate(client, { retry })).toEqual({ total: null, refusal: 'NOT_FOUND' });
    const idempotencyKey = newId();
    const { id } = await client.train({ photoIds, idempotencyKey });
    expect(await estimate(client, { trainModel: { ...training, idempotencyKey } })).toEqual({
      total: eur('0'),
      refusal: null,
    });
    expect(await estimate(client, { trainModel: { type: 'CAT', photos, idempotencyKey } })).toEqual({
      total: eur('2.75'),
      refusal: 'IDEMPOTENCY_KEY_REUSED',
    });
    expect(await estimate(client, { retry: id })).toEqual({ total: eur('2.75'), refusal: 'NOT_RETRYABLE' });
    const { errors } = await client.post(estimateQuery, { input: { retry: id, trainModel: training } });
    expect(errors).toHaveLength(1);
    await client.change('cancelModel', id);
    const { models } = await client.request<{ models: { nodes: unknown[] } }>('{ models { nodes { id } } }');
    expect(models.nodes).toHaveLength(1);
  });

  it('keeps the price of the request, and a retry takes the price of its time', async () => {
    const client = await clientOf();
    const [photoId] = await client.upload(1);
    await gateway.sandbox.fault({ on: 'instant', kind: 'failed' });
    const { id } = await client.instant({ photoId: photoId!, prompt: 'p' });
    expect(await client.generationEnd(id)).toMatchObject({ status: 'FAILED' });
    await gateway.restart({ PRICES: prices.replace('instant=0.03', 'instant=0.5') });
    expect(await estimate(client, { retry: id })).toEqual({ total: eur('0.5'), refusal: null });
    await client.change('retryGeneration', id);
    await client.generationEnd(id);
    const entries = await ledgerOf(client);
    expect(entries.map(({ kind, amount, attempt }) => `${attempt} ${kind} ${amount.amount}`)).toEqual([
      ...['2 SPENT 0.5', '2 RESERVED 0.5', '1 SPENT 0.03', '1 RESERVED 0.03'],
    ]);
    await gateway.restart({ PRICES: prices });
  });

  it('is anonymous after an erasure, and part of an export before', async () => {
    const client = await clientOf();
    const [photoId] = await client.upload(1);
    await client.generationEnd((await client.instant({ photoId: photoId!, prompt: 'p' })).id);
    const before = await gateway.rows<{ count: number }>('SELECT count(*)::int FROM ledger_entries');
    const { exportMyData } = await client.request<{ exportMyData: { url: string } }>(
      'mutation { exportMyData { url } }',
    );
    const files = unzip(Buffer.from(await (await fetch(exportMyData.url)).arrayBuffer()));
    const { ledger } = JSON.parse(files.get('data.json')!.toString()) as { ledger: object[] };
    expect(ledger).toMatchObject([
      { kind: 'RESERVED', amount: '0.03', currency: 'EUR', jobKind: 'generation', attempt: 1 },
      { kind: 'SPENT', amount: '0.03' },
    ]);
    await client.erase();
    expect(await gateway.database.tablesWith(client.name)).not.toContain('ledger_entries');
    expect(await gateway.rows('SELECT count(*)::int FROM ledger_entries')).toEqual(before);
    expect(await usageOf(client)).toMatchObject({ spentToday: eur('0') });
  });
});

it('is released if a QUEUED job is cancelled or deleted', async () => {
  const gateway = await TestGateway.start({ ROLE: 'api', ...settings });
  const client = await Client.of(gateway);
  const instant = { photoUrl: 'https://photos.example.com/1.jpg', prompt: 'p', count: 2 };
  const [first, second] = [await client.instant(instant), await client.instant(instant)];
  expect(await usageOf(client)).toMatchObject({ reserved: eur('0.12'), spentToday: eur('0') });
  await client.change('cancelGeneration', first.id);
  await client.change('cancelGeneration', first.id);
  await client.delete('deleteGeneration', second.id);
  const entries = await ledgerOf(client);
  expect(kindsOf(entries)).toEqual(['RELEASED', 'RELEASED', 'RESERVED', 'RESERVED']);
  expect(entries.map(({ job }) => job)).toEqual([null, { id: first.id }, null, { id: first.id }]);
  expect(await usageOf(client)).toMatchObject({ reserved: eur('0'), spentToday: eur('0') });
  await gateway.stop();
});

it('of retries of several jobs is counted before, and reserved for those that are retried', async () => {
  const gateway = await TestGateway.start(
    { ...settings, ...{ ROLE: 'api', AUTH: 'none', JWT_SECRET: '' } },
    { watchesStatements: true },
  );
  const { client } = gateway;
  const rows = await ListRows.of(gateway);
  for (let count = 0; count < 3; count += 1) await addFailedGeneration(rows);
  const retry = async (input: object): Promise<unknown> => {
    const query =
      'mutation ($input: RetryGenerationsInput!) { retryGenerations(input: $input) { result { changedCount } cost { amount currency } } }';
    return (await client.request<{ retryGenerations: unknown }>(query, { input })).retryGenerations;
  };
  const [{ wanted } = { wanted: 0 }] = await gateway.rows<{ wanted: number }>(
    'SELECT sum(wanted)::int AS wanted FROM generations',
  );
  const cost = eur(String((wanted * 2) / 100));
  const input = { select: { filter: {} }, expectedCount: 3, idempotencyKey: 'all' };
  expect(await retry({ ...input, dryRun: true })).toEqual({ result: { changedCount: 3 }, cost });
  expect(await ledgerOf(client)).toEqual([]);
  for (let time = 0; time < 2; time += 1)
    expect(await retry(input)).toEqual({ result: { changedCount: 3 }, cost });
  expect(kindsOf(await ledgerOf(client))).toEqual(['RESERVED', 'RESERVED', 'RESERVED']);
  await gateway.stop();
});

it('is null without prices, and no entries are made', async () => {
  const gateway = await TestGateway.start({ ROLE: 'api' });
  const { client } = gateway;
  const photoUrl = 'https://photos.example.com/1.jpg';
  const input = { photo: { url: photoUrl }, prompt: 'p' };
  expect(await estimate(client, { generateInstantAvatars: input })).toEqual({ total: null, refusal: null });
  expect(await estimate(client, { generateInstantAvatars: { ...input, count: 0 } })).toEqual({
    total: null,
    refusal: 'INVALID_INPUT',
  });
  await client.instant({ photoUrl, prompt: 'p' });
  expect(await client.request(money)).toEqual({
    viewer: {
      usage: { reserved: null, spentToday: null, spentThisMonth: null },
      limits: { spendPerDay: null, spendPerMonth: null },
    },
  });
  expect(await ledgerOf(client)).toEqual([]);
  await gateway.stop();
});
