import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const project = resolve(__dirname, '../..');

/**
 * The changes of a schema that a version may make while processes of the version before run: columns, with defaults where
 * they are required, and an index of each table; a table; a trigger.
 */
const migration = `
class NewerVersion1999000000000 {
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

/** Installs a version with one more migration than this one into an empty folder. */
export async function installNewerVersion(folder: string): Promise<void> {
  await cp(join(project, 'dist'), join(folder, 'dist'), { recursive: true });
  await mkdir(join(folder, 'dist/database/migrations'), { recursive: true });
  for (const name of ['node_modules', 'package.json', 'schema', 'examples'])
    await symlink(join(project, name), join(folder, name));
  await writeFile(join(folder, 'dist/database/migrations/newer-version.js'), migration);
  const list = join(folder, 'dist/database/data-source.js');
  const source = await readFile(list, 'utf8');
  const begin = 'const migrations = [';
  if (!source.includes(begin)) throw new Error('The list of migrations was not found.');
  const added = `${begin}require('./migrations/newer-version').NewerVersion1999000000000,`;
  await writeFile(list, source.replace(begin, added));
}
