import { Client } from '../support/client';
import { TestGateway } from '../support/gateway';

let gateway: TestGateway;
let client: Client;

beforeAll(async () => {
  gateway = await TestGateway.start({}, { watchesStatements: true });
  client = new Client(() => gateway.url);
});

afterAll(() => gateway.stop());

const matching = (statements: readonly string[], pattern: RegExp): string[] =>
  statements.filter((text) => pattern.test(text));

describe('trainModel', () => {
  it('locks and keeps uploaded photos by one statement, and inserts none', async () => {
    const photoIds = await client.upload();
    let id = '';
    const statements = await gateway.watch.during(async () => ({ id } = await client.train({ photoIds })));
    // Its training must not mix with the statements that later tests watch.
    await client.modelEnd(id);
    expect(matching(statements, /INSERT INTO photos/)).toEqual([]);
    const locks = matching(
      statements,
      /FROM photos[^;]*id = ANY\(\$1\)[^;]*FOR UPDATE|purge_at = (CASE|NULL)/,
    );
    expect(locks).toEqual([expect.stringContaining('FOR UPDATE')]);
  });
});

describe('an upload', () => {
  it('reads the marker of the disk, and does not compare the store with the database again', async () => {
    await client.upload(1);
    const statements = await gateway.watch.during(() => client.upload(5));
    // Some periodic tasks compare it.
    expect(matching(statements, /FROM installation/).length).toBeLessThan(5);
  });
});

describe('a training', () => {
  it('reads the row of the job once to store the id that the upstream returned', async () => {
    const photoIds = await client.upload();
    const statements = await gateway.watch.during(() => client.trained(photoIds));
    const unconditional = matching(
      statements,
      /^\s*SELECT [^]*FROM models\b(?: t)? WHERE id = \$1(?: FOR| AND \(\$2|$)/,
    );
    expect(unconditional).toEqual([expect.stringContaining('FOR UPDATE')]);
  });

  it('costs two statements for each photo that the upstream fetches', async () => {
    const photoIds = await client.upload();
    const statements = await gateway.watch.during(() => client.trained(photoIds));
    expect(
      matching(statements, /photos_fetched_at = now\(\)|FROM \(\s*SELECT owner FROM models/),
    ).toHaveLength(10);
  });
});

describe('DATABASE_PREPARED_STATEMENTS', () => {
  /** Whether the database gets named statements for requests of clients with these settings. */
  const namesStatements = async (settings: Record<string, string>): Promise<boolean> => {
    const { watch } = gateway;
    await gateway.end();
    watch.named.clear();
    await gateway.restart(settings);
    for (let time = 0; time < 3; time += 1) await client.request('{ models { nodes { id status } } }');
    return watch.named.size > 0;
  };

  it('is true without, and false with DATABASE_DIRECT_URL, and can be set to the other value', async () => {
    expect(await namesStatements({})).toBe(true);
    expect(await namesStatements({ DATABASE_PREPARED_STATEMENTS: 'false' })).toBe(false);
    const direct = { DATABASE_DIRECT_URL: gateway.databaseUrl };
    expect(await namesStatements({ ...direct, DATABASE_PREPARED_STATEMENTS: 'true' })).toBe(true);
    expect(await namesStatements({ ...direct, DATABASE_PREPARED_STATEMENTS: '' })).toBe(false);
  });
});
