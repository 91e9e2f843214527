import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, uuidOf } from '../support/client';
import { likeness, type CommandResult } from '../support/command-line';
import { TestDatabase } from '../support/database';
import { TestGateway } from '../support/gateway';

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
      '  line 5: owner must not be empty',
      expect.stringMatching(/line 5: photoCount/),
      '  line 6: names the same model as line 1. Remove one of them.',
      expect.stringMatching(/line 7: id must be the global id of a model/),
      expect.stringMatching(/line 7: .*colour/),
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
