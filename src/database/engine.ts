import type { ClaimableRows, Engine, EngineName } from '../core/engine';

/** The number of rows in `locks` for each name: as many keys can be locked at a time. Also in the migration that inserts them. */
const slotsPerLock = 1_024;

/** SQL: the first rows to claim. */
function firstOf({ table, where, orderBy, limit }: ClaimableRows): string {
  return `SELECT id FROM ${table} WHERE ${where} ORDER BY ${orderBy} LIMIT ${limit}`;
}

/** PostgreSQL, with what it has beyond the SQL of others. */
const postgresql: Engine = {
  name: 'postgresql',
  skipLocked: 'SKIP LOCKED',
  notifies: true,
  migratesAtStart: true,
  claims: (rows) => `id IN (${firstOf(rows)} FOR UPDATE SKIP LOCKED)`,
  lock: (name) => `SELECT pg_advisory_xact_lock(hashtextextended('${name}:' || $1, 0))`,
  admitWrite: 'admit_write',
};

/**
 * Only what compatible engines have too: claims are one UPDATE that checks again, locks are rows, nothing is notified. A
 * claim waits for a concurrent change of its rows, and leaves those that are not due any longer.
 */
const portable: Engine = {
  name: 'portable',
  skipLocked: '',
  notifies: false,
  migratesAtStart: false,
  // The array is not computed again when the statement has waited for a row. The condition is checked on the present row.
  claims: (rows) => `id = ANY (ARRAY(${firstOf(rows)})) AND (${rows.where})`,
  lock: (name) =>
    `SELECT FROM locks WHERE name = '${name}' AND slot = (hashtextextended($1, 0) & ${slotsPerLock - 1})::integer FOR UPDATE`,
  admitWrite: 'admit_write_by_row',
};

/** The engines by the value of DATABASE_ENGINE. */
export const engines: Readonly<Record<EngineName, Engine>> = { postgresql, portable };
