import { Client } from '../support/client';
import { TestGateway } from '../support/gateway';

jest.setTimeout(120_000);

const tables = ['models', 'generations', 'avatars', 'photos', 'streams', 'submissions', 'upstream_accounts'];

describe('columns that a newer version adds while this one runs', () => {
  let gateway: TestGateway;
  let client: Client;

  beforeAll(async () => {
    gateway = await TestGateway.start({ PLANNED_READS: 'false', DATABASE_POOL: '3' });
    client = new Client(() => gateway.url);
  });

  afterAll(() => gateway.stop());

  const trainAndGenerate = async (): Promise<string> => {
    const modelId = await client.trained(await client.upload());
    const { id } = await client.generate(modelId, [{}, {}]);
    expect((await client.generationEnd(id)).status).toBe('COMPLETED');
    expect(await client.avatars(id)).toHaveLength(2);
    await client.rename(modelId, 'Ann');
    return modelId;
  };

  const addColumn = async (name: string): Promise<void> => {
    for (const table of tables) await gateway.rows(`ALTER TABLE ${table} ADD COLUMN ${name} text`);
  };

  it('disturb neither requests nor jobs', async () => {
    const modelId = await trainAndGenerate();
    // From their second use, statements are prepared, and PostgreSQL refuses those whose columns have changed.
    await trainAndGenerate();
    await addColumn('newer');
    await client.rename(modelId, 'Anna');
    await trainAndGenerate();
    await trainAndGenerate();
    await addColumn('newest');
    expect((await client.model(modelId))?.status).toBe('READY');
    await trainAndGenerate();
    expect(gateway.log.filter(({ err }) => err)).toEqual([]);
  });
});
