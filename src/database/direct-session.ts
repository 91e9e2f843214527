import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { pause } from '../core/clock';
import { reasonOf } from '../core/reason';

/** How long a notification may take, in milliseconds; it is sent again at this interval. */
const limits = { totalMs: 6_000, intervalMs: 1_000, connectMs: 5_000 } as const;

/** The URLs of one database. */
export interface DatabaseUrls {
  /** For all statements that need no session: it may lead to a pooler in transaction mode. */
  readonly url: string;
  /** For what needs a session: LISTEN, migrations and their advisory lock. */
  readonly directUrl: string;
}

/**
 * Checks that a session of `directUrl` receives the notifications that are sent through `url`. A pooler in transaction mode
 * gives sessions to other clients after each transaction: LISTEN is accepted there, but has no effect.
 * @throws Error with advice if none arrives, or if only `directUrl` cannot be used
 */
export async function checkDirectSession({ url, directUrl }: DatabaseUrls): Promise<void> {
  const channel = `likeness_check_${randomBytes(6).toString('hex')}`;
  const clients = [clientOf(directUrl), clientOf(url)] as const;
  const [listener, sender] = clients;
  const ended = new AbortController();
  try {
    await Promise.all([url === directUrl ? listener.connect() : connectDirectly(listener), sender.connect()]);
    const received = new Promise<boolean>((resolve) => listener.once('notification', () => resolve(true)));
    await listener.query(`LISTEN ${channel}`);
    for (let ms = 0; ms < limits.totalMs; ms += limits.intervalMs) {
      await sender.query(`NOTIFY ${channel}`);
      if (await Promise.race([received, pause(limits.intervalMs, ended.signal).then(() => false)])) return;
    }
    // A pooler may have used another session by now. A channel that is left there receives no notifications.
    await listener.query(`UNLISTEN ${channel}`);
  } finally {
    ended.abort();
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
  }
  throw new Error(url === directUrl ? pooled : unrelated);
}

const pooled =
  'DATABASE_URL leads to a pooler that delivers no notifications, such as pgbouncer in transaction mode. ' +
  'Set DATABASE_DIRECT_URL to the URL of PostgreSQL itself.';

const unrelated =
  'A notification that was sent through DATABASE_URL did not arrive at DATABASE_DIRECT_URL. ' +
  'Both must lead to the same database, DATABASE_DIRECT_URL without a pooler in transaction mode.';

/** DATABASE_DIRECT_URL cannot be used: the errors of PostgreSQL and of the network do not name it. */
export class UnusableDirectUrl extends Error {}

async function connectDirectly(client: Client): Promise<void> {
  try {
    await client.connect();
  } catch (error) {
    throw new UnusableDirectUrl(`DATABASE_DIRECT_URL cannot be used: ${reasonOf(error)}`, { cause: error });
  }
}

function clientOf(connectionString: string): Client {
  const client = new Client({
    connectionString,
    connectionTimeoutMillis: limits.connectMs,
    query_timeout: limits.connectMs,
    application_name: 'likeness check',
  });
  // The statements report it.
  client.on('error', () => undefined);
  return client;
}
