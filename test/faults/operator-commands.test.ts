import { appendFile, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readGlobalId } from '../../src/core/ids';
import type { Database } from '../../src/database/database';
import { Client, uuidOf } from '../support/client';
import { likeness, type CommandResult } from '../support/command-line';
import { TestGateway } from '../support/gateway';
import { insertWebhook } from '../support/operator-rows';
import { send } from '../support/raw-client';
import { until } from '../support/until';
import { receiverSettings } from '../support/webhook-receiver';

jest.setTimeout(120_000);

let gateway: TestGateway;
let client: Client;
let sql: Database;
let photoIds: string[];

beforeAll(async () => {
  gateway = await TestGateway.start(receiverSettings);
  client = new Client(() => gateway.url);
  sql = await gateway.database.pool(2);
  photoIds = await client.upload();
});
afterAll(() => gateway.stop());

const settings = (): Record<string, string> => ({
  DATABASE_URL: gateway.database.url,
  DATA_DIR: gateway.dataDir,
});
const operate = (...words: string[]): Promise<CommandResult> => likeness(settings(), ...words);
const json = async <T>(...words: string[]): Promise<T> =>
  JSON.parse((await operate(...words, '--json')).out) as T;

/** The audited actions of the operator on an object. */
const audited = async (subject: string): Promise<string[]> => {
  const query = `SELECT action FROM audit_log WHERE subject = $1 AND actor = 'operator' ORDER BY at`;
  return (await sql.rows<{ action: string }>(query, [subject])).map(({ action }) => action);
};

const uncertainModel = async (fault: 'reset-after' | 'reset-before'): Promise<string> => {
  await gateway.sandbox.fault({ on: 'train', kind: fault });
  const { id } = await client.train({ photoIds });
  await client.becomes('model', id, 'UNCERTAIN');
  return id;
};

describe('uncertain', () => {
  it('continues a job with the id that the avatar service has given, without another payment', async () => {
    const trained = await client.trained(photoIds);
    const [{ ref } = { ref: '' }] = await sql.rows<{ ref: string }>(
      'SELECT provider_ref AS ref FROM models WHERE id = $1',
      [uuidOf(trained)],
    );
    await client.delete('deleteModel', trained);
    photoIds = await client.upload();
    const id = await uncertainModel('reset-after');
    const paid = (await gateway.sandbox.counts()).trainings;

    expect((await json<{ id: string }[]>('uncertain', 'list')).map((job) => job.id)).toEqual([id]);
    expect((await operate('uncertain', 'list')).out).toContain(id);
    const settled = await operate('uncertain', 'settle', id, '--accepted', ref);
    expect(settled).toMatchObject({ code: 0, out: `${id} is TRAINING.` });
    expect(await client.modelEnd(id)).toMatchObject({ status: 'READY', attempt: 1 });
    expect((await gateway.sandbox.counts()).trainings).toBe(paid);
    expect(await audited(id)).toEqual(['settleUncertain']);
    expect(await operate('uncertain', 'settle', id, '--not-executed')).toMatchObject({
      code: 1,
      remarks: expect.stringContaining('is not UNCERTAIN'),
    });
  });

  it('submits a job again whose call was not executed', async () => {
    const id = await uncertainModel('reset-before');
    const both = await operate('uncertain', 'settle', id, '--not-executed', '--accepted', 'x');
    expect(both).toMatchObject({ code: 1, remarks: expect.stringContaining('State the outcome') });
    for (const ref of ['', 'x'.repeat(256), 'a\u001b[2J'])
      expect(await operate('uncertain', 'settle', id, '--accepted', ref)).toMatchObject({
        code: 1,
        remarks: expect.stringMatching(/^likeness: --accepted must /),
      });
    expect(await operate('uncertain', 'settle', id, '--not-executed')).toMatchObject({ code: 0 });
    expect(await client.modelEnd(id)).toMatchObject({ status: 'READY', attempt: 2 });
  });
});

describe('pause and resume', () => {
  it('stop and continue paid calls of a provider in all processes, and lose no job', async () => {
    expect(await operate('pause', 'picsart')).toMatchObject({
      code: 0,
      out: expect.stringContaining('No account has been used yet'),
    });
    expect(JSON.parse((await operate('status', '--json')).out)).toMatchObject({
      operatorPauses: ['picsart'],
    });
    expect((await operate('doctor')).out).toContain('paused: picsart (by the operator)');
    await operate('resume');
    expect(await operate('pause', 'sandbox')).toMatchObject({
      code: 0,
      out: expect.stringContaining('paused'),
    });
    const paid = (await gateway.sandbox.counts()).trainings;
    const { id } = await client.train({ photoIds });
    const shown = await json<{ status: string; waitsFor: string }>('models', 'show', id);
    expect(shown).toMatchObject({ status: 'QUEUED', waitsFor: 'submissions are paused: OPERATOR' });
    const { text } = await send(`${gateway.url}/metrics`);
    expect(text).toContain('likeness_submissions_paused{provider="sandbox",reason="OPERATOR"} 1');
    expect((await gateway.sandbox.counts()).trainings).toBe(paid);
    expect(await operate('resume', 'sandbox')).toMatchObject({ code: 0 });
    expect(await client.modelEnd(id)).toMatchObject({ status: 'READY' });
  });

  it('include a gateway with another key that runs while a backup is restored into its database', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'likeness-backup-'));
    // Each gateway has a sandbox of its own, with another key.
    const running = await TestGateway.start();
    const there = { DATABASE_URL: running.databaseUrl, DATA_DIR: running.dataDir };
    try {
      expect(await operate('backup', join(folder, 'made'))).toMatchObject({ code: 0 });
      const known = 'SELECT account FROM upstream_accounts';
      await until(async () => (await running.rows(known)).length === 1);
      const [own] = await running.rows<{ account: string }>(known);
      expect(await likeness(there, 'restore', join(folder, 'made'))).toMatchObject({ code: 0 });
      const { id } = await running.client.train({ photoIds: await running.client.upload() });
      const paused = `${known} WHERE account = $1 AND submit_pause_reason = 'OPERATOR'`;
      await until(async () => (await running.rows(paused, [own!.account])).length === 1);
      expect(await running.client.model(id)).toMatchObject({ status: 'QUEUED' });
      expect(await likeness(there, 'resume')).toMatchObject({ code: 0 });
      expect(await running.client.modelEnd(id)).toMatchObject({ status: 'READY' });
    } finally {
      await running.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('cancel and delete', () => {
  it('stop and remove the job of any owner, and are audited', async () => {
    await gateway.sandbox.fault({ on: 'train', kind: 'never-done' });
    const { id } = await client.train({ photoIds });
    // Otherwise the fault may remain for the next training.
    await client.becomes('model', id, 'TRAINING');
    expect((await json<{ id: string }[]>('jobs', '--limit', '1')).map((job) => job.id)).toEqual([id]);
    expect(await json('cancel', id)).toEqual({ id, status: 'CANCELLED' });
    expect(await operate('delete', id)).toMatchObject({
      code: 1,
      out: '',
      remarks: expect.stringContaining('confirm with --yes'),
    });
    expect(await client.model(id)).toMatchObject({ status: 'CANCELLED' });
    expect(await json('delete', id, '--yes')).toEqual({ id, deleted: true });
    expect(await client.model(id)).toBeNull();
    expect(await audited(id)).toEqual(['cancelModel', 'deleteModel']);
  });
});

describe('events and webhooks', () => {
  it('prints the events of all owners without names', async () => {
    const trained = await client.trained(photoIds);
    const { out } = await operate('events', 'tail', '--since', '1h', '--owner', 'local');
    expect(out).toMatch(new RegExp(`local  MODEL  ${trained}  READY  100 %`));
    const lines = (await operate('events', 'tail', '--json')).out.split('\n');
    expect(lines.map((line) => JSON.parse(line) as { id: string }).some(({ id }) => id === trained)).toBe(
      true,
    );
    expect(lines.join('')).not.toContain('name');
  });

  it('lists, pauses and enables webhooks without their URLs', async () => {
    const id = await insertWebhook(sql, 'https://hooks.example.com/secret-path');
    const { out } = await operate('webhooks', 'list', '--status', 'enabled');
    expect(out).toMatch(new RegExp(`${id} +local +ENABLED +- +hooks.example.com +0 +0`));
    expect(out).not.toContain('secret-path');
    expect(await operate('webhooks', 'pause', id)).toMatchObject({ out: `${id} is PAUSED.` });
    expect(await operate('webhooks', 'enable', id)).toMatchObject({ out: `${id} is ENABLED.` });
    expect(readGlobalId(id)?.kind).toBe('Webhook');
  });
});

describe('export', () => {
  it('keeps an earlier register with models of another database or owner, unless they were deleted here', async () => {
    const file = join(gateway.dataDir, 'models.jsonl');
    const out = ['export', '--out', file];
    const facts = { kind: 'model', owner: 'local', provider: 'sandbox' };
    const line = (digit: number): string => {
      const model = { ...facts, type: 'DOG', name: 'Rex', photoCount: 5, providerRef: `ref-${digit}` };
      return `${JSON.stringify({ ...model, id: `model_${digit}${'0'.repeat(31)}` })}\n`;
    };
    await writeFile(file, line(1) + line(2) + line(4));
    await operate('import', file);
    expect(await operate(...out, '--replace')).toMatchObject({ code: 0 });
    await appendFile(file, line(3));
    await operate('delete', `model_1${'0'.repeat(31)}`, '--yes');
    const lacking = /has \d models that/;
    expect((await operate(...out)).remarks).toMatch(lacking);
    expect((await operate(...out, '--owner', 'misspelt')).remarks).toContain('There are no models');
    expect(await readFile(file, 'utf8')).toContain('ref-3');
    expect(await operate(...out, '--replace')).toMatchObject({ code: 0 });
    await sql.rows(`UPDATE models SET owner = 'other' WHERE provider_ref = 'ref-2'`);
    expect((await operate(...out, '--owner', 'other')).remarks).toMatch(lacking);
    await sql.rows(
      `UPDATE models SET status = 'FAILED', ready_at = NULL, failure_code = 'UPSTREAM_FAILED', failure_message = 'It failed.',
              failure_retryable = true WHERE provider_ref = 'ref-4'`,
    );
    await sql.rows(`UPDATE models SET provider_ref = 'of a retry' WHERE provider_ref = 'ref-2'`);
    expect(await operate(...out)).toMatchObject({ code: 0 });
    expect((await operate('export', '--out', '/proc/self/mem')).remarks).toContain('cannot be read (EIO)');
  });
});

describe('unknown words', () => {
  it.each([
    [['models', 'list', '--status', 'STUCK'], /Allowed choices are .*UNCERTAIN/],
    [['generations', 'list', '--status', 'READY'], /Allowed choices are/],
    [['jobs', '--status', 'nothing'], /Allowed choices are/],
    [['webhooks', 'list', '--status', 'GONE'], /Allowed choices are/],
    [['webhooks', 'pause', 'webhook_1'], /is not the id of a webhook/],
    [['models', 'list', 'READY'], /too many arguments/],
    [['status', '--jsn'], /unknown option/],
    [['uncertain', 'solve'], /unknown command/],
    [['pause', 'sandbux'], /is not an avatar service/],
    [['events', 'tail', '--since', 'yesterday'], /is not a duration/],
    [['cancel', 'photo_1'], /is not the id of a model or generation/],
    [['ledger', '--days', 'all'], /whole number/],
  ])('are refused: %j', async (words, why) => {
    const { code, out, remarks } = await operate(...words);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(remarks).toMatch(why);
  });
});

interface Finding {
  check: string;
  result: string;
  detail: string;
  cure: string | null;
}

describe('doctor', () => {
  const examine = async (
    more: Record<string, string>,
  ): Promise<{ code: number; found: Map<string, Finding> }> => {
    const { code, out } = await likeness({ ...settings(), ...more }, 'doctor', '--json');
    const findings = JSON.parse(out) as Finding[];
    return { code, found: new Map(findings.map((finding) => [finding.check, finding])) };
  };

  it('refuses a database that may lose commits', async () => {
    const { code, found } = await examine({});
    expect(code).toBe(1);
    expect(found.get('durability')).toMatchObject({ result: 'fail', detail: 'synchronous_commit is off' });
  });

  it('reports no problem in a working installation, except with another engine', async () => {
    const [database] = await sql.rows<{ name: string }>('SELECT current_database() AS name');
    await sql.rows(`ALTER DATABASE "${database!.name}" SET synchronous_commit = on`);
    const { code, found } = await examine({ PUBLIC_URL: gateway.url });
    expect(code).toBe(0);
    const checks = ['settings', 'folders', 'disk', 'database', 'durability', 'migrations', 'clock'];
    expect([...found.keys()]).toEqual(
      expect.arrayContaining([...checks, 'submissions', 'avatar service', 'public URL']),
    );
    expect(found.get('migrations')).toMatchObject({ result: 'ok' });
    expect(found.get('database')?.detail).toMatch(/1 gateway processes/);
    expect(found.get('public URL')?.detail).toContain('answered by Likeness');
    expect((await operate('doctor')).out).toMatch(/CHECK +RESULT +DETAIL\nsettings +OK/);
    const other = (await examine({ DATABASE_ENGINE: 'portable' })).found;
    expect(other.get('engine')?.cure).toContain('run `likeness migrate` with DATABASE_ENGINE=portable');
    // Only sessions for notifications show how many there are.
    expect(other.get('database')?.detail).not.toContain('gateway processes');
  });

  it('says that migrations are missing, before an upgrade that adds what it reads', async () => {
    const [latest] = await sql.rows<{ id: number; name: string }>(
      'DELETE FROM migrations WHERE id = (SELECT max(id) FROM migrations) RETURNING id, name, timestamp',
    );
    await sql.rows('ALTER TABLE submission_pauses RENAME TO pauses_of_later');
    const { code, found } = await examine({ PUBLIC_URL: gateway.url });
    await sql.rows('ALTER TABLE pauses_of_later RENAME TO submission_pauses');
    await sql.rows('INSERT INTO migrations SELECT * FROM json_populate_record(NULL::migrations, $1)', [
      latest,
    ]);
    expect(found.get('migrations')).toMatchObject({ result: 'warn', detail: '1 are not applied yet' });
    expect(found.get('database')).toMatchObject({ result: 'ok' });
    expect(code).toBe(0);
  });

  it('measures the disk of pictures that are on another one', async () => {
    const [folder, other] = await Promise.all(
      ['', '/dev/shm'].map((on) => mkdtemp(join(on || tmpdir(), 'likeness-'))),
    );
    try {
      await symlink(other!, join(folder!, 'media'));
      const { out } = await likeness({ ...settings(), DATA_DIR: folder! }, 'doctor');
      const isOther = (await stat(folder!)).dev !== (await stat(other!)).dev;
      expect(out).toMatch(new RegExp(`GB free in ${folder}`));
      expect(out.includes(`GB free in ${folder}/media`)).toBe(isOther);
    } finally {
      for (const each of [folder!, other!]) await rm(each, { recursive: true, force: true });
    }
  });

  it('says what to fix, with exit code 1', async () => {
    await insertWebhook(sql, 'https://hooks.example.com/');
    await sql.rows(`UPDATE webhooks SET status = 'DISABLED'`);
    const picsart = { PICSART_BASE_URL: gateway.sandbox.url, PICSART_API_KEY: 'wrong', PICSART_KEY: 'x' };
    const { code, found } = await examine({ ...picsart, PUBLIC_URL: gateway.sandbox.url });
    expect(code).toBe(1);
    expect(found.get('avatar service')).toMatchObject({
      result: 'fail',
      cure: 'Set the right PICSART_API_KEY.',
    });
    expect(found.get('public URL')).toMatchObject({ result: 'fail' });
    expect(found.get('webhooks')).toMatchObject({ result: 'warn' });
    expect(found.get('settings')).toMatchObject({
      result: 'warn',
      cure: expect.stringContaining('PICSART_API_KEY'),
    });
    const away = await examine({ DATABASE_URL: 'postgres://unknown@127.0.0.1:1/nowhere' });
    expect(away.found.get('database')).toMatchObject({ result: 'fail' });
    expect(away.code).toBe(1);
    const invalid = await examine({ LEASE: '0', PORT: 'x' });
    expect(invalid.found.get('settings')?.detail).toMatch(/LEASE must .*; PORT is not|PORT is not .*; LEASE/);
  });
});
