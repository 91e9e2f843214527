import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiSchema } from '../../src/app/services';
import { toGlobalId, newId } from '../../src/core/ids';
import type { Database } from '../../src/database/database';
import { printAppSchema } from '../../src/graphql/build-schema';
import { Client } from '../support/client';
import { likeness, type CommandResult } from '../support/command-line';
import { TestGateway } from '../support/gateway';
import { insertSubmission } from '../support/photo-jobs';

describe('the command line', () => {
  let gateway: TestGateway;
  let sql: Database;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'likeness-photos-'));
    await writeFile(join(folder, '1.jpg'), 'a photo');
    gateway = await TestGateway.start({ ROLE: 'api' });
    sql = await gateway.database.pool(2);
  });
  afterAll(async () => {
    await gateway.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const operate = (...words: string[]): Promise<CommandResult> =>
    likeness({ DATABASE_URL: gateway.database.url, DATA_DIR: gateway.dataDir }, ...words);
  const json = async (...words: string[]): Promise<unknown> =>
    JSON.parse((await operate(...words, '--json')).out);

  describe('for the demo', () => {
    it('uses the address of the settings, and gives up after 5 seconds if no server has ever answered', async () => {
      const environment = { PUBLIC_URL: 'http://127.0.0.1:9/' };
      const { code, out, remarks } = await likeness(environment, 'demo', folder);
      const first = out.split('\n')[0];
      expect({ code, first }).toEqual({ code: 1, first: expect.stringContaining('http://127.0.0.1:9') });
      expect(remarks).toMatch(/was unavailable for 5 s .*Start a server there with npm start/);
    }, 30_000);

    it('names a folder that does not exist', async () => {
      const { code, remarks } = await likeness({}, 'demo', join(folder, 'missing'));
      expect(code).toBe(1);
      expect(remarks).toContain('is no folder that can be read (ENOENT). Name a folder with 5 to 30 photos.');
    });

    it('says UNAUTHENTICATED where that is the answer', async () => {
      const closed = await TestGateway.start({ AUTH: 'keys' });
      const { code, remarks } = await likeness({}, 'demo', folder, '--url', closed.url);
      await closed.stop();
      expect({ code, remarks }).toEqual({
        code: 1,
        remarks: expect.stringMatching(/UNAUTHENTICATED: .*--token/),
      });
    }, 60_000);
  });

  describe('for keys', () => {
    it('prints only the new key, once', async () => {
      const { code, out, remarks } = await operate('keys', 'create', '--owner', 'acme', '--name', 'backend');
      expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/^lk_[0-9a-f]{16}_[\w-]{43}$/) });
      expect(remarks).toContain('cannot be shown again');
      const list = await operate('keys', 'list');
      expect(list.out).toContain('backend');
      expect(list.out).not.toContain(out.slice(20));
    });

    it('prints the same facts as JSON and as text', async () => {
      const made = (await json(
        'keys',
        'create',
        '--owner',
        'json',
        '--scopes',
        'read',
        '--expires',
        '90d',
      )) as Record<string, unknown>;
      expect(made).toMatchObject({ owner: 'json', scopes: ['read'], onBehalf: false, revokedAt: null });
      const days = (Date.parse(made.expiresAt as string) - Date.now()) / 86_400_000;
      expect(days).toBeCloseTo(90, 1);
      const list = (await json('keys', 'list')) as Record<string, unknown>[];
      expect(list.find(({ id }) => id === made.id)).toEqual({ ...made, key: undefined });
    });

    it('revokes by id or by key, repeatedly', async () => {
      const { out: key } = await operate('keys', 'create', '--owner', 'acme');
      const id = key.split('_')[1]!;
      for (const given of [key, id]) {
        expect(await operate('keys', 'revoke', given)).toMatchObject({
          code: 0,
          out: `Key ${id} is revoked.`,
        });
      }
      const rows = await sql.rows(
        'SELECT actor, owner, action FROM audit_log WHERE subject = $1 ORDER BY at',
        [id],
      );
      expect(rows).toEqual([
        { actor: 'operator', owner: 'acme', action: 'createKey' },
        { actor: 'operator', owner: 'acme', action: 'revokeKey' },
      ]);
    });

    it.each([
      [['create'], /--owner/],
      [['create', '--owner', '@acme/bob'], /uses the reserved form/],
      [['create', '--owner', 'a/b', '--on-behalf'], /must not contain a slash/],
      [['create', '--owner', 'acme', '--scopes', 'read,everything'], /"everything" is not a scope/],
      [['create', '--owner', 'acme', '--expires', 'soon'], /90d/],
      [['create', '--owner', 'acme', '--name', 'x'.repeat(101)], /name is longer than 100/],
      [['revoke', '0000000000000000'], /no key with this id/],
    ])('rejects %j with a one-line message', async (words, why) => {
      const { code, out, remarks } = await operate('keys', ...words);
      expect({ code, out }).toEqual({ code: 1, out: '' });
      expect(remarks).toMatch(why);
      expect(remarks.split('\n')).toHaveLength(1);
    });
  });

  describe('for jobs', () => {
    let modelId: string;

    beforeAll(async () => {
      const photoUrls = [1, 2, 3, 4, 5].map((n) => `https://photos.example.com/${n}.jpg`);
      const model = await new Client(() => gateway.url).train({ ...{ name: 'My face' }, photoUrls });
      modelId = model.id;
      const id = (await sql.rows<{ id: string }>('SELECT id FROM models'))[0]!.id;
      await insertSubmission(sql, { modelId: id });
      await sql.rows(
        `UPDATE submissions SET outcome = 'UNKNOWN', evidence = $2, correlation_id = 'corr-1', http_status = 502 WHERE model_id = $1`,
        [id, '<html>\u001b[31m'],
      );
      await sql.rows(`UPDATE models SET status = 'UNCERTAIN', attempt = 1 WHERE id = $1`, [id]);
      await sql.rows(
        `INSERT INTO timeline_entries (id, owner, model_id, attempt, kind, occurred_at, polls, outcome, http_status, duration_ms, correlation_id)
         VALUES ('ffffffff-ffff-7fff-bfff-ffffffffffff', 'local', $1, 1, 'POLLED', now(), 0, 'NOT_FOUND', 404, 12, 'corr-2')`,
        [id],
      );
    });

    it('lists models without their names', async () => {
      const { out } = await operate('models', 'list', '--owner', 'local', '--status', 'uncertain');
      expect(out).toMatch(new RegExp(`^ID .*STATUS.*\n${modelId} +local +WOMAN +UNCERTAIN +0 +5 +1 +- `));
      expect(out).not.toContain('My face');
      expect((await operate('models', 'list', '--owner', 'unknown-owner')).out.split('\n')).toHaveLength(1);
      expect(await operate('models', 'list', '--limit', '0')).toMatchObject({ code: 1 });
    });

    it('shows a job with its paid calls and the escaped responses', async () => {
      const { out } = await operate('models', 'show', modelId);
      expect(out).toMatch(/status +UNCERTAIN/);
      expect(out).toMatch(/1 +UNKNOWN .* 502 +corr-1/);
      expect(out).toContain('<html>\\x1b[31m');
      expect(await json('models', 'show', modelId)).toMatchObject({
        id: modelId,
        submissions: [{ attempt: 1, outcome: 'UNKNOWN', evidence: '<html>\u001b[31m' }],
        timeline: [
          { kind: 'REQUESTED', call: null },
          { kind: 'POLLED', attempt: 1, call: { httpStatus: 404, durationMs: 12, correlationId: 'corr-2' } },
        ],
      });
      expect(out).toMatch(/The job was requested\./);
      expect(out).toMatch(
        /1 +The avatar service was asked .* the service did not know it\. +404 +12 +corr-2/,
      );
    });

    it('shows what is reserved, spent and released, in all and by owner', async () => {
      expect((await operate('money')).out).toBe('No money was reserved, spent or released.');
      await sql.rows(
        `INSERT INTO ledger_entries (id, reservation_id, owner, job_kind, attempt, kind, amount, currency, due_at, created_at)
         SELECT r.id, coalesce(of, r.id), owner, 'model', 1, kind, amount, 'EUR', CASE WHEN is_open THEN now() END, now() - days * interval '1 day'
           FROM (VALUES (1, NULL::int, 'anna', 'RESERVED', 2500000, false, 0), (2, 1, 'anna', 'SPENT', 2500000, false, 0),
                        (3, NULL, 'anna', 'RESERVED', 1000000, true, 90), (4, NULL, 'bob', 'RESERVED', 10, false, 0),
                        (5, 4, 'bob', 'RELEASED', 10, false, 0), (6, NULL, 'bob', 'RESERVED', 7000000, false, 40),
                        (7, 6, 'bob', 'SPENT', 7000000, false, 40)) AS e (n, m, owner, kind, amount, is_open, days),
                LATERAL (SELECT lpad(n::text, 32, '0')::uuid AS id, lpad(m::text, 32, '0')::uuid AS of) AS r`,
      );
      const lines = (await operate('money')).out.split('\n').map((line) => line.split(/ +/));
      expect(lines).toEqual([
        ['OWNER', 'CURRENCY', 'RESERVED', 'SPENT', 'RELEASED'],
        ['all', 'EUR', '1', '2.5', '0.00001'],
        ['anna', 'EUR', '1', '2.5', '0'],
        ['bob', 'EUR', '0', '0', '0.00001'],
      ]);
      const bob = { currency: 'EUR', reserved: '0', spent: '7', released: '0.00001' };
      expect(await json('money', '--owner', 'bob', '--days', '60')).toEqual({
        totals: [bob],
        owners: [{ owner: 'bob', ...bob }],
      });
      expect(await json('money', '--limit', '1')).toMatchObject({ owners: [{ owner: 'anna' }] });
      expect(await operate('money', '--days', '0')).toMatchObject({ code: 1 });
    });

    it('summarises the state of jobs', async () => {
      const { out } = await operate('status');
      expect(out).toMatch(/model +UNCERTAIN +1/);
      expect(out).toContain(`${modelId}, requested`);
      expect(await json('status')).toMatchObject({
        uncertain: { id: modelId },
        pendingMediaDeletions: 0,
        accounts: [],
      });
    });

    it('retries an UNCERTAIN job for its owner and audits the operator', async () => {
      expect(await operate('retry', modelId)).toMatchObject({ code: 0, out: `${modelId} is QUEUED.` });
      const again = await operate('retry', modelId);
      expect(again).toMatchObject({ code: 1, out: '' });
      expect(again.remarks).toMatch(/^likeness: The model is QUEUED\. Only models that are UNCERTAIN/);
      const rows = await sql.rows(`SELECT actor, owner FROM audit_log WHERE action = 'retryModel'`);
      expect(rows).toEqual([{ actor: 'operator', owner: 'local' }]);
    });

    it.each([
      ['models', 'show', 'model_1'],
      ['models', 'show', toGlobalId('AvatarModel', newId())],
      ['generations', 'show', toGlobalId('AvatarModel', newId())],
      ['retry', toGlobalId('Photo', newId())],
      ['retry', toGlobalId('Generation', newId())],
    ])('reports %s %s %s as not found', async (...words) => {
      const { code, remarks } = await operate(...words);
      expect(code).toBe(1);
      expect(remarks).toMatch(/^likeness: (There is no|".*" is not)/);
    });
  });

  it('names a wrong DATABASE_URL, and then makes a complete backup in the same folder, also while the bucket is away', async () => {
    const { url } = gateway.database;
    const away = { DATA_DIR: gateway.dataDir, S3_BUCKET: 'away', S3_ENDPOINT: 'http://127.0.0.1:9' };
    const backup = (DATABASE_URL: string): Promise<CommandResult> =>
      likeness({ ...away, DATABASE_URL }, 'backup', join(folder, 'backup'), '--json');
    const failed = await backup(url.replace(/[^/]+$/, 'missing'));
    expect(failed.code).toBe(1);
    expect(failed.remarks).toContain('no database with the name in DATABASE_URL');
    const { code, out, remarks } = await backup(url);
    expect([code, JSON.parse(out)]).toEqual([0, expect.objectContaining({ damaged: null })]);
    expect(remarks).toContain('The backup is complete, but its pictures could not be compared');
  });

  it('writes the schema without a database', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'likeness-schema-'));
    const file = join(folder, 'schema.graphql');
    expect(await likeness({}, 'schema', '--out', file)).toMatchObject({ code: 0, out: '' });
    expect(await readFile(file, 'utf8')).toBe(printAppSchema(apiSchema()));
    await rm(folder, { recursive: true });
  });

  it.each([
    [{ DATABASE_URL: 'postgres://unknown@127.0.0.1:1/nowhere' }, /cannot be reached/],
    [{ DATA_DIR: '/nonexistent/likeness' }, /no database in \/nonexistent\/likeness/],
    [
      { UPSTREAM: 'picsart', PICSART_KEY: 'x' },
      /is needed .*PICSART_KEY is not a setting; did you mean PICSART_API_KEY/s,
    ],
  ])('reports invalid settings: %j', async (environment, why) => {
    const { code, out, remarks } = await likeness(environment, 'models', 'list');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(remarks).toMatch(why);
  });

  it.each([
    [['backup', '/proc/likeness/x'], /The folder \/proc\/likeness\/x cannot be created: .* Name a folder/],
    [['sandbox', '--dir', '/proc/likeness'], /The folder \/proc\/likeness cannot be created/],
    [['keys', 'create', '--owner', 'x'], /DATA_DIR \/proc\/likeness cannot be created .*Set DATA_DIR/],
    [['media', 'move', '--from', 's3', '--to', 'disk'], /S3_BUCKET/],
  ])('names folders that cannot be created: %j', async (words, why) => {
    const { code, out, remarks } = await likeness({ DATA_DIR: '/proc/likeness' }, ...words);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(remarks).toMatch(why);
  });

  it('prints JSON for scripts, and refuses unknown options, of every command', async () => {
    const wordsOf = async (...path: string[]): Promise<string[][]> => {
      const { code, out } = await likeness({}, ...path, '--help');
      expect(code).toBe(0);
      const [, listed] = out.split('Commands:\n');
      if (listed === undefined) return [path];
      const names = [...listed.matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name!);
      const found = await Promise.all(
        names.filter((name) => name !== 'help').map((name) => wordsOf(...path, name)),
      );
      return found.flat();
    };
    const commands = await wordsOf();
    expect(commands.length).toBeGreaterThan(30);
    const without: string[] = [];
    for (const words of commands) {
      const { out } = await likeness({}, ...words, '--help');
      if (!out.includes('--json')) without.push(words.join(' '));
      expect(await likeness({}, ...words, '--jsn')).toMatchObject({ code: 1, out: '' });
    }
    // These write lines of JSON or a file, or run until they are stopped.
    expect(without.sort()).toEqual(['demo', 'export', 'migrate', 'sandbox', 'schema']);
  });

  it('prints its usage', async () => {
    expect(await operate('--help')).toMatchObject({
      code: 0,
      out: expect.stringContaining('retry [options] <id>'),
    });
    expect(await operate('frobnicate')).toMatchObject({
      code: 1,
      out: '',
      remarks: expect.stringContaining('unknown command'),
    });
  });
});

describe('the command line on the embedded database', () => {
  it('creates the first key before the first start of the gateway', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'likeness-first-'));
    const environment = { DATA_DIR: folder };
    const create = (): Promise<CommandResult> => likeness(environment, 'keys', 'create', '--owner', 'first');
    const { remarks, ...created } = await create();
    expect(created).toEqual({ code: 0, out: expect.stringMatching(/^lk_/) });
    // With settings that are not those of the gateway, the key would be of no use.
    expect(remarks).toContain(`A database is created in ${folder}. If the gateway uses another`);
    expect((await create()).remarks).not.toContain('A database is created');
    expect((await likeness(environment, 'keys', 'list')).out).toContain('first');
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  });
});
