// What the servers that are compared with the product share: the database, ids, signed URLs, and an HTTP handler.
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import pg from 'pg';

const { DATABASE_URL, SIGNING_SECRET, PUBLIC_URL, PORT } = process.env;

/** As many connections as the product's default. */
export const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10, idleTimeoutMillis: 0 });

/** Runs a statement that is prepared once per connection. */
export async function rows(name, text, values) {
  return (await pool.query({ name, text, values })).rows;
}

export const toGlobalId = (kind, id) => `${kind}_${id.replaceAll('-', '')}`;
export const fromGlobalId = (globalId) =>
  globalId.slice(-32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
export const cursorOf = (id) => Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url');

/** The query of a signed URL, as the product signs. */
export function sign(purpose, path, expiresMs) {
  const expires = Math.ceil(expiresMs / 1000);
  const mac = createHmac('sha256', SIGNING_SECRET).update(`${purpose}\n${path}\n${expires}`);
  return `${PUBLIC_URL}${path}?expires=${expires}&signature=${mac.digest('base64url')}`;
}

const hourMs = 3_600_000;
const maxUrls = 200_000;
let urls = new Map();
let urlsExpireMs = 0;

/** An avatar's signed URL. It changes once an hour, so it is kept: the comparison is with a server that signs rarely. */
export function avatarUrl(globalId) {
  const expiresMs = (Math.floor(Date.now() / hourMs) + 2) * hourMs;
  if (expiresMs !== urlsExpireMs || urls.size >= maxUrls) urls = new Map();
  urlsExpireMs = expiresMs;
  let url = urls.get(globalId);
  if (!url) urls.set(globalId, (url = sign('avatar-view', `/media/avatars/${globalId}/original`, expiresMs)));
  return url;
}

/** Answers POST requests on bare node:http. @param answer - returns the JSON text for a body and the owner */
export function serve(answer) {
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      answer(body, request.headers['x-owner']).then(
        (text) => end(response, 200, text),
        (error) => end(response, 500, JSON.stringify({ errors: [{ message: error.message }] })),
      );
    });
  });
  server.keepAliveTimeout = 60_000;
  listen(server);
}

function end(response, status, text) {
  const length = Buffer.byteLength(text);
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': length });
  response.end(text);
}

/** Prints the line that the benchmark waits for. */
export function announce() {
  console.log('ready');
}

/** Listens on the port of the environment. */
export function listen(server) {
  server.listen({ port: Number(PORT), host: '127.0.0.1', backlog: 4096 }, announce);
}
