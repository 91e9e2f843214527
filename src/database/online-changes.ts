import type { QueryRunner } from 'typeorm';

// Changes of large tables that let other statements read and write meanwhile. They cannot be part of a transaction: the
// migration has `transaction = false`, and is repeated as a whole after an interruption.

/** Indexes by name, as the text after `ON`. */
export type IndexDefinitions = Readonly<Record<string, string>>;

/**
 * Creates indexes that do not exist. An invalid one, which an interrupted run leaves behind, is dropped and made again.
 * PostgreSQL waits for the end of transactions that are older, for as long as they take: nothing waits for this session.
 */
export async function createIndexes(runner: QueryRunner, definitions: IndexDefinitions): Promise<void> {
  const [row] = (await runner.query('SHOW lock_timeout')) as { lock_timeout: string }[];
  await runner.query('SET lock_timeout = 0');
  try {
    for (const [name, definition] of Object.entries(definitions)) {
      if ((await isValid(runner, name)) === false) await runner.query(`DROP INDEX CONCURRENTLY "${name}"`);
      await runner.query(`CREATE INDEX CONCURRENTLY IF NOT EXISTS "${name}" ON ${definition}`);
    }
  } finally {
    await runner.query(`SET lock_timeout = '${row!.lock_timeout}'`);
  }
}

/** Whether an index is valid; null if it does not exist. */
async function isValid(runner: QueryRunner, name: string): Promise<boolean | null> {
  const rows = (await runner.query('SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)', [
    name,
  ])) as { indisvalid: boolean }[];
  return rows[0]?.indisvalid ?? null;
}

/** Replaces indexes by others of the same names. The old ones are used until the new ones exist. */
export async function replaceIndexes(
  runner: QueryRunner,
  definitions: IndexDefinitions,
  isReplaced: (definition: string) => boolean,
): Promise<void> {
  for (const [name, definition] of Object.entries(definitions)) {
    const [row] = (await runner.query('SELECT pg_get_indexdef(to_regclass($1)) AS text', [name])) as {
      text: string | null;
    }[];
    if (row?.text != null && isReplaced(row.text)) continue;
    await createIndexes(runner, { [`${name}_new`]: definition });
    await runner.query(`DROP INDEX IF EXISTS "${name}"`);
    await runner.query(`ALTER INDEX "${name}_new" RENAME TO "${name}"`);
  }
}

/** Checks the rows of a table against constraints that were added as `NOT VALID`. */
export async function validateConstraints(
  runner: QueryRunner,
  table: string,
  names: readonly string[],
): Promise<void> {
  for (const name of names) await runner.query(`ALTER TABLE "${table}" VALIDATE CONSTRAINT "${name}"`);
}

/** Repeats a statement that changes some rows and returns them, until it returns none. */
export async function repeatUntilDone(runner: QueryRunner, statement: string): Promise<void> {
  for (;;) {
    const [row] = (await runner.query(
      `WITH changed AS (${statement}) SELECT count(*)::int AS count FROM changed`,
    )) as {
      count: number;
    }[];
    if (row!.count === 0) return;
  }
}
