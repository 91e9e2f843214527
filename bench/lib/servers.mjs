// How each server under test is started.
import { join } from 'node:path';
import { Server, benchFolder, productFolder } from './processes.mjs';
import { jwtSecret, signingSecret } from './requests.mjs';

const publicUrl = 'http://likeness.example';

/** The product without authentication and request log, as the other servers are. */
export const plain = { AUTH: 'none', LOG_LEVEL: 'warn' };

/** The product with JSON Web Tokens and its default log. */
export const withJwt = {
  AUTH: 'jwt',
  JWT_SECRET: jwtSecret,
  JWT_AUDIENCE: 'bench',
  // All connections of a sample may send the requests of one owner.
  MAX_OPERATIONS_PER_OWNER: '1000',
};

/**
 * Starts the product.
 * @param settings - besides those of the command line (`--setting NAME=VALUE`)
 * @param port - by default a free one
 */
export function startProduct(bench, settings, id = 'likeness', port = undefined) {
  const env = {
    DATABASE_URL: bench.database.url,
    DATA_DIR: join(bench.folder, 'data'),
    SIGNING_SECRETS: signingSecret,
    PUBLIC_URL: publicUrl,
    ...settings,
    ...bench.options.settings,
  };
  return Server.start(id, { program: join(productFolder, 'dist/main.js'), env, folder: bench.folder, port });
}

/** Starts another server, `servers/<id>.mjs`. */
export function startPeer(bench, id, settings = {}) {
  const env = {
    DATABASE_URL: bench.database.url,
    SIGNING_SECRET: signingSecret,
    PUBLIC_URL: publicUrl,
    ...settings,
  };
  return Server.start(id, { program: join(benchFolder, `servers/${id}.mjs`), env, folder: bench.folder });
}
