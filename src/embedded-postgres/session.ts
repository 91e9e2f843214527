import { Socket } from 'node:net';
import { Client } from 'pg';
import { codeOf } from '../core/errors';
import { EmbeddedPostgresError } from './errors';

/** The key of the advisory lock in the database `postgres`: an arbitrary number ('embedded' on a telephone keypad). */
const lockKey = 36_233_333;

/** The port and password of a server. */
export interface PostgresEndpoint {
  port: number;
  password: string;
}

/** The URL of a database. The password needs no escapes. */
export function urlOf({ port, password }: PostgresEndpoint, database = 'likeness'): string {
  return `postgres://likeness:${password}@127.0.0.1:${port}/${database}`;
}

/**
 * A process's use of a server: a session that holds a shared advisory lock for as long as the process may need the
 * server. A process that can obtain the lock exclusively is the last user. The lock of a killed process is released
 * with its socket, and a new process waits for it while the last user is about to stop the server. The session does
 * not keep the process running.
 */
export class UseSession {
  private isLost = false;

  private constructor(
    private readonly client: Client,
    private readonly address: PostgresEndpoint,
  ) {
    client.on('end', () => {
      this.isLost = true;
    });
  }

  /**
   * Opens the session and creates the database `likeness` if it is missing.
   * @returns null if the server does not accept sessions now: it is starting, stopping or has ended
   * @throws EmbeddedPostgresError if it rejects the password
   */
  static async open(address: PostgresEndpoint): Promise<UseSession | null> {
    const client = new Client({
      connectionString: urlOf(address, 'postgres'),
      application_name: 'likeness keeper',
      connectionTimeoutMillis: 5_000,
      query_timeout: 15_000,
      keepAlive: true,
    });
    // Without a listener, a server that ends would crash this process; the following `end` event is handled.
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
        'The embedded PostgreSQL rejects the password in the file "password" next to its data. Restore the file that belongs to the data, ' +
          "or change the user's password to the one in the file.",
        { cause: error },
      );
    }
  }

  /**
   * Whether no other process uses the server. If so, new processes wait until this session ends, so that the server
   * can be stopped. After a crash of the server all sessions and their locks are lost: any other session then
   * counts as a user.
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

  /** Closes the session immediately, without notifying the server. */
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
    // Another process created it, before (42P04) or during (23505) this statement.
    if (!['42P04', '23505'].includes(codeOf(error) ?? '')) throw error;
  }
}
