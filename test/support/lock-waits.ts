/** A database of a test: a gateway, a pool or a {@link TestDatabase}. */
interface Queried {
  rows<Row>(text: string, parameters?: readonly unknown[]): Promise<Row[]>;
}

/**
 * Counts the sessions of this database that wait for a lock. Other tests use other databases of the server, and tables have the
 * same numbers in all of them.
 * @param table - counts only waits for the lock of this table
 */
export async function countLockWaits(database: Queried, table: string | null = null): Promise<number> {
  const found = await database.rows(
    `SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
      WHERE NOT granted AND datname = current_database() AND ($1::text IS NULL OR relation = $1::regclass)`,
    [table],
  );
  return found.length;
}
