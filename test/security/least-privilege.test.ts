import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client as Session } from 'pg';
import { startApp } from '../../src/app/app';
import { runProgram } from '../../src/cli/program';
import { createLogger } from '../../src/core/logger';
import { readConfig } from '../../src/read-config';
import { Client } from '../support/client';
import { TestDatabase } from '../support/database';
import { TestGateway } from '../support/gateway';

const script = readFileSync(join(__dirname, '../../docs/database-role.sql'), 'utf8');

/** The documented role name with a suffix, since the server is shared by all runs. */
const role = `likeness_gateway_${process.pid}`;

describe('a gateway whose database role cannot change the schema', () => {
  let gateway: TestGateway;
  let admin: Session;

  beforeAll(async () => {
    const settings: Record<string, string> = {};
    gateway = await TestGateway.start(settings);
    await gateway.end();
    admin = await gateway.database.session();
    await admin.query(script.replaceAll('likeness_gateway', role).replaceAll('CHANGE-ME', 'secret'));
    const url = new URL(gateway.database.url);
    url.username = role;
    url.password = 'secret';
    settings.DATABASE_URL = url.href;
    settings.MIGRATE = 'false';
    await gateway.begin();
  });
  afterAll(async () => {
    await gateway.end();
    await admin.query(`DROP OWNED BY ${role}`);
    await admin.query(`DROP ROLE ${role}`);
    await gateway.stop();
  });

  it('runs the full flow from photos to avatars, and deletes all data', async () => {
    const client = new Client(() => gateway.url);
    const photoIds = await client.upload();
    const modelId = await client.trained(photoIds);
    const { id } = await client.generate(modelId);
    expect((await client.generationEnd(id)).status).toBe('COMPLETED');
    await client.delete('deleteGeneration', id);
    await client.delete('deleteModel', modelId);
    await client.delete('deletePhoto', photoIds[0]!);
    expect(await client.model(modelId)).toBeNull();
    expect(gateway.log.filter((line) => JSON.stringify(line).includes('permission denied'))).toEqual([]);
  });

  it.each([
    ['make a table', 'CREATE TABLE mine (id int)'],
    ['change one', 'ALTER TABLE photos ADD COLUMN mine int'],
    ['remove one', 'DROP TABLE photos'],
    ['empty one', 'TRUNCATE photos'],
    ['record a migration', `INSERT INTO migrations (timestamp, name) VALUES (1, 'mine')`],
    ['make a role', 'CREATE ROLE mine'],
    ['read the passwords of others', 'SELECT * FROM pg_authid'],
    ['run a program', `COPY photos TO PROGRAM 'cat'`],
  ])('cannot %s', async (_what, statement) => {
    await admin.query(`SET ROLE ${role}`);
    try {
      await expect(admin.query(statement)).rejects.toThrow(/permission denied|must be/);
    } finally {
      await admin.query('RESET ROLE');
    }
  });
});

describe('MIGRATE=false', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await TestDatabase.create();
  });
  afterAll(() => database.drop());

  const starts = (): Promise<unknown> =>
    startApp(readConfig({ DATABASE_URL: database.url, MIGRATE: 'false', PORT: '0' }), createLogger('silent'));

  it('fails the start while a migration is missing', async () => {
    await database.rows('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
    await expect(starts()).rejects.toThrow(/lacks \d+ of \d+ migrations.*likeness -- migrate/);
    const said: string[] = [];
    const shell = {
      environment: { DATABASE_URL: database.url },
      print: (text: string) => void said.push(text),
      remark: (text: string) => void said.push(text),
    };
    expect(await runProgram(['migrate'], shell)).toBe(0);
    expect(said).toEqual(['The database has the latest schema.']);
    expect(await runProgram(['migrate'], { ...shell, environment: {} })).toBe(1);
    expect(said.at(-1)).toContain('Set DATABASE_URL');
  });
});
