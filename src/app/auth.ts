import { QuotaService } from '../accounts/quota.service';
import { Spending, type SpendingOptions } from '../accounts/spending.service';
import { ApiKeyService } from '../auth/api-key.service';
import { Authentication, type Credentials } from '../auth/authentication';
import { ClientTokenService } from '../auth/client-token.service';
import { KeySet } from '../auth/key-set';
import { RateLimiter } from '../auth/rate-limiter';
import { RedisRateWindows } from '../auth/redis-rate-windows';
import { Revocations } from '../auth/revocations';
import { TokenVerifier } from '../auth/token-verifier';
import type { Config } from '../config';
import type { Viewer } from '../core/viewer';
import type { Wakeups } from '../events/wakeups';
import { jobKinds } from '../generations/generation.kind';
import { ClientAddresses } from '../http/client-address';
import { RateGate, type RateRule } from '../http/rate-gate';
import { countUnfinished } from '../jobs/job-row.repository';
import { insertNoticeOnce } from '../notices/notice.repository';
import type { RedisConnection } from '../redis/redis-connection';
import { HttpExchange } from '../upstream/http-exchange';
import type { Infrastructure } from './services';

export interface AuthDeps extends Pick<Infrastructure, 'config' | 'logger' | 'database'> {
  wakeups: Pick<Wakeups, 'announce' | 'onTopic'>;
  redis: RedisConnection | null;
}

/** Authentication, quotas and rate limits. */
export interface Auth {
  authenticate: (credentials: Credentials) => Viewer | Promise<Viewer>;
  quotas: QuotaService;
  keys: ApiKeyService;
  clientTokens: ClientTokenService;
  rates: RateGate;
  addresses: ClientAddresses;
  /** Notifies of revoked keys, whose open connections must be closed. */
  revocations: Revocations;
  stop(): Promise<void>;
}

/** Creates the services and starts listening for revoked keys. */
export function createAuth({ config, logger, database, wakeups, redis }: AuthDeps): Auth {
  const revocations = new Revocations(database, wakeups, logger);
  const keys = new ApiKeyService(database, wakeups, revocations, logger);
  const exchange = new HttpExchange(1);
  const { AUTH, JWT_JWKS_URL: url } = config;
  const keySet = url === undefined ? null : new KeySet(url, exchange, logger);
  const [isOpen, acceptsKeys] = [AUTH.includes('none'), AUTH.includes('keys')];
  const clientTokens = new ClientTokenService({
    ...{ database, announcer: wakeups, revocations, isOpen, acceptsKeys },
    maxPerOwner: config.MAX_CLIENT_TOKENS_PER_OWNER,
  });
  const { authenticate } = new Authentication({
    isOpen,
    keys: acceptsKeys ? keys : null,
    clientTokens: isOpen || acceptsKeys ? clientTokens : null,
    tokens: AUTH.includes('jwt') ? makeVerifier(config, keySet) : null,
  });
  const spending = new Spending(spendingOptions(config), (sql, owner, message) =>
    insertNoticeOnce(sql, { owner, kind: 'SPENDING_LIMIT_NEAR', message, subject: null }),
  );
  const quotas = new QuotaService(database, limitsOf(config), spending, countUnfinished(jobKinds));
  const limiter = new RateLimiter(database, logger, undefined, redis && new RedisRateWindows(redis));
  const addresses = new ClientAddresses(config.TRUSTED_PROXIES);
  const rates = new RateGate({
    counter: limiter,
    addresses,
    owner: rateRule('owner', config.RATE_LIMIT_OWNER, 600),
    address: rateRule('address', config.RATE_LIMIT_ADDRESS, 1_200),
  });
  revocations.start();
  const stop = async (): Promise<void> => {
    revocations.stop();
    keySet?.stop();
    await Promise.all([limiter.stop(), exchange.stop()]);
  };
  return { authenticate, quotas, keys, clientTokens, rates, addresses, revocations, stop };
}

/**
 * The configured limit, or a default per minute that does not count loopback requests, because a local proxy that is not
 * listed as trusted must not cause a limit for all clients. The default of 600 operations per minute is ten times the rate
 * of a busy page; addresses get twice as many, because several users may share one.
 */
function rateRule(name: string, setting: Config['RATE_LIMIT_OWNER'], defaultQuota: number): RateRule | null {
  if (setting === null) return null;
  const { quota, windowMs } = setting ?? { quota: defaultQuota, windowMs: 60_000 };
  return { policy: { name, quota, windowMs }, countsLoopback: setting !== undefined };
}

function makeVerifier(config: Config, keys: KeySet | null): TokenVerifier {
  const { JWT_SECRET: secret, JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = config;
  return new TokenVerifier({ keys, secret: secret ?? null, issuer, audience });
}

/** Prices and spending limits from the settings. */
export function spendingOptions(config: Config): SpendingOptions {
  const { PRICES, CURRENCY: currency, UPSTREAM } = config;
  const limits = {
    perDay: config.QUOTA_SPEND_PER_DAY ?? null,
    perMonth: config.QUOTA_SPEND_PER_MONTH ?? null,
  };
  return { prices: PRICES?.[UPSTREAM] ?? null, currency, limits };
}

function limitsOf(config: Config): QuotaService['limits'] {
  return {
    trainingsPerDay: config.QUOTA_TRAININGS_PER_DAY ?? null,
    avatarsPerDay: config.QUOTA_AVATARS_PER_DAY ?? null,
    running: config.QUOTA_RUNNING ?? null,
  };
}
