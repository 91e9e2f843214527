import type { Sql } from '../core/sql';

/** Rows of these tables describe running processes, or are made again. `migrations` is filled by the migrations. */
const excluded = [
  'migrations',
  'photo_servers',
  'rate_windows',
  'rate_counts',
  'avatar_renditions',
  'locks',
  'installation',
];

const rowsAtOnce = 1_000;

/** Begins a snapshot for a copy: all later statements of the transaction see the database as of now. Call it first. */
export async function beginSnapshot(sql: Sql): Promise<Date> {
  await sql.rows('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
  const [now] = await sql.rows<{ at: Date }>('SELECT clock_timestamp() AS at');
  return now!.at;
}

/** The names of the applied migrations, in order. */
export async function appliedMigrations(sql: Sql): Promise<string[]> {
  const rows = await sql.rows<{ name: string }>('SELECT name FROM migrations ORDER BY id');
  return rows.map(({ name }) => name);
}

/** The tables of a backup in an order in which rows can be inserted: each after those that it refers to. */
export async function tablesInOrder(sql: Sql): Promise<string[]> {
  const tables = await sql.rows<{ name: string }>(
    `SELECT relname AS name FROM pg_class
      WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname <> ALL($1) ORDER BY 1`,
    [excluded],
  );
  const references = await sql.rows<{ from: string; to: string }>(
    `SELECT f.relname AS "from", t.relname AS "to"
       FROM pg_constraint c JOIN pg_class f ON f.oid = c.conrelid JOIN pg_class t ON t.oid = c.confrelid
      WHERE c.contype = 'f' AND f.relnamespace = current_schema()::regnamespace AND f.oid <> t.oid`,
  );
  const ordered: string[] = [];
  const add = (name: string): void => {
    if (ordered.includes(name)) return;
    for (const { to } of references.filter(({ from }) => from === name)) add(to);
    ordered.push(name);
  };
  for (const { name } of tables) add(name);
  return ordered;
}

/** The numbers of rows of tables, by name. */
export async function countTables(sql: Sql, tables: readonly string[]): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const name of tables) {
    const [row] = await sql.rows<{ count: number }>(`SELECT count(*)::float8 AS count FROM ${name}`);
    counts.set(name, row!.count);
  }
  return counts;
}

/** The rows of a table as lines of JSON, in batches. Exact: PostgreSQL writes and reads the values itself. */
export async function* dumpTable(sql: Sql, table: string): AsyncGenerator<string[]> {
  await sql.rows(
    `DECLARE backup_rows NO SCROLL CURSOR FOR SELECT row_to_json(t)::text AS line FROM ${table} t`,
  );
  for (;;) {
    const rows = await sql.rows<{ line: string }>(`FETCH ${rowsAtOnce} FROM backup_rows`);
    if (rows.length === 0) break;
    yield rows.map(({ line }) => line);
  }
  await sql.rows('CLOSE backup_rows');
}

/** Deletes all rows of a table. */
export async function deleteRows(sql: Sql, table: string): Promise<void> {
  await sql.rows(`DELETE FROM ${table}`);
}

/** Inserts lines of {@link dumpTable} into the same table of a database with the same migrations. */
export async function loadRows(sql: Sql, table: string, lines: readonly string[]): Promise<void> {
  await sql.rows(`INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $1::json)`, [
    `[${lines.join(',')}]`,
  ]);
}

/** Runs `work` without the triggers of a table, which complete rows of earlier versions. */
export async function withoutTriggers(sql: Sql, table: string, work: () => Promise<void>): Promise<void> {
  await sql.rows(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
  await work();
  await sql.rows(`ALTER TABLE ${table} ENABLE TRIGGER USER`);
}

/** Locks tables against changes of other connections, until the end of the transaction. */
export async function lockTables(sql: Sql, tables: readonly string[]): Promise<void> {
  await sql.rows(`LOCK TABLE ${tables.join(', ')} IN SHARE ROW EXCLUSIVE MODE`);
}

/** The first of the tables that has a row; null if all are empty. */
export async function findFilledTable(sql: Sql, tables: readonly string[]): Promise<string | null> {
  for (const name of tables) {
    if ((await sql.rows(`SELECT 1 FROM ${name} LIMIT 1`)).length > 0) return name;
  }
  return null;
}

/** Those of the avatars that still exist with a stored picture that is not known to be damaged. */
export async function findStoredAvatars(sql: Sql, ids: readonly string[]): Promise<string[]> {
  const rows = await sql.rows<{ id: string }>(
    `SELECT id FROM avatars WHERE id = ANY($1) AND status = 'STORED' AND damaged_at IS NULL ORDER BY id`,
    [ids],
  );
  return rows.map(({ id }) => id);
}
