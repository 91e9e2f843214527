import { Socket } from 'node:net';
import { Client } from 'pg';
import { codeOf, EmbeddedPostgresError } from './errors';

/** Any number that nothing else in the database `postgres` locks by: 'embedded' on a telephone's keys. */
const lockKey = 36_233_333;

/** Where a server listens, and what opens it. */
export interface Address {
  port: number;
  password: string;
}

/** The address of a database in URL form. The password needs no escape. */
export function urlOf({ port, password }: Address, database = 'likeness'): string {
  return `postgres://likeness:${password}@127.0.0.1:${port}/${database}`;
}

/**
 * One process's use of a server: a session that holds a shared advisory lock for as long as the process may need the
 * server. Whoever can have the lock alone is the last user. A killed process gives it back with its socket, and a
 * newcomer waits for it while the last user is about to stop the server. The session keeps no process alive.
 */
export class UseSession {
  private isLost = false;

  private constructor(
    private readonly client: Client,
    private readonly address: Address,
  ) {
    client.on('end', () => {
      this.isLost = true;
    });
  }

  /**
   * Opens the session and makes the database `likeness` if it is not there yet.
   * @returns null if the server does not take sessions now: it is starting, stopping or gone
   * @throws EmbeddedPostgresError if it refuses the password
   */
  static async open(address: Address): Promise<UseSession | null> {
    const client = new Client({
      connectionString: urlOf(address, 'postgres'),
      application_name: 'likeness keeper',
      connectionTimeoutMillis: 5_000,
      query_timeout: 15_000,
      keepAlive: true,
    });
    // Without a listener a server that ends would end this process; `end` follows and is what counts.
    client.on('error', () => undefined);
    const session = new UseSession(client, address);
    try {
      await client.connect();
      await client.query('SELECT pg_advisory_lock_shared($1)', [lockKey]);
      await ensureDatabase(client);
      if (client.connection.stream instanceof Socket) client.connection.stream.unref();
      return session;
    } catch (error) {
      session.close();
      if (codeOf(error) !== '28P01') return null;
      throw new EmbeddedPostgresError(
        'The embedded PostgreSQL refuses the password that lies beside its data. Put back the file "password" that belongs to the data, ' +
          "or set the user's password to what is in it.",
        { cause: error },
      );
    }
  }

  /**
   * Whether nobody else uses the server. If so, newcomers wait until this session ends, so that the server can be
   * stopped in peace. After a crash of the server all sessions were lost, and with them the locks: then any other
   * session counts as a user.
   */
  async isLast(): Promise<boolean> {
    if (this.isLost) return this.isAlone();
    try {
      await this.client.query('SELECT pg_advisory_unlock_shared($1)', [lockKey]);
      const { rows } = await this.client.query<{ is_last: boolean }>(
        'SELECT pg_try_advisory_lock($1) AS is_last',
        [lockKey],
      );
      return rows[0]?.is_last === true;
    } catch {
      return this.isAlone();
    }
  }

  /** Ends the session, at once and without a word to the server. */
  close(): void {
    this.client.connection.stream.destroy();
  }

  private async isAlone(): Promise<boolean> {
    const fresh = await UseSession.open(this.address);
    if (fresh === null) return false;
    try {
      const { rowCount } = await fresh.client.query(
        "SELECT FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
      );
      return rowCount === 0;
    } catch {
      return false;
    } finally {
      fresh.close();
    }
  }
}

async function ensureDatabase(client: Client): Promise<void> {
  const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = 'likeness'");
  if (rowCount !== 0) return;
  try {
    await client.query('CREATE DATABASE likeness');
  } catch (error) {
    // Another process was faster: seen before (42P04) or while (23505) ours was made.
    if (!['42P04', '23505'].includes(codeOf(error) ?? '')) throw error;
  }
}
