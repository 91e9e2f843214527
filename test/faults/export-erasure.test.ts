import { setTimeout as pause } from 'node:timers/promises';
import { FaultsEnvironment } from '../support/faults-environment';
import { postOperation } from '../support/graphql-client';
import { createManyRows, enlargeAvatars, type RowCounts } from '../support/many-rows';
import { until } from '../support/until';
import { unzip } from '../support/unzip';

jest.setTimeout(180_000);

const small: RowCounts = { generations: 100, avatarsEach: 4, photos: 20, eventsEach: 2 };
const large: RowCounts = { generations: 300, avatarsEach: 10, photos: 2_000, eventsEach: 10 };
const other: RowCounts = { generations: 1, avatarsEach: 2, photos: 1, eventsEach: 1 };

/** The number of rows of each kind in an archive; null if the download did not complete. */
type Exported = Record<string, number> | null;

const countsOf = ({ generations, avatarsEach, photos, eventsEach }: RowCounts): Exported => ({
  models: 1,
  generations,
  avatars: generations * avatarsEach,
  photos,
  events: generations * eventsEach,
});

describe('an export while another gateway erases the same data', () => {
  let environment: FaultsEnvironment;

  beforeAll(async () => {
    environment = await FaultsEnvironment.open({ gateways: 2, maxFollowed: 0 });
  });

  afterAll(() => environment.stop());

  const request = async (gateway: number, query: string): Promise<Record<string, unknown>> => {
    const { data, errors } = await postOperation(environment.gateways[gateway]!.url, { query });
    if (errors) throw new Error(JSON.stringify(errors));
    return data!;
  };

  const create = async (owner: string, size: RowCounts, pictureBytes: number): Promise<void> => {
    await createManyRows(environment, owner, size);
    await enlargeAvatars(environment, owner, pictureBytes);
  };

  const offer = async (): Promise<string> => {
    const { exportMyData } = await request(0, 'mutation { exportMyData { url } }');
    return (exportMyData as { url: string }).url;
  };

  const download = async (url: string): Promise<Exported> => {
    const response = await fetch(url).catch(() => null);
    const bytes = response?.ok ? await response.arrayBuffer().catch(() => null) : null;
    if (!bytes) return null;
    const files = unzip(Buffer.from(bytes));
    const data = JSON.parse(files.get('data.json')!.toString()) as Record<string, unknown[]>;
    const avatars = [...files.keys()].filter((name) => name.startsWith('avatars/')).length;
    expect(avatars).toBe(data.avatars!.length);
    expect(data.owner).toBe('local');
    return Object.fromEntries(Object.keys(countsOf(other)!).map((name) => [name, data[name]!.length]));
  };

  /** Erases the data through the second gateway, and waits until none are left. */
  const erase = async (): Promise<void> => {
    const fields = 'receipt completedAt';
    const { deleteMyData } = await request(
      1,
      `mutation { deleteMyData(input: { confirm: "DELETE" }) { erasure { ${fields} } } }`,
    );
    const { receipt } = (deleteMyData as { erasure: { receipt: string } }).erasure;
    await until(async () => {
      const { erasure } = await request(1, `{ erasure(receipt: "${receipt}") { ${fields} } }`);
      return (erasure as { completedAt: string | null }).completedAt !== null;
    });
    const tables = ['models', 'generations', 'avatars', 'photos', 'exports'];
    for (const table of tables)
      expect(await environment.rows(`SELECT id FROM ${table} WHERE owner = 'local' LIMIT 1`)).toEqual([]);
  };

  it('is complete or ends with an error, whenever the erasure starts, and does not contain data of others', async () => {
    await create('other', other, 10);
    for (let run = 0; run < 12; run += 1) {
      await create('local', small, 10);
      const url = await offer();
      const downloading = download(url);
      await pause(run * 10);
      await erase();
      expect([null, countsOf(small)]).toContainEqual(await downloading);
      expect((await fetch(url)).status).toBe(404);
    }
    const left = await environment.rows(`SELECT id FROM avatars WHERE owner = 'other'`);
    expect(left).toHaveLength(2);
  });

  it('ends with an error for a large owner, and does not delay the erasure', async () => {
    await create('local', large, 50_000);
    const url = await offer();
    const complete = await download(url);
    expect(complete).toEqual(countsOf(large));
    const response = await fetch(url);
    const reading = response.arrayBuffer().then(
      () => 'complete',
      () => 'aborted',
    );
    await erase();
    expect(await reading).toBe('aborted');
    expect((await fetch(url)).status).toBe(404);
    for (const gateway of environment.gateways)
      expect(gateway.said(/unexpected|unhandled/, 'error')).toEqual([]);
  });
});
