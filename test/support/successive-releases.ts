import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installRelease, patch, type ReleaseMigration } from './newer-version';

/** The column that this version has, and the one that the next release has instead. */
const column = { old: 'submitted_at', new: 'accepted_at', property: 'submittedAt' } as const;
const tables = ['models', 'generations'] as const;

/** While a trigger keeps both columns equal, each release names only its own. */
const keepEqual = `
  CREATE OR REPLACE FUNCTION keep_accepted_at() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_OP = 'INSERT' THEN
      NEW.accepted_at := coalesce(NEW.accepted_at, NEW.submitted_at);
      NEW.submitted_at := NEW.accepted_at;
    ELSIF NEW.accepted_at IS DISTINCT FROM OLD.accepted_at THEN
      NEW.submitted_at := NEW.accepted_at;
    ELSE
      NEW.accepted_at := NEW.submitted_at;
    END IF;
    RETURN NEW;
  END $$`;

/** Rows are changed one by one, with pauses, so that the other processes work meanwhile. */
const expanding: ReleaseMigration = {
  name: 'Expanding1999000000001',
  source: `
const { repeatUntilDone } = require('../online-changes');
class Expanding1999000000001 {
  name = 'Expanding1999000000001';
  transaction = false;
  async up(runner) {
    await runner.query(${JSON.stringify(keepEqual)});
    for (const table of ${JSON.stringify(tables)}) {
      await runner.query('ALTER TABLE ' + table + ' ADD COLUMN IF NOT EXISTS accepted_at timestamptz');
      await runner.query('CREATE OR REPLACE TRIGGER keep_accepted_at BEFORE INSERT OR UPDATE ON ' + table + ' FOR EACH ROW EXECUTE FUNCTION keep_accepted_at()');
      await repeatUntilDone(runner, 'UPDATE ' + table + ' SET accepted_at = submitted_at WHERE id IN (SELECT id FROM ' + table + ', pg_sleep(0.1) WHERE accepted_at IS NULL AND submitted_at IS NOT NULL LIMIT 1) RETURNING id');
    }
  }
  async down() {}
}
exports.Expanding1999000000001 = Expanding1999000000001;
`,
};

const contracting: ReleaseMigration = {
  name: 'Contracting1999000000002',
  source: `
const { requireMigration } = require('../required-migrations');
class Contracting1999000000002 {
  name = 'Contracting1999000000002';
  async up(runner) {
    await requireMigration(runner, '${expanding.name}');
    for (const table of ${JSON.stringify(tables)}) {
      await runner.query('DROP TRIGGER keep_accepted_at ON ' + table);
      await runner.query('ALTER TABLE ' + table + ' DROP COLUMN submitted_at');
    }
    await runner.query('DROP FUNCTION keep_accepted_at()');
  }
  async down() {}
}
exports.Contracting1999000000002 = Contracting1999000000002;
`,
};

/** The migrations of the two releases after this version. */
export const releaseMigrations = [expanding.name, contracting.name] as const;

/** Installs the next release into an empty folder: it adds the new column, moves the data, and uses only this column. */
export async function installExpanding(folder: string): Promise<void> {
  await installRelease(folder, [expanding]);
  await useNewColumn(join(folder, 'dist'));
}

/** Installs the release after it: it removes the old column. */
export async function installContracting(folder: string): Promise<void> {
  await installRelease(folder, [expanding, contracting]);
  await useNewColumn(join(folder, 'dist'));
}

/** Lets all statements name the new column. */
async function useNewColumn(dist: string): Promise<void> {
  const migrations = join('database', 'migrations');
  let changed = 0;
  for (const name of await readdir(dist, { recursive: true })) {
    if (!name.endsWith('.js') || name.startsWith(migrations)) continue;
    const source = await readFile(join(dist, name), 'utf8');
    if (!source.includes(column.old)) continue;
    await writeFile(join(dist, name), source.replaceAll(column.old, column.new));
    changed += 1;
  }
  if (changed === 0) throw new Error(`No statement names ${column.old}.`);
  await patch(
    join(dist, 'core/sql.js'),
    'function snakeName(name) {',
    `if (name === '${column.property}') return '${column.new}';`,
  );
  await patch(
    join(dist, 'reads/payload-plan.js'),
    'function propertyOf(column) {',
    `if (column === '${column.new}') return '${column.property}';`,
  );
}
