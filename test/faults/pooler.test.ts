import { join } from 'node:path';
import { Client } from 'pg';
import { startApp } from '../../src/app/app';
import { createLogger } from '../../src/core/logger';
import { createDataSource } from '../../src/database/data-source';
import { Database } from '../../src/database/database';
import { readConfig } from '../../src/read-config';
import type { Job } from '../support/client';
import { likeness } from '../support/command-line';
import { findViolations } from '../support/faults-audit';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending } from '../support/faults-jobs';
import type { LogLine } from '../support/faults-process';
import { Pooler } from '../support/pooler';
import { TcpProxy } from '../support/servers';
import { urlOfDatabase } from '../support/test-server';
import { eventually, until } from '../support/until';

jest.setTimeout(180_000);

let pooler: Pooler;
let environment: FaultsEnvironment;
let settings: { DATABASE_URL: string; DATABASE_DIRECT_URL: string };

beforeAll(async () => {
  environment = await FaultsEnvironment.open();
  pooler = await Pooler.start(environment.databaseUrl, 4);
  settings = {
    DATABASE_URL: pooler.urlOf(environment.databaseUrl),
    DATABASE_DIRECT_URL: environment.databaseUrl,
  };
  await environment.gateway.kill();
  await environment.restartGateway(0, settings);
  await environment.addGateway({ ...settings, DATABASE_PREPARED_STATEMENTS: 'false' });
});

afterAll(async () => {
  await environment.stop();
  await pooler.stop();
});

const trainOne = async (): Promise<string> =>
  (await environment.client.train({ photoIds: await environment.client.upload(5) })).id;

/** Whether a job has succeeded, or its photos could not be served to the avatar service during the outage. */
const isKnown = ({ status, failure }: Job): boolean =>
  status === 'READY' || failure?.code === 'PHOTO_UNREACHABLE';

/** The error of a start with these settings. */
const startError = async (given: Record<string, string>): Promise<unknown> => {
  const config = readConfig({ ...given, PORT: '0', DATA_DIR: environment.dataDir, ROLE: 'api' });
  return startApp(config, createLogger('silent')).then(
    (app) => app.stop(),
    (error: unknown) => error,
  );
};

/** What is left of a gateway in the sessions of the pooler: values that differ from those of a new session. */
const leftovers = async (): Promise<unknown[]> => {
  const sessions = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const client = new Client(settings.DATABASE_URL);
      await client.connect();
      await client.query('BEGIN');
      return client;
    }),
  );
  try {
    const answers = await Promise.all(
      sessions.map((client) =>
        client.query<{ left: unknown }>(
          `SELECT name || '=' || setting AS left FROM pg_settings WHERE source = 'session' AND name <> 'transaction_isolation'
              AND name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'synchronous_commit', 'search_path')
           UNION ALL SELECT name FROM pg_prepared_statements
           UNION ALL SELECT channel FROM pg_listening_channels() channel WHERE channel NOT LIKE 'likeness_check_%'
           UNION ALL SELECT 'lock ' || objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()`,
        ),
      ),
    );
    return answers.flatMap(({ rows }) => rows);
  } finally {
    await Promise.all(sessions.map((client) => client.end()));
  }
};

describe('gateways on pgbouncer in transaction mode', () => {
  it('end each job while pgbouncer is killed and started again, and pay once for each that is ready', async () => {
    const before = await environment.paid();
    const ids = await Promise.all(Array.from({ length: 4 }, trainOne));
    await pooler.crash();
    await pooler.begin();
    const jobs = await Promise.all(ids.map((id) => ending(environment, 'training', id)));
    expect(jobs.filter((job) => !isKnown(job))).toEqual([]);
    expect((await environment.paid()) - before).toBe(jobs.filter(({ status }) => status === 'READY').length);
    expect(await findViolations(environment)).toEqual([]);
  });

  it('complete jobs when their direct sessions are ended', async () => {
    const id = await trainOne();
    await environment.rows(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'likeness wake-ups'`,
    );
    expect(await ending(environment, 'training', id)).toMatchObject({ status: 'READY' });
    await eventually(
      'new direct sessions',
      () =>
        environment.rows(
          `SELECT FROM pg_stat_activity WHERE application_name = 'likeness wake-ups' AND datname = current_database()`,
        ),
      ({ length }) => length === 2,
    );
  });

  it('log once that the server of DATABASE_DIRECT_URL is away, and its return', async () => {
    const proxy = new TcpProxy(new URL(settings.DATABASE_DIRECT_URL));
    await proxy.open();
    const gateway = await environment.addGateway({ ...settings, DATABASE_DIRECT_URL: proxy.url });
    const lines = (): LogLine[] => gateway.said(/DATABASE_DIRECT_URL/);
    try {
      await proxy.close();
      await until(() => lines().length > 0);
      await proxy.open();
      await until(() => gateway.said(/^wake-up connection restored$/).length > 0);
      expect(lines()).toEqual([expect.objectContaining({ level: 'warn', err: expect.anything() })]);
    } finally {
      await gateway.stop();
      environment.gateways.pop();
      await proxy.close();
    }
  });

  it('end each job when their transactions lose the connection, and pay once for each that is ready', async () => {
    const before = await environment.paid();
    const ids = await Promise.all(Array.from({ length: 3 }, trainOne));
    for (let count = 0; count < 5; count += 1) {
      await environment.rows(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'likeness' AND pid <> pg_backend_pid()`,
      );
    }
    const jobs = await Promise.all(ids.map((id) => ending(environment, 'training', id)));
    expect(jobs.filter((job) => !isKnown(job))).toEqual([]);
    expect((await environment.paid()) - before).toBe(jobs.filter(({ status }) => status === 'READY').length);
    expect(await findViolations(environment)).toEqual([]);
  });

  it('limit the time of transactions, and warn that single statements have no limit', async () => {
    const options = { url: settings.DATABASE_URL, poolSize: 1, entities: [], isPooled: true };
    const source = await createDataSource(options).initialize();
    const database = new Database(source, { isPooled: true, prepares: false });
    const rows = await database.transaction((sql) =>
      sql.rows(
        `SELECT name, setting FROM pg_settings WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout') ORDER BY 1`,
      ),
    );
    await source.destroy();
    // Rows that a suspended process has locked are free within the 30 s after which others must continue.
    expect(rows).toEqual([
      { name: 'idle_in_transaction_session_timeout', setting: '10000' },
      { name: 'statement_timeout', setting: '15000' },
    ]);
    const warned = environment.gateway.log.filter(({ msg }) => msg.includes('have no time limit'));
    expect(warned).toHaveLength(1);
  });

  it('leave no settings, prepared statements, advisory locks or channels in sessions that other clients get', async () => {
    expect(await leftovers()).toEqual([]);
  });
});

describe('the start', () => {
  it('is refused on pgbouncer without DATABASE_DIRECT_URL, or if that leads to pgbouncer or another database', async () => {
    const { DATABASE_URL, DATABASE_DIRECT_URL } = settings;
    expect(() => readConfig({ DATABASE_DIRECT_URL })).toThrow('DATABASE_DIRECT_URL needs DATABASE_URL');
    const urls = [
      urlOfDatabase(environment.databaseUrl, 'postgres'),
      `${DATABASE_URL}?application_name=other`,
    ];
    const migrating = likeness({ DATABASE_URL }, 'migrate');
    const errors = await Promise.all([
      startError({ DATABASE_URL }),
      ...urls.map((url) => startError({ DATABASE_URL, DATABASE_DIRECT_URL: url })),
    ]);
    const messages = errors.map((error) => (error as Error).message);
    expect(messages[0]).toMatch(/^DATABASE_URL leads to a pooler.* Set DATABASE_DIRECT_URL/);
    for (const message of messages.slice(1))
      expect(message).toMatch(/^A notification .* did not arrive at DATABASE_DIRECT_URL/);
    expect(await migrating).toMatchObject({ code: 1, remarks: expect.stringMatching(/leads to a pooler/) });
    expect(await leftovers()).toEqual([]);
  });

  it('is refused with the name of DATABASE_DIRECT_URL if that cannot be used', async () => {
    const { DATABASE_URL, DATABASE_DIRECT_URL } = settings;
    const [closed, forbidden] = [new URL(DATABASE_DIRECT_URL), new URL(DATABASE_DIRECT_URL)];
    closed.port = '9';
    forbidden.password = 'wrong';
    const urls = [closed.href, forbidden.href, urlOfDatabase(DATABASE_DIRECT_URL, 'missing')];
    const errors = await Promise.all(
      urls.map((url) => startError({ DATABASE_URL, DATABASE_DIRECT_URL: url })),
    );
    expect(errors.map((error) => (error as Error).message)).toEqual([
      expect.stringMatching(/^DATABASE_DIRECT_URL cannot be used: .*ECONNREFUSED/),
      expect.stringMatching(/^DATABASE_DIRECT_URL cannot be used: password authentication failed/),
      expect.stringMatching(/^DATABASE_DIRECT_URL cannot be used: database "missing" does not exist/),
    ]);
  });
});

describe('commands', () => {
  const folder = (name: string): string => join(environment.dataDir, name);
  const commands = (backup: string): string[][] => [
    ['status'],
    ['jobs'],
    ['uncertain', 'list'],
    ['backup', folder(backup)],
    ['migrate'],
  ];

  it('work on pgbouncer with DATABASE_DIRECT_URL', async () => {
    for (const words of commands('backup')) {
      const { code, remarks } = await likeness({ ...settings, DATA_DIR: environment.dataDir }, ...words);
      expect({ words, code, remarks }).toMatchObject({ words, code: 0 });
    }
  });

  it('name DATABASE_DIRECT_URL if they are refused, without it or if it leads to pgbouncer', async () => {
    const { DATABASE_URL } = settings;
    const environments: Record<string, string>[] = [
      { DATABASE_URL },
      { DATABASE_URL, DATABASE_DIRECT_URL: DATABASE_URL },
    ];
    for (const each of environments)
      for (const words of [...commands('refused'), ['restore', folder('backup')], ['doctor']]) {
        // A restore needs a new one.
        const DATA_DIR = words[0] === 'restore' ? folder('restored') : environment.dataDir;
        const { code, out, remarks } = await likeness({ ...each, DATA_DIR }, ...words);
        expect({ words, code }).toEqual({ words, code: 1 });
        expect(`${out} ${remarks}`).toMatch(
          /leads to a pooler.* Set DATABASE_DIRECT_URL to the URL of PostgreSQL itself/,
        );
      }
  });
});
