import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client as Session } from 'pg';
import { migrate } from '../../src/database/migrate';
import { creations, jwtSettings, Client } from '../support/client';
import { TestGateway } from '../support/gateway';

/** A database after the migrations up to this one, with rows in every table. Made by that version's own programs. */
const dump = readFileSync(join(__dirname, '../fixtures/database-1764100010000.sql'), 'utf8');

const counts = `SELECT relname AS table, (xpath('/row/n/text()', query_to_xml('SELECT count(*) AS n FROM ' || relname, false, true, '')))[1]::text::int AS rows
                  FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'migrations' ORDER BY 1`;

describe('a database of an earlier version', () => {
  let gateway: TestGateway;
  const before = new Map<string, number>();
  const after = new Map<string, number>();

  beforeAll(async () => {
    gateway = await TestGateway.start(jwtSettings, {
      prepare: async (url) => {
        const client = new Session({ connectionString: url });
        await client.connect();
        const count = async (into: Map<string, number>): Promise<void> => {
          const { rows } = await client.query<{ table: string; rows: number }>(counts);
          for (const row of rows) into.set(row.table, row.rows);
        };
        await client.query(`DROP SCHEMA public CASCADE; CREATE SCHEMA public; ${dump}`);
        await client.query('SET search_path TO public');
        await count(before);
        await migrate(url);
        await count(after);
        await client.end();
      },
    });
  });

  afterAll(() => gateway.stop());

  it('has rows in every table', () => {
    expect(before.size).toBeGreaterThan(15);
    expect([...before].filter(([, rows]) => rows === 0)).toEqual([]);
  });

  it('keeps all rows when it is migrated', () => {
    const renamed = new Map([['doomed_media', 'media_deletions']]);
    const lost = [...before].filter(([table, rows]) => after.get(renamed.get(table) ?? table) !== rows);
    expect(lost).toEqual([]);
  });

  it('accepts statements of processes of the earlier version until they are replaced', async () => {
    const client = await gateway.database.session();
    const key = 'photos/left-behind';
    await client.query(
      `INSERT INTO doomed_media (key, due_at) VALUES ($1, now() + interval '1 day') ON CONFLICT (key) DO UPDATE SET tries = 0`,
      [key],
    );
    const { rows } = await client.query('SELECT tries FROM media_deletions WHERE key = $1', [key]);
    await client.query('DELETE FROM doomed_media WHERE key = $1', [key]);
    await client.end();
    expect(rows).toEqual([{ tries: 0 }]);
  });

  it('returns the model of a mutation that the earlier version executed with the same key and input', async () => {
    const ana = await Client.of(gateway, 'ana');
    const { models } = await ana.request<{
      models: { nodes: { id: string; name: string; type: string; photos: { id: string }[] }[] };
    }>('{ models { nodes { id name type photos { id } } } }');
    const [{ id, name, type, photos }] = models.nodes as [(typeof models.nodes)[number]];
    const idempotencyKey = '378c9102-3b66-4a75-a2bd-7f7c37f7e4b2';
    const input = { name, type, photoIds: photos.map((photo) => photo.id), idempotencyKey };
    expect(await ana.request(creations.trainModel, { input })).toMatchObject({
      trainModel: { model: { id } },
    });
    expect(await ana.train({ name, type, photoIds: input.photoIds, idempotencyKey })).toMatchObject({ id });
  });

  it('serves its models, generations and avatars', async () => {
    const ana = await Client.of(gateway, 'ana');
    const data = await ana.request(`{
      models { nodes { name status generations { nodes { status avatars { style } } } } }
    }`);
    expect(data).toMatchObject({
      models: {
        nodes: [
          {
            name: 'Demo of 6 photos',
            status: 'READY',
            generations: {
              nodes: [{ status: 'COMPLETED', avatars: [{}, {}, {}, {}] }],
            },
          },
        ],
      },
    });
  });
});
