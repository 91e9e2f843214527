// The PostgreSQL of a run: that of DATABASE_URL, which must be empty, or the product's embedded one in a temporary
// folder. The product creates the schema.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, connect } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { productFolder } from './processes.mjs';

/** An open database with the product's schema. */
export async function openDatabase(folder) {
  const embedded = process.env.DATABASE_URL ? null : await startEmbedded(join(folder, 'postgres'));
  const url = embedded?.url ?? process.env.DATABASE_URL;
  execFileSync(process.execPath, [join(productFolder, 'dist/cli/likeness.js'), 'migrate'], {
    env: { PATH: process.env.PATH, DATABASE_URL: url },
    stdio: 'pipe',
  });
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  const rows = async (text, values) => (await pool.query(text, values)).rows;
  const [{ used }] = await rows('SELECT EXISTS (SELECT FROM models) AS used');
  if (used) throw new Error('The database at DATABASE_URL has models. Use an empty database.');
  const [{ pid, version }] = await rows(
    `SELECT pg_backend_pid() AS pid, current_setting('server_version') AS version`,
  );
  const close = async () => {
    await pool.end();
    await embedded?.stop();
  };
  return { url, rows, pool, version, pid: parentOf(pid), close };
}

async function startEmbedded(dir) {
  const load = createRequire(import.meta.url);
  const { startEmbeddedPostgres } = load(join(productFolder, 'dist/embedded-postgres/embedded-postgres.js'));
  return startEmbeddedPostgres({ dir, durable: true, maxConnections: 200 });
}

/** The process that all sessions of the server belong to; null if it does not run on this machine. */
function parentOf(pid) {
  const file = `/proc/${pid}/status`;
  if (!existsSync(file)) return null;
  const status = readFileSync(file, 'utf8');
  return /^Name:\s+postgres/m.test(status) ? Number(/^PPid:\s+(\d+)/m.exec(status)[1]) : null;
}

/**
 * A proxy in front of PostgreSQL that counts statements.
 * @returns its URL, and `count()`: the statements so far
 */
export async function countStatements(databaseUrl) {
  const { host, port } = new pg.Client(databaseUrl);
  let statements = 0;
  const sockets = new Set();
  const server = createServer((client) => {
    const upstream = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    client.on(
      'data',
      statementCounter(() => (statements += 1)),
    );
    client.pipe(upstream).pipe(client);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${server.address().port}`;
  url.searchParams.delete('host');
  const close = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { url: url.href, count: () => statements, close };
}

/** Reads the client's messages, of which Query and Execute are statements. */
function statementCounter(onStatement) {
  let rest = null;
  // The first message has no type.
  let typeBytes = 0;
  return (chunk) => {
    rest = rest ? Buffer.concat([rest, chunk]) : chunk;
    while (rest.length >= typeBytes + 4) {
      const end = typeBytes + rest.readUInt32BE(typeBytes);
      if (rest.length < end) return;
      if (typeBytes > 0 && 'QE'.includes(String.fromCharCode(rest[0]))) onStatement();
      typeBytes = 1;
      rest = rest.subarray(end);
    }
  };
}
