import { cp, readFile, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const project = resolve(__dirname, '../..');

/**
 * The changes of a schema that a version may make while processes of the version before run: columns, with defaults where
 * they are required, and an index of each table; a table; a trigger.
 */
const migration = `
class NewerVersion1999000000000 {
  name = 'NewerVersion1999000000000';
  transaction = false;
  async up(runner) {
    const tables = await runner.query("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migrations'");
    for (const { name } of tables) {
      await runner.query('ALTER TABLE ' + name + ' ADD COLUMN IF NOT EXISTS newer text, ADD COLUMN IF NOT EXISTS newer_count integer NOT NULL DEFAULT 0');
      await runner.query('CREATE INDEX CONCURRENTLY IF NOT EXISTS ' + name + '_newer ON ' + name + ' (newer_count)');
    }
    await runner.query('CREATE TABLE IF NOT EXISTS newer_table (id uuid PRIMARY KEY)');
    await runner.query("CREATE OR REPLACE FUNCTION newer() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.newer := NEW.status; RETURN NEW; END'");
    for (const name of ['models', 'generations', 'avatars', 'photos'])
      await runner.query('CREATE OR REPLACE TRIGGER newer BEFORE INSERT OR UPDATE ON ' + name + ' FOR EACH ROW EXECUTE FUNCTION newer()');
  }
  async down() {}
}
exports.NewerVersion1999000000000 = NewerVersion1999000000000;
`;

/** A migration of a release: the name of its class, and the source of a module that exports it. */
export interface ReleaseMigration {
  name: string;
  source: string;
}

const newerVersion: ReleaseMigration = { name: 'NewerVersion1999000000000', source: migration };

/** Installs a version with one more migration than this one into an empty folder. */
export function installNewerVersion(folder: string): Promise<void> {
  return installRelease(folder, [newerVersion]);
}

/** Installs a version with further migrations than this one into an empty folder. */
export async function installRelease(folder: string, migrations: readonly ReleaseMigration[]): Promise<void> {
  await cp(join(project, 'dist'), join(folder, 'dist'), { recursive: true });
  for (const name of ['node_modules', 'package.json', 'schema', 'examples'])
    await symlink(join(project, name), join(folder, name));
  for (const { name, source } of migrations)
    await writeFile(join(folder, `dist/database/migrations/${name}.js`), source);
  const added = migrations.map(({ name }) => `require('./migrations/${name}').${name},`);
  await patch(join(folder, 'dist/database/data-source.js'), 'const migrations = [', added.join(''));
}

/**
 * Adds code to a file after the only place with some text.
 * @throws Error if there is no such place
 */
export async function patch(file: string, after: string, added: string): Promise<void> {
  const parts = (await readFile(file, 'utf8')).split(after);
  if (parts.length !== 2) throw new Error(`${file} has ${after} ${parts.length - 1} times.`);
  await writeFile(file, parts.join(after + added));
}
