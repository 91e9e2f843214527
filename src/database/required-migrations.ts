import type { QueryRunner } from 'typeorm';
import { isUnrecorded } from './installation';

type RunStatement = (text: string) => Promise<{ names: string[] }[]>;

/**
 * For migrations that remove what versions without an earlier migration use: these no longer start.
 * @param name - that of the earlier migration, with which versions began to do without
 */
export async function requireMigration(runner: QueryRunner, name: string): Promise<void> {
  await runner.query(
    `INSERT INTO installation (id, required_migrations) VALUES (1, ARRAY[$1])
     ON CONFLICT (id) DO UPDATE SET required_migrations = array_append(installation.required_migrations, $1)`,
    [name],
  );
}

/**
 * Why a version must not use the database; null if it may.
 * @param known - the migrations of the version
 */
export async function findRemoval(run: RunStatement, known: readonly string[]): Promise<string | null> {
  const unknown = (await selectRequired(run)).filter((name) => !known.includes(name));
  if (unknown.length === 0) return null;
  return `A newer version has migrated the database, and removed what this version uses: it does not know ${unknown.join(', ')}.`;
}

/** What to do then. */
export const removalCure = 'Start a version that does, or restore the backup made before the upgrade.';

/** @throws Error with advice if a newer version has removed what this one uses */
export async function checkRemovals(run: RunStatement, known: readonly string[]): Promise<void> {
  const problem = await findRemoval(run, known);
  if (problem !== null) throw new Error(`${problem} ${removalCure}`);
}

async function selectRequired(run: RunStatement): Promise<string[]> {
  try {
    const rows = await run('SELECT required_migrations AS names FROM installation');
    return rows.flatMap(({ names }) => names);
  } catch (error) {
    // It is empty or of an earlier version.
    if (isUnrecorded(error)) return [];
    throw error;
  }
}
