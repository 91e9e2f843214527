import { once } from 'node:events';
import { mkdir, readdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Client } from 'pg';
import { type EmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres';
import { isTaken, run } from '../../src/embedded-postgres/process';
import { EmbeddedServers } from '../support/embedded-servers';
import { rowsAt } from '../support/test-server';
import { until } from '../support/until';

describe('the first start of the embedded PostgreSQL', () => {
  const servers = new EmbeddedServers();
  const begunLongAgo = `${servers.dir}.new-killed`;
  let both: EmbeddedPostgres[];
  let url: string;

  beforeAll(async () => {
    await mkdir(join(begunLongAgo, 'data'), { recursive: true });
    const anHourAgoS = Date.now() / 1000 - 3600;
    await utimes(begunLongAgo, anHourAgoS, anHourAgoS);
    both = await Promise.all([servers.start(), servers.start()]);
    url = both[0]!.url;
  });

  afterAll(() => servers.clear());

  it('creates a database called likeness in a directory with spaces in its name', async () => {
    expect(await rowsAt(url, 'SELECT current_database() AS db, current_user AS who')).toEqual([
      { db: 'likeness', who: 'likeness' },
    ]);
  });

  it('makes one server when two start at once', () => {
    expect(both[1]).toMatchObject({ url, pid: both[0]!.pid });
    expect(both.filter(({ started }) => started)).toHaveLength(1);
  });

  it('leaves no temporary files, also after a killed start', async () => {
    expect(await readdir(servers.parent)).toEqual(['postgres']);
  });

  it('syncs every commit to the disk, and survives torn pages', async () => {
    const syncCount = `SELECT sum(fsyncs) AS fsyncs FROM pg_stat_io WHERE object = 'wal'`;
    // Each query has a session of its own, which reports its statistics when it ends.
    const syncs = async (): Promise<number> =>
      Number((await rowsAt<{ fsyncs: string }>(url, syncCount))[0]!.fsyncs);
    await rowsAt(url, 'CREATE TABLE commits (id int)');
    const before = await syncs();
    for (let id = 0; id < 10; id += 1) await rowsAt(url, `INSERT INTO commits VALUES (${id})`);
    await until(async () => (await syncs()) >= before + 10, 5_000);
    expect(await rowsAt(url, 'SHOW full_page_writes')).toEqual([{ full_page_writes: 'on' }]);
  });

  it('can be reached from this machine only', async () => {
    expect(await rowsAt(url, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
    expect(await rowsAt(url, 'SHOW unix_socket_directories')).toEqual([{ unix_socket_directories: '' }]);
  });

  it('requires the password, which only the owner can read', async () => {
    const { password } = new URL(url);
    await expect(rowsAt(url.replace(password, 'wrong'), 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    await expect(rowsAt(url.replace(`:${password}`, ''), 'SELECT 1')).rejects.toThrow(/password/i);
    expect(await rowsAt(url, 'SELECT DISTINCT auth_method FROM pg_hba_file_rules')).toEqual([
      { auth_method: 'scram-sha-256' },
    ]);
    expect((await stat(join(servers.dir, 'password'))).mode & 0o777).toBe(0o600);
    expect((await stat(servers.dir)).mode & 0o777).toBe(0o700);
  });

  it('keeps user data out of its log', async () => {
    await rowsAt(url, "CREATE TABLE prompts (prompt text CHECK (prompt <> 'a secret prompt'))");
    await expect(rowsAt(url, "INSERT INTO prompts VALUES ('a secret prompt')")).rejects.toMatchObject({
      code: '23514',
    });
    const log = await readFile(join(servers.dir, 'server.log'), 'utf8');
    expect(log).toContain('ready to accept connections');
    expect(log).not.toContain('a secret prompt');
  });
});

describe('a failing first start', () => {
  const servers = new EmbeddedServers();

  afterAll(() => servers.clear());

  it('does not change a directory with other content, and says what to do', async () => {
    await mkdir(servers.dir, { recursive: true });
    await writeFile(join(servers.dir, 'diary.txt'), 'Dear diary');
    await expect(servers.start()).rejects.toThrow(
      /it already exists with other contents\. Move it away, or set DATA_DIR/,
    );
    expect(await readFile(join(servers.dir, 'diary.txt'), 'utf8')).toBe('Dear diary');
    expect(await readdir(servers.parent)).toEqual(['postgres']);
  });

  it('ends when aborted, and leaves no files', async () => {
    const giveUp = new AbortController();
    const starting = servers.start({ signal: giveUp.signal });
    giveUp.abort(new Error('The operator pressed Ctrl-C.'));
    await expect(starting).rejects.toThrow('The operator pressed Ctrl-C.');
    expect(await servers.running()).toEqual([]);
    expect(await readdir(servers.parent)).toEqual(['postgres']);
  });

  it('waits for the end of a program that it aborts', async () => {
    const [begun, over] = [join(servers.parent, 'begun'), join(servers.parent, 'over')];
    const script = `trap 'sleep 0.5; : > "${over}"; exit' TERM; : > "${begun}"; while :; do sleep 0.05; done`;
    const giveUp = new AbortController();
    const running = run(['/bin/sh', '-c', script], {}, 60_000, giveUp.signal);
    await until(async () => (await readdir(servers.parent)).includes('begun'));
    giveUp.abort();
    expect(await running).toMatchObject({ isDone: true });
    expect(await readdir(servers.parent)).toContain('over');
  });
});

describe('a later start of the embedded PostgreSQL', () => {
  const servers = new EmbeddedServers();
  let before: EmbeddedPostgres;

  beforeAll(async () => {
    before = await servers.start();
    await rowsAt(before.url, "CREATE TABLE kept AS SELECT 'still here' AS word");
  });

  beforeEach(() => servers.stop());
  afterAll(() => servers.clear());

  it('keeps data and address', async () => {
    const after = await servers.start();
    expect(after).toMatchObject({ started: true, url: before.url });
    expect(await rowsAt(after.url, 'SELECT word FROM kept')).toEqual([{ word: 'still here' }]);
  });

  it('finds its port free, since outgoing connections use higher ones', () => {
    expect(Number(new URL(before.url).port)).toBeLessThan(32_768);
  });

  it('uses another port when the last one is in use', async () => {
    const squatter = createServer().listen(Number(new URL(before.url).port), '127.0.0.1');
    await once(squatter, 'listening');
    try {
      const after = await servers.start();
      expect(after.url).not.toBe(before.url);
      expect(await rowsAt(after.url, 'SELECT word FROM kept')).toEqual([{ word: 'still here' }]);
    } finally {
      squatter.close();
    }
  });

  it('says what to do when the password is missing', async () => {
    const file = join(servers.dir, 'password');
    await rename(file, `${file}.away`);
    await expect(servers.start()).rejects.toThrow(/Restore the file, or move .* away/);
    expect(await servers.running()).toEqual([]);
    await rename(`${file}.away`, file);
  });

  it('says what to do when the password is wrong, without printing it', async () => {
    const file = join(servers.dir, 'password');
    const right = await readFile(file, 'utf8');
    await writeFile(file, 'of-another-folder');
    const refusal = await servers.start().catch(String);
    expect(refusal).toMatch(/rejects the password in the file "password"/);
    expect(refusal).not.toContain('of-another-folder');
    expect(await servers.running()).toEqual([]);
    await writeFile(file, right);
  });

  it('attaches to a server that runs, which ends with its last user', async () => {
    const first = await servers.start();
    const second = await servers.start();
    expect(second).toMatchObject({ started: false, pid: first.pid });

    await first.stop();
    expect(await rowsAt(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await second.stop();
    await until(() => !isTaken(first.pid));
  });

  it('keeps its server while another gateway stops', async () => {
    const first = await servers.start();
    const [, next] = await Promise.all([first.stop(), servers.start()]);
    expect(await rowsAt(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('can be stopped twice, and with a foreign session open', async () => {
    const postgres = await servers.start();
    const inspection = new Client({ connectionString: postgres.url });
    inspection.on('error', () => undefined);
    await inspection.connect();
    await Promise.all([postgres.stop(), postgres.stop()]);
    await postgres.stop();
    // The ended server is a zombie until Node has read its exit status.
    await until(() => !isTaken(postgres.pid));
  });
});
