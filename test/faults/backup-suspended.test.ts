import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { inLongTransaction } from '../../src/cli/long-transaction.repository';
import { DomainError } from '../../src/core/errors';
import type { Sql } from '../../src/core/sql';
import { likeness } from '../support/command-line';
import { TestDatabase, testEngine } from '../support/database';
import { until } from '../support/until';

jest.setTimeout(120_000);

const program = join(__dirname, '../../dist/cli/likeness.js');

describe('a restore', () => {
  it.each([
    ['and whose copies fail', true],
    ['and could continue', false],
  ])('that was suspended %s leaves the files of another restore as they are', async (_, fails) => {
    const folder = await mkdtemp(join(tmpdir(), 'likeness-backup-'));
    const [original, database] = [await TestDatabase.create(), await TestDatabase.create()];
    const [from, to, backup] = ['from', 'to', 'backup'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const names = Array.from({ length: 500 }, (_, n) => `picture-${n}`);
    await mkdir(join(from, 'media'), { recursive: true });
    for (const name of names) await writeFile(join(from, 'media', name), name);
    await likeness({ DATABASE_URL: original.url, DATA_DIR: from }, 'backup', backup);

    const there = { DATABASE_URL: database.url, DATA_DIR: to };
    const child = spawn(process.execPath, [program, 'restore', backup], {
      env: { ...process.env, DATABASE_ENGINE: testEngine.name, ...there },
    });
    const ended = Promise.all([once(child, 'close'), text(child.stderr)]);
    await until(() => existsSync(join(to, 'restore.json')));
    child.kill('SIGSTOP');
    expect(await likeness(there, 'restore', backup)).toMatchObject({ code: 0 });
    const restored = async (): Promise<Map<string, number>> => {
      const present = (await readdir(join(to, 'media'))).filter((name) => names.includes(name));
      const written = present.map(async (name): Promise<[string, number]> => {
        const { mtimeMs } = await stat(join(to, 'media', name));
        return [name, mtimeMs];
      });
      return new Map(await Promise.all(written));
    };
    const complete = await restored();
    expect(complete.size).toBe(names.length);
    if (fails) await rename(backup, `${backup}-elsewhere`);
    child.kill('SIGCONT');
    const [[code], remarks] = await ended;
    expect({ code, remarks }).toEqual({ code: 1, remarks: expect.stringContaining('was suspended') });
    expect(await restored()).toEqual(complete);
    await database.drop();
    await original.drop();
    await rm(folder, { recursive: true, force: true });
  });
});

describe('a backup', () => {
  let folder: string;
  let database: TestDatabase;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'likeness-backup-'));
    database = await TestDatabase.create();
  });
  afterAll(async () => {
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  it('holds no lock once its process has been suspended, and may work outside the database for as long', async () => {
    const holder = await database.session();
    await holder.query('BEGIN; LOCK TABLE learned_durations IN ACCESS EXCLUSIVE MODE');
    const child = spawn(process.execPath, [program, 'backup', join(folder, 'backup')], {
      env: { ...process.env, DATABASE_URL: database.url, DATA_DIR: folder },
    });
    const ended = Promise.all([once(child, 'close'), text(child.stderr)]);
    const waiting = `SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'learned_durations'::regclass
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
    await until(async () => (await database.rows(waiting)).length > 0);
    const working = inLongTransaction(await database.pool(1), async (sql) => {
      child.kill('SIGSTOP');
      await holder.query('COMMIT');
      await holder.query(`BEGIN; SET LOCAL lock_timeout = '60s'; LOCK TABLE learned_durations; COMMIT`);
      return sql.rows<{ works: boolean }>('SELECT true AS works');
    }).finally(() => child.kill('SIGCONT'));
    expect(await working).toEqual([{ works: true }]);
    const [[code], remarks] = await ended;
    expect({ code, remarks }).toEqual({
      code: 1,
      remarks: expect.stringContaining('was suspended for more than 10 seconds'),
    });
  });

  it('holds no lock once its process has been suspended while it receives many rows', async () => {
    const many = await TestDatabase.create();
    await many.rows(`INSERT INTO notices (id, owner, kind, message)
      SELECT gen_random_uuid(), 'owner', 'SPENDING_LIMIT_NEAR', repeat('x', 100_000) FROM generate_series(1, 3000)`);
    const child = spawn(process.execPath, [program, 'backup', join(folder, 'many')], {
      env: { ...process.env, DATABASE_URL: many.url, DATA_DIR: folder },
    });
    const ended = Promise.all([once(child, 'close'), text(child.stderr)]);
    const sending = `SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND query LIKE 'FETCH%' AND wait_event = 'ClientWrite'`;
    await until(async () => {
      if ((await many.rows(sending)).length === 0) return false;
      child.kill('SIGSTOP');
      if ((await many.rows(sending)).length > 0) return true;
      child.kill('SIGCONT');
      return false;
    });
    const holder = await many.session();
    await holder.query(`BEGIN; SET LOCAL lock_timeout = '60s'; LOCK TABLE notices; COMMIT`);
    child.kill('SIGCONT');
    const [[code], remarks] = await ended;
    expect({ code, remarks }).toEqual({
      code: 1,
      remarks: expect.stringContaining('was suspended for more than 10 seconds'),
    });
    await many.drop();
  });

  it('says that it was suspended, also while its transaction was repeated', async () => {
    const { now } = Date;
    const clock = jest.spyOn(Date, 'now');
    const work = jest.fn(() => Promise.resolve());
    const transaction = async (attempt: (sql: Sql) => Promise<unknown>): Promise<never> => {
      await attempt({} as Sql);
      work.mockImplementation(() => {
        clock.mockImplementation(() => now() + 11_000);
        return Promise.resolve();
      });
      await attempt({} as Sql);
      throw new DomainError('SERVICE_UNAVAILABLE', 'The database is temporarily unavailable.');
    };
    await expect(inLongTransaction({ transaction } as never, work)).rejects.toThrow(
      'was suspended for more than 10 seconds',
    );
    clock.mockRestore();
  });

  it('ends before a change of files when the database has ended its transaction, as in a failover', async () => {
    const pool = await database.pool(1);
    const isHeld = (assertHeld: () => void): boolean => {
      try {
        assertHeld();
        return true;
      } catch {
        return false;
      }
    };
    const work = async (sql: Sql, assertHeld: () => void): Promise<void> => {
      const [session] = await sql.rows<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      assertHeld();
      await database.rows('SELECT pg_terminate_backend($1)', [session!.pid]);
      await until(() => !isHeld(assertHeld));
      assertHeld();
    };
    await expect(inLongTransaction(pool, work)).rejects.toThrow('has ended the transaction of the command');
  });

  it('reports the failure of a commit that took long as it is', async () => {
    const failure = new DomainError('SERVICE_UNAVAILABLE', 'The database is temporarily unavailable.');
    const { now } = Date;
    const clock = jest.spyOn(Date, 'now');
    const transaction = async (work: (sql: Sql) => Promise<unknown>): Promise<never> => {
      await work({} as Sql);
      clock.mockImplementation(() => now() + 11_000);
      throw failure;
    };
    const committed = inLongTransaction({ transaction } as never, () => Promise.resolve());
    await expect(committed).rejects.toBe(failure);
    clock.mockRestore();
  });
});
