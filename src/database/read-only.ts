/**
 * Runs a part of the start or of a command that writes.
 * @throws Error with advice if the database is a standby or read-only
 */
export async function explainReadOnly<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!isReadOnly(error)) throw error;
    throw new Error(
      'DATABASE_URL (DATABASE_DIRECT_URL, if it is set) leads to a standby or a read-only database. ' +
        'Set it to the URL of the primary, or promote the standby. DATABASE_REPLICA_URL may lead to a standby.',
      { cause: error },
    );
  }
}

/** `25006`: read_only_sql_transaction, also for statements that a standby refuses. */
function isReadOnly(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (error as { code?: unknown }).code === '25006' || isReadOnly(error.cause);
}
