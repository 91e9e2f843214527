import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

const src = resolve(__dirname, '../../src');

/** In the order of dependencies: SQL of a folder names its own tables and those of the folders before it. */
const order = [
  ...[['core', 'database', 'embedded-postgres', 'events', 'reads', 'storage', 'upstream', 'images']],
  ...[
    ['accounts'],
    ['auth'],
    ['notices'],
    ['photos'],
    ['jobs'],
    ['models'],
    ['generations'],
    ['activity'],
    ['webhooks'],
    ['privacy'],
    ['operator'],
  ],
  ...[['http', 'poller', 'cli'], ['app']],
];

/** Files with statements that are not repositories. */
const otherFiles = [
  /^app\/http[.]ts$/, // the health check
  /^core\/(leased-rows|claim-statement)[.]ts$/, // leases of any table
  /^core\/(owned-list|list-pages|list-statements)[.]ts$/, // lists of any table
  /^(database|embedded-postgres)\//, // migrations and the server itself
  /^reads\//, // planned reads of any table
  /^events\/listen-session[.]ts$/, // the check of the connection that listens
];

/** Tables of later folders that a folder names. */
const exceptions: Readonly<Record<string, readonly string[]>> = {
  // Reservations are kept while their job exists.
  accounts: ['models', 'generations'],
  // Client tokens may be for one model or generation, with what was made from it.
  auth: ['models', 'generations', 'avatars'],
  // Bytes are deleted unless a row refers to them, and the store has the id of the installation.
  storage: ['photos', 'avatars', 'avatar_renditions', 'installation'],
  // Photos are kept for the jobs that use them, by the rows of these.
  photos: ['models', 'model_photos', 'generations', 'submissions'],
};

/** The source without comments. */
const codeOf = (text: string): string => text.replace(/\/\*[^]*?\*\//g, '').replace(/(^|\s)\/\/ .*$/gm, '');

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.startsWith(join('database', 'migrations')))
  .map((path) => ({
    path,
    folder: path.split('/')[0]!,
    code: codeOf(readFileSync(join(src, path), 'utf8')),
  }));

const hasStatement = (code: string): boolean =>
  /\b(SELECT\s|INSERT INTO\s|UPDATE [a-z$][^;]*\bSET\b|DELETE FROM\s)/.test(code);

/** The folder of each table. */
const tables = new Map(
  files.flatMap(({ folder, code }) =>
    [...code.matchAll(/@Entity\('(\w+)'\)/g)].map(([, table]) => [table!, folder] as const),
  ),
);

const tablesIn = (code: string): string[] =>
  [...code.matchAll(/\b(?:FROM|JOIN|INTO|UPDATE|USING)\s+(\w+)/g)]
    .map(([, name]) => name!)
    .filter((name) => tables.has(name));

const rank = (folder: string): number => order.findIndex((folders) => folders.includes(folder));

describe('SQL', () => {
  it('stands in repositories only', () => {
    const others = files
      .filter(({ path, code }) => hasStatement(code) && !path.endsWith('.repository.ts'))
      .map(({ path }) => relative('.', path))
      .filter((path) => !otherFiles.some((known) => known.test(path)));
    expect(others).toEqual([]);
    expect(files.filter(({ path, code }) => path.endsWith('.repository.ts') && !hasStatement(code))).toEqual(
      [],
    );
  });

  it('uses through the engine what engines do differently, and changes no schema outside of migrations', () => {
    const uses = (found: RegExp): string[] =>
      files.filter(({ code }) => found.test(code)).map(({ path }) => path);
    expect(uses(/SKIP LOCKED|pg_\w*advisory/)).toEqual([
      'core/claim-statement.ts',
      'core/engine.ts',
      'core/leased-rows.ts',
      'database/engine.ts',
      'database/migration-lock.ts',
      'embedded-postgres/session.ts',
    ]);
    expect(uses(/\b(CREATE|ALTER|DROP|TRUNCATE) +(TABLE|(UNIQUE )?INDEX|FUNCTION|SEQUENCE|VIEW)\b/)).toEqual([
      // A restore, before a gateway starts.
      'cli/backup-restored.repository.ts',
      'cli/backup-tables.repository.ts',
      'database/migration-lock.ts',
      'database/online-changes.ts',
    ]);
  });

  it('names only tables of its own folder and of those below it', () => {
    expect(tables.size).toBeGreaterThan(15);
    const wrong = files.flatMap(({ path, folder, code }) =>
      tablesIn(code)
        .filter((table) => tables.get(table) !== folder && rank(tables.get(table)!) >= rank(folder))
        .filter((table) => !exceptions[folder]?.includes(table))
        .map((table) => `${path}: ${table}`),
    );
    expect(wrong).toEqual([]);
  });

  it('is recognised by this test', () => {
    expect(hasStatement("sql.rows('SELECT 1')")).toBe(true);
    expect(hasStatement('sql.rows(`UPDATE ${table} t SET a = 1`)')).toBe(true);
    expect(hasStatement("lock('FOR UPDATE')")).toBe(false);
    expect(tablesIn('SELECT a FROM models m JOIN photos p ON true')).toEqual(['models', 'photos']);
    expect(rank('models')).toBeGreaterThan(rank('jobs'));
  });
});
