import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { isTaken } from '../../src/embedded-postgres/process';
import { EmbeddedServers } from '../support/embedded-servers';
import { crashPostgres, kill } from '../support/processes';
import { rowsAt } from '../support/test-server';
import { until } from '../support/until';

const servers = new EmbeddedServers();

afterEach(() => servers.stop());
afterAll(() => servers.clear());

describe('the embedded PostgreSQL after a crash', () => {
  it('has every committed row', async () => {
    const before = await servers.start();
    const client = new Client({ connectionString: before.url });
    client.on('error', () => undefined);
    await client.connect();
    await client.query('CREATE TABLE paid (id int)');
    let acknowledged = 0;
    const writing = (async () => {
      for (;;) {
        await client.query('INSERT INTO paid VALUES ($1)', [acknowledged + 1]);
        acknowledged += 1;
      }
    })();
    await until(() => acknowledged >= 50);
    await crashPostgres(before.pid);
    await expect(writing).rejects.toThrow();

    const after = await servers.start();
    expect(after.url).toBe(before.url);
    const [row] = await rowsAt<{ last: number; many: number }>(
      after.url,
      'SELECT max(id) AS last, count(*)::int AS many FROM paid',
    );
    expect(row?.last).toBeGreaterThanOrEqual(acknowledged);
    expect(row?.many).toBe(row?.last);
  });

  it('starts although another process has the process id of the killed server', async () => {
    const before = await servers.start();
    const note = join(servers.dir, 'data', 'postmaster.pid');
    const lines = (await readFile(note, 'utf8')).split('\n');
    await crashPostgres(before.pid);
    const bystander = servers.startBystander();
    await writeFile(note, [bystander.pid, ...lines.slice(1)].join('\n'));

    const after = await servers.start();
    expect(after.started).toBe(true);
    expect(await rowsAt(after.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('of the gateway: the server keeps running, the next start attaches, and its stop ends the server', async () => {
    const { gateway, pid } = await servers.startElsewhere(true);
    await kill(gateway);
    expect(isTaken(pid)).toBe(true);

    const next = await servers.start();
    expect(next).toMatchObject({ started: false, pid });
    await next.stop();
    expect(await servers.running()).toEqual([]);
    await expect(rowsAt(next.url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('of a test run: a server that is not durable ends with it', async () => {
    const { gateway, pid } = await servers.startElsewhere(false);
    await kill(gateway);
    await until(() => !isTaken(pid));
    expect(await servers.running()).toEqual([]);
  });
});
