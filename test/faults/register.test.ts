import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, uuidOf } from '../support/client';
import { likeness, type CommandResult } from '../support/command-line';
import { TestDatabase } from '../support/database';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';

jest.setTimeout(120_000);

const longOwner = `@acme/${'u'.repeat(255)}`;

describe('the register', () => {
  let gateway: TestGateway;
  let client: Client;
  let folder: string;
  let trained: string;

  beforeAll(async () => {
    gateway = await TestGateway.start();
    client = new Client(() => gateway.url);
    folder = await mkdtemp(join(tmpdir(), 'likeness-register-'));
    trained = (await client.settle()).modelId;
  });
  afterAll(async () => {
    await gateway.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const operate = (...words: string[]): Promise<CommandResult> =>
    likeness({ DATABASE_URL: gateway.databaseUrl, DATA_DIR: gateway.dataDir }, ...words);
  const importLines = async (...lines: (object | string)[]): Promise<CommandResult> => {
    const file = join(folder, 'import.jsonl');
    const texts = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
    await writeFile(file, texts.join('\n'));
    return operate('import', file);
  };
  const model = (changes: object = {}): object => ({
    ...{ kind: 'model', owner: 'local', provider: 'sandbox', providerRef: 'ref-1', type: 'DOG', name: 'Rex' },
    ...{ photoCount: 5, readyAt: '2026-01-31T12:00:00Z' },
    ...changes,
  });

  it('of a database rebuilds the models in another one, with their ids, and changes nothing when repeated', async () => {
    const file = join(folder, 'models.jsonl');
    // The API accepts any characters, and the users of an API key have names of two parts.
    await client.request(
      'mutation ($input: RenameModelInput!) { renameModel(input: $input) { model { id } } }',
      { input: { id: trained, name: 'Grace\tHopper\n😀' } },
    );
    await gateway.rows('UPDATE models SET owner = $1 WHERE id = $2', [longOwner, uuidOf(trained)]);
    await writeFile(file, 'an older register', { mode: 0o644 });
    expect(await operate('export', '--out', file)).toMatchObject({ code: 0, remarks: '1 models exported.' });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const [line] = (await readFile(file, 'utf8')).trim().split('\n');
    const [row] = await gateway.rows<{ ref: string }>('SELECT provider_ref AS ref FROM models');
    expect(JSON.parse(line!)).toMatchObject({
      ...{
        kind: 'model',
        id: trained,
        owner: longOwner,
        provider: 'sandbox',
        providerRef: row!.ref,
        status: 'READY',
      },
      avatarHashes: [expect.stringMatching(/^[0-9a-f]{64}$/), expect.any(String)],
    });
    const other = await TestDatabase.create();
    const rebuild = (): Promise<CommandResult> =>
      likeness({ DATABASE_URL: other.url, DATA_DIR: folder }, 'import', file);
    expect(await rebuild()).toMatchObject({ code: 0, out: '1 models added, 0 were known.' });
    expect(await rebuild()).toMatchObject({ code: 0, out: '0 models added, 1 were known.' });
    const columns = 'SELECT id, owner, provider_ref, status, name, type, created_at, ready_at FROM models';
    expect(await other.rows(columns)).toEqual(await gateway.rows(columns));
    await other.drop();
    await gateway.rows(`UPDATE models SET owner = 'local' WHERE id = $1`, [uuidOf(trained)]);
  });

  it('adopts a model that was paid for elsewhere: avatars are made from it', async () => {
    const [row] = await gateway.rows<{ ref: string }>(
      'SELECT provider_ref AS ref FROM models WHERE id = $1',
      [uuidOf(trained)],
    );
    // It is known upstream, but no longer here.
    await client.delete('deleteModel', trained);
    expect(
      await importLines(model({ providerRef: row!.ref, status: 'TRAINING', readyAt: null })),
    ).toMatchObject({
      code: 0,
    });
    const [adopted] = await gateway.rows<{ id: string }>('SELECT id FROM models');
    const id = `model_${adopted!.id.replaceAll('-', '')}`;
    await client.becomes('model', id, 'READY');
    const generation = await client.generate(id, [{ prompt: 'by the sea', count: 1 }]);
    expect(await client.generationEnd(generation.id)).toMatchObject({ status: 'COMPLETED' });
    const audited = await gateway.rows(`SELECT subject FROM audit_log WHERE action = 'importModel'`);
    expect(audited).toEqual([{ subject: id }]);
  });

  it('is refused as a whole, with the number and the cure of each line', async () => {
    const before = await gateway.rows('SELECT id FROM models');
    const [{ ref } = { ref: '' }] = await gateway.rows<{ ref: string }>(
      'SELECT provider_ref AS ref FROM models',
    );
    const { code, remarks } = await importLines(
      model({ providerRef: 'fine' }),
      '{"kind": "model",',
      model({ type: 'BIRD', providerRef: 'a' }),
      '',
      model({ owner: '', photoCount: 0, providerRef: 'b' }),
      model({ providerRef: 'fine' }),
      model({ id: 'photo_1', providerRef: 'c', colour: 'red' }),
    );
    expect(code).toBe(1);
    expect(remarks.split('\n')).toEqual([
      'likeness: Nothing was imported. Correct these lines and import the file again:',
      '  line 2: is not a JSON object on one line.',
      '  line 3: type must be MAN, WOMAN, COUPLE, DOG or CAT',
      '  line 5: owner is missing',
      '  line 5: photoCount must be a whole number from 5 to 30',
      '  line 6: names the same model as line 1. Remove one of them.',
      expect.stringMatching(/line 7: id must be the global id of a model/),
      '  line 7: has unknown fields: colour. Correct or remove them.',
    ]);
    const taken = await importLines(
      model({ providerRef: 'new' }),
      model({ owner: 'other', providerRef: ref }),
    );
    expect(taken).toMatchObject({
      code: 1,
      remarks: expect.stringMatching(/line 2: providerRef belongs to model_/),
    });
    expect(await gateway.rows('SELECT id FROM models')).toEqual(before);
    expect(await operate('import', join(folder, 'missing.jsonl'))).toMatchObject({ code: 1 });
  });

  it('does not bring back a deleted model with its id', async () => {
    const line = model({ id: `model_${'0'.repeat(31)}7`, providerRef: 'gone' });
    expect(await importLines(line)).toMatchObject({ code: 0 });
    await client.delete('deleteModel', `model_${'0'.repeat(31)}7`);
    const { code, remarks } = await importLines(line);
    expect([code, remarks]).toEqual([1, expect.stringContaining('line 1: id is that of a deleted model')]);
  });

  it('names the fields that the API would refuse', async () => {
    const { owner: _owner, ...ownerless } = model() as { owner: string };
    const { remarks } = await importLines(
      model({ owner: '@/erased' }),
      model({ owner: '@acme/a b', providerRef: '2' }),
      model({ owner: 'a\u0000', providerRef: '3' }),
      model({ photoCount: 31, providerRef: '4' }),
      model({ createdAt: '0000-01-01T00:00:00Z', providerRef: '5' }),
      model({ readyAt: '9999-12-31T00:00:00Z', providerRef: '6' }),
      model({ name: 'a\u0000', providerRef: '\ud800' }),
      ownerless,
      '[]',
      model({ ['\u001b[2J'.repeat(1_000)]: 1 }),
    );
    const time = 'must be a time from the year 2000 until now';
    expect(remarks.split('\n').slice(1)).toEqual([
      '  line 1: owner uses the reserved form @/…',
      '  line 2: owner must be 1 to 255 visible ASCII characters without spaces',
      '  line 3: owner contains control characters',
      '  line 4: photoCount must be a whole number from 5 to 30',
      `  line 5: createdAt ${time}`,
      `  line 6: readyAt ${time}`,
      '  line 7: providerRef must not have control characters or halves of characters',
      '  line 7: name must not have NUL or halves of characters',
      '  line 8: owner is missing',
      '  line 9: is not a JSON object.',
      expect.stringMatching(/^ {2}line 10: has unknown fields: \\x1b\[2J.{0,2000}$/),
    ]);
  });

  it('may begin with a byte order mark, and names lines that are too long or of another encoding', async () => {
    const file = join(folder, 'hostile.jsonl');
    const line = (providerRef: string): string => `${JSON.stringify(model({ providerRef }))}\r\n`;
    await writeFile(file, [
      Buffer.from([0xff, 0xfe]),
      '\n',
      Buffer.alloc(16_000_001, 'x'),
      '\n',
      line('short'),
    ]);
    expect((await operate('import', file)).remarks.split('\n').slice(1)).toEqual([
      '  line 1: is not UTF-8. Save the file in UTF-8.',
      '  line 2: is longer than 16000000 bytes, and what follows was not read. Write one model a line.',
    ]);
    await writeFile(file, `\ufeff${line('marked')}\ufeff\n`);
    expect(await operate('import', file)).toMatchObject({ code: 0, out: '1 models added, 0 were known.' });
    expect((await operate('import', folder)).remarks).toContain('cannot be read (EISDIR)');
  });

  it('is refused without a model, or with a line that does not end', async () => {
    for (const lines of [[], ['\ufeff', '']]) {
      const { code, remarks } = await importLines(...lines);
      expect([code, remarks]).toEqual([
        1,
        expect.stringMatching(/jsonl has no line with a model, so nothing/),
      ]);
    }
    const { code, remarks } = await operate('import', '/dev/zero');
    expect([code, remarks]).toEqual([1, expect.stringContaining('line 1: is longer than 16000000 bytes')]);
  });

  const program = join(__dirname, '../../dist/cli/likeness.js');
  const run = (command: string): ChildProcess => {
    const env = { ...process.env, DATABASE_URL: gateway.databaseUrl, DATA_DIR: gateway.dataDir };
    return spawn('bash', ['-c', command.replace('likeness', `exec "${process.execPath}" "${program}"`)], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  };

  it('is imported once by two processes, of which one is killed', async () => {
    const file = join(folder, 'many.jsonl');
    const lines = Array.from({ length: 40 }, (_, index) =>
      JSON.stringify(model({ providerRef: `many-${index}`, name: index === 30 ? 'waits' : 'many' })),
    );
    await writeFile(file, lines.join('\n'));
    const holder = await gateway.database.session();
    await holder.query('SELECT pg_advisory_lock(2)');
    await holder.query(`CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN PERFORM pg_advisory_xact_lock(2); RETURN NULL; END';
      CREATE TRIGGER waiting AFTER INSERT ON models FOR EACH ROW WHEN (NEW.name = 'waits') EXECUTE FUNCTION wait()`);
    const waiting = (count: number): Promise<void> =>
      until(async () => {
        const found = await gateway.rows(`SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'advisory'
                        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);
        return found.length === count;
      });
    const killed = run(`likeness import "${file}"`);
    await waiting(1);
    const other = operate('import', file);
    await waiting(2);
    const closed = once(killed, 'close');
    killed.kill('SIGKILL');
    await closed;
    await holder.query('SELECT pg_advisory_unlock(2)');
    expect(await other).toMatchObject({ code: 0, out: '40 models added, 0 were known.' });
    await holder.query('DROP TRIGGER waiting ON models; DROP FUNCTION wait');
    await holder.end();
    expect(await operate('import', file)).toMatchObject({ code: 0, out: '0 models added, 40 were known.' });
  });

  it('is exported without an error to a reader that ends early', async () => {
    const ended = run('set -o pipefail; (likeness export) | true');
    let remarks = '';
    ended.stderr!.on('data', (chunk) => (remarks += String(chunk)));
    const [code] = (await once(ended, 'close')) as [unknown];
    expect([code, remarks]).toEqual([0, expect.stringMatching(/^\d+ models exported\.\n$/)]);
  });

  it('stays as it was if it cannot be written', async () => {
    const file = join(folder, 'kept.jsonl');
    await writeFile(file, 'an older register');
    const limited = run(`ulimit -f 8; likeness export --out "${file}"`);
    let remarks = '';
    limited.stderr!.on('data', (chunk) => (remarks += String(chunk)));
    await once(limited, 'close');
    expect(remarks).toContain(`${file} cannot be written: it is too large for the system`);
    expect(await readFile(file, 'utf8')).toBe('an older register');
    expect((await readdir(folder)).filter((name) => name.endsWith('.part'))).toEqual([]);
    for (const [path, cause] of [
      [join(folder, 'nowhere/x'), 'its folder does not exist'],
      ['/proc/x', 'its folder does not exist'],
      [folder, 'it is a folder'],
    ] as const)
      expect(await operate('export', '--out', path)).toMatchObject({
        code: 1,
        remarks: expect.stringContaining(`${path} cannot be written: ${cause}`),
      });
  });

  it('continues an UNCERTAIN model that has the id of a line, and names what may be paid again', async () => {
    await operate('pause');
    const { id } = await client.train({ photoIds: await client.upload() });
    const line = model({ id, providerRef: 'paid-before', status: 'TRAINING' });
    expect(await importLines(line)).toMatchObject({
      code: 1,
      remarks: expect.stringContaining(
        `which is QUEUED and may be paid again. Delete it (\`likeness delete ${id}\`)`,
      ),
    });
    expect(await importLines({ ...line, owner: 'other' })).toMatchObject({
      code: 1,
      remarks: expect.stringContaining('of another owner, local'),
    });
    await gateway.rows(
      `UPDATE models SET status = 'UNCERTAIN', attempt = 1, due_at = now() + interval '1 day' WHERE id = $1`,
      [uuidOf(id)],
    );
    await gateway.rows(
      `INSERT INTO submissions (id, model_id, attempt, provider, account, outcome, trainings, avatars)
       VALUES (gen_random_uuid(), $1, 1, 'sandbox', 'of a test', 'UNKNOWN', 1, 0)`,
      [uuidOf(id)],
    );
    expect(await importLines(line)).toMatchObject({
      code: 0,
      out: '0 models added, 0 were known. 1 that were UNCERTAIN continue.',
    });
    const [settled] = await gateway.rows(
      `SELECT m.provider_ref, s.outcome, s.provider_ref AS paid FROM models m JOIN submissions s ON s.model_id = m.id
        WHERE m.id = $1`,
      [uuidOf(id)],
    );
    expect(settled).toEqual({ provider_ref: 'paid-before', outcome: 'ACCEPTED', paid: 'paid-before' });
    const audited = await gateway.rows('SELECT action FROM audit_log WHERE subject = $1 AND actor = $2', [
      id,
      'operator',
    ]);
    expect(audited).toEqual([{ action: 'settleUncertain' }]);
    expect(await importLines(line)).toMatchObject({ code: 0, out: '0 models added, 1 were known.' });
    await operate('resume');
  });
});
