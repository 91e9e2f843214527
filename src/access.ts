import { ApiKeyService } from './accounts/api-key.service';
import { Authentication, type ShownCredentials } from './accounts/authentication';
import { KeySet } from './accounts/key-set';
import { QuotaService } from './accounts/quota.service';
import { Revocations } from './accounts/revocations';
import { TokenVerifier } from './accounts/token-verifier';
import type { Config } from './config';
import type { Logger } from './core/logger';
import type { Transactions } from './core/sql';
import type { Viewer } from './core/viewer';
import type { Wakeups } from './events/wakeups';
import { countRunning } from './jobs/running-jobs';
import { HttpExchange } from './upstream/http-exchange';

/** What the knowledge of who is asking stands on. */
export interface AccessGround {
  config: Config;
  logger: Logger;
  database: Transactions;
  wakeups: Pick<Wakeups, 'announce' | 'onTopic'>;
}

/** Who is asking, and how much they may. */
export interface Access {
  authenticate: (shown: ShownCredentials) => Promise<Viewer>;
  quotas: QuotaService;
  keys: ApiKeyService;
  /** Whoever holds connections open ends those of the keys that it tells of. */
  revocations: Revocations;
  stop(): Promise<void>;
}

/** Makes it, and begins to listen for keys that are revoked. */
export function makeAccess({ config, logger, database, wakeups }: AccessGround): Access {
  const revocations = new Revocations({ sql: database, wakeups, logger });
  const keys = new ApiKeyService({ database, announcer: wakeups, revocations, logger });
  const exchange = new HttpExchange(1);
  const { AUTH } = config;
  const { authenticate } = new Authentication({
    isOpen: AUTH.includes('none'),
    keys: AUTH.includes('keys') ? keys : null,
    tokens: AUTH.includes('jwt') ? makeVerifier(config, exchange, logger) : null,
  });
  const quotas = new QuotaService({ sql: database, limits: limitsOf(config), countRunning });
  revocations.start();
  const stop = async (): Promise<void> => {
    revocations.stop();
    await exchange.stop();
  };
  return { authenticate, quotas, keys, revocations, stop };
}

function makeVerifier(config: Config, exchange: HttpExchange, logger: Logger): TokenVerifier {
  const { JWT_JWKS_URL: url, JWT_SECRET: secret, JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = config;
  const keys = url === undefined ? null : new KeySet({ url, exchange, logger });
  return new TokenVerifier({ keys, secret: secret ?? null, issuer, audience });
}

function limitsOf(config: Config): QuotaService['limits'] {
  return {
    trainingsPerDay: config.QUOTA_TRAININGS_PER_DAY ?? null,
    avatarsPerDay: config.QUOTA_AVATARS_PER_DAY ?? null,
    running: config.QUOTA_RUNNING ?? null,
  };
}
