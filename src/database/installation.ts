import { Client } from 'pg';
import type { Engine } from '../core/engine';
import type { Sql } from '../core/sql';

/** Why a process with this engine must not use the database, and what to do. */
interface OtherEngine {
  /** The engine of the other processes; null if the database does not have it. */
  readonly agreed: string | null;
  readonly problem: string;
  readonly cure: string;
}

/** The only row, with the engine of this process while none is recorded. */
const selectEngine = 'SELECT coalesce(engine, $1) AS engine FROM installation';

/**
 * Records the engine that processes use, if none is recorded.
 * @throws Error with advice if another one is recorded: the locks of different engines do not exclude each other
 */
export async function agreeOnEngine(sql: Sql): Promise<void> {
  await sql.rows('UPDATE installation SET engine = $1 WHERE engine IS NULL', [sql.engine.name]);
  const other = await findOtherEngine(sql);
  if (other !== null) throw new Error(`${other.problem} ${other.cure}`);
}

/** Whether another engine is recorded than that of this process, or the row of it is missing. Changes nothing. */
export async function findOtherEngine(sql: Sql): Promise<OtherEngine | null> {
  const { name } = sql.engine;
  const [row] = await sql.rows<{ engine: string }>(selectEngine, [name]);
  return row ? compare(row.engine, name) : missingRow;
}

/** The migration that adds the row. One that is interrupted may leave the table without it, until it is repeated. */
const selectMigration = "SELECT FROM migrations WHERE name = 'PortableEngine1798700000000'";

/** As {@link findOtherEngine}, for a database that is to be migrated, which may be empty or of an earlier version. */
export function findOtherEngineAt(url: string, { name }: Engine): Promise<OtherEngine | null> {
  return inSession(url, async (client) => {
    try {
      const { rows } = await client.query<{ engine: string }>(selectEngine, [name]);
      if (rows[0]) return compare(rows[0].engine, name);
      return (await client.query(selectMigration)).rowCount === 0 ? null : missingRow;
    } catch (error) {
      if (isUnrecorded(error)) return null;
      throw error;
    }
  });
}

/** `42P01`: undefined_table, `42703`: undefined_column. */
const schemaDiffers: ReadonlySet<string> = new Set(['42P01', '42703']);

/** Whether the database is of an earlier version, which records no engine. */
export function isUnrecorded(error: unknown): boolean {
  return schemaDiffers.has(String((error as { code?: unknown }).code));
}

/** @throws Error with advice if a database that is to be migrated is used with another engine */
export async function checkEngineAt(url: string, engine: Engine): Promise<void> {
  const other = await findOtherEngineAt(url, engine);
  if (other !== null) throw new Error(`${other.problem} ${other.cure}`);
}

function compare(agreed: string, name: string): OtherEngine | null {
  if (agreed === name) return null;
  return {
    agreed,
    problem: `The processes of this database use DATABASE_ENGINE=${agreed}, and this one ${name}.`,
    cure: `Set DATABASE_ENGINE=${agreed} here; or, to change it for all, stop all of them, then run \`likeness migrate\` with DATABASE_ENGINE=${name}.`,
  };
}

const missingRow: OtherEngine = {
  agreed: null,
  problem:
    'The table `installation` has no row, as after an incomplete restore: the engine of the processes is unknown.',
  cure: 'Check that the other tables are complete, stop all processes, then run `likeness migrate` with their DATABASE_ENGINE.',
};

/** Records the engine that processes must use, also if the row of it is missing. */
export function changeEngine(url: string, { name }: Engine): Promise<void> {
  return inSession(url, async (client) => {
    await client.query('INSERT INTO installation (id) VALUES (1) ON CONFLICT DO NOTHING');
    await client.query('UPDATE installation SET engine = $1 WHERE engine IS DISTINCT FROM $1', [name]);
  });
}

async function inSession<Result>(url: string, work: (client: Client) => Promise<Result>): Promise<Result> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    query_timeout: 20_000,
    application_name: 'likeness migration',
  });
  // The statements report it.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}
