import type { Config } from './config';
import { isLoopback } from './core/networks';
import { picsartFacts } from './upstream/picsart/facts';

/** Whether the host of a URL is loopback or unspecified, and so not reachable from other machines. */
function isLocalUrl(url: string): boolean {
  const host = new URL(url).hostname.replace(/^\[|\]$|\.$/g, '');
  return isLoopback(host) || host.endsWith('.localhost') || host === '0.0.0.0' || host === '::';
}

/** How long the avatar service may fetch photos after a paid call, in milliseconds; 0 for a local test server. */
function photoFetchMs(config: Config): number {
  if (config.UPSTREAM === 'sandbox') return picsartFacts(config.SANDBOX_SPEED, []).photoFetchMs;
  return isLocalUrl(config.PICSART_BASE_URL) ? 0 : picsartFacts(1, []).photoFetchMs;
}

/** A paid call is written up to so long after it has begun, which delays the photo fetches: see upstream/http-exchange.ts. */
const maxWriteDelayMs = 20_000;

/** Whether a lost paid call was accepted is decided by photo fetches, so photos must be reachable for the whole fetch window. */
function evidenceRules(config: Config): Rule[] {
  const { UPSTREAM, PICSART_BASE_URL, PUBLIC_URL, UNCERTAIN_GRACE } = config;
  const isReal = UPSTREAM === 'picsart' && !isLocalUrl(PICSART_BASE_URL);
  const graceMs = photoFetchMs(config) + (isReal ? maxWriteDelayMs : 0);
  return [
    [
      isReal && PUBLIC_URL === undefined,
      'PUBLIC_URL is needed with UPSTREAM=picsart, which fetches the photos from there; write PUBLIC_URL=https://avatars.example.com',
    ],
    [
      isReal && PUBLIC_URL !== undefined && isLocalUrl(PUBLIC_URL),
      `PUBLIC_URL ${PUBLIC_URL} is reachable only from this machine, but the avatar service fetches the photos from there; write PUBLIC_URL=https://avatars.example.com`,
    ],
    [
      UNCERTAIN_GRACE !== undefined && UNCERTAIN_GRACE < graceMs,
      `UNCERTAIN_GRACE must be at least ${graceMs / 1_000}s, the time within which the avatar service may fetch photos; a shorter grace period could treat an accepted call as lost`,
    ],
  ];
}

type Rule = [isBroken: boolean, problem: string];

/** What settings that are valid alone contradict together, one sentence each. */
export function contradictions(config: Config): string[] {
  const { AUTH } = config;
  const isOpen = AUTH.includes('none');
  const rules: Rule[] = [
    ...evidenceRules(config),
    [
      config.PERSISTED_QUERIES_ONLY && config.PERSISTED_QUERIES === undefined,
      'PERSISTED_QUERIES_ONLY needs PERSISTED_QUERIES; write PERSISTED_QUERIES=queries.json',
    ],
    [
      !config.MIGRATE && config.DATABASE_URL === undefined,
      'MIGRATE=false needs DATABASE_URL; the gateway always migrates the embedded database itself',
    ],
    [
      config.DATABASE_DIRECT_URL !== undefined && config.DATABASE_URL === undefined,
      'DATABASE_DIRECT_URL needs DATABASE_URL, the URL of the pooler; write DATABASE_URL=postgres://user:password@pooler:6432/likeness',
    ],
    [
      config.DATABASE_REPLICA_URL !== undefined && config.DATABASE_URL === undefined,
      'DATABASE_REPLICA_URL needs DATABASE_URL, the URL of its primary; the embedded database has no replica',
    ],
    [
      config.UPSTREAM === 'picsart' && !config.PICSART_API_KEY,
      'PICSART_API_KEY is needed with UPSTREAM=picsart; leave both out to use the sandbox',
    ],
    [
      isOpen && AUTH.length > 1,
      'AUTH=none disables authentication and cannot be combined with other methods; write AUTH=jwt,keys',
    ],
    ...addressRules(config),
    ...storageRules(config),
    ...spendingRules(config),
    ...tokenRules(config),
  ];
  return rules.filter(([isBroken]) => isBroken).map(([, problem]) => problem);
}

function addressRules({ AUTH, HOST, PORT, METRICS_PORT }: Config): Rule[] {
  return [
    [
      AUTH.includes('none') && !isLoopback(HOST),
      `HOST ${HOST} is reachable from other machines, but AUTH=none disables authentication; use HOST=127.0.0.1 or set AUTH=jwt or AUTH=keys`,
    ],
    [
      METRICS_PORT === PORT && PORT !== 0,
      `METRICS_PORT must differ from PORT, which is ${PORT} as well; write METRICS_PORT=9464, or leave it out to serve /metrics on PORT`,
    ],
  ];
}

function storageRules(config: Config): Rule[] {
  const { S3_BUCKET, S3_ENDPOINT, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, S3_FORCE_PATH_STYLE } = config;
  const { S3_UPLOADS, S3_READS, S3_PUBLIC_URL } = config;
  const texts = [S3_ENDPOINT, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, S3_PUBLIC_URL];
  const isNamed =
    S3_FORCE_PATH_STYLE ||
    S3_UPLOADS !== 'gateway' ||
    S3_READS !== 'gateway' ||
    texts.some((text) => text !== undefined);
  return [
    [
      S3_BUCKET === undefined && isNamed,
      'S3_BUCKET is missing, so the other S3 settings would have no effect; write S3_BUCKET=likeness-pictures, or leave them out to store pictures in DATA_DIR',
    ],
    [
      (S3_ACCESS_KEY_ID === undefined) !== (S3_SECRET_ACCESS_KEY === undefined),
      'S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY belong together; set both, or neither to use the role of the machine',
    ],
    [
      (S3_READS === 'cdn') !== (S3_PUBLIC_URL !== undefined),
      'S3_READS=cdn and S3_PUBLIC_URL belong together: set both to let clients read avatars from a CDN in front of the bucket, or neither',
    ],
  ];
}

function spendingRules(config: Config): Rule[] {
  const { PRICES, UPSTREAM, QUOTA_SPEND_PER_DAY: perDay, QUOTA_SPEND_PER_MONTH: perMonth } = config;
  const example = `write PRICES=${UPSTREAM}.training=2.50,${UPSTREAM}.generation=0.02/avatar,${UPSTREAM}.instant=0.03/avatar`;
  return [
    [
      PRICES !== undefined && !Object.hasOwn(PRICES, UPSTREAM),
      `PRICES has no prices for ${UPSTREAM}, the configured avatar service; ${example}`,
    ],
    [
      PRICES === undefined && (perDay !== undefined || perMonth !== undefined),
      `QUOTA_SPEND_PER_DAY and QUOTA_SPEND_PER_MONTH need PRICES; ${example}`,
    ],
  ];
}

function tokenRules(config: Config): Rule[] {
  const isUsed = config.AUTH.includes('jwt');
  return [
    [
      isUsed && !config.JWT_JWKS_URL && !config.JWT_SECRET,
      'JWT_JWKS_URL or JWT_SECRET is needed with AUTH=jwt; write JWT_JWKS_URL=https://login.example.com/.well-known/jwks.json',
    ],
    [
      isUsed && !config.JWT_AUDIENCE && !config.JWT_ISSUER && !config.JWT_ALLOW_ANY_AUDIENCE,
      'JWT_AUDIENCE or JWT_ISSUER is needed with AUTH=jwt, so that tokens for other applications are refused; write JWT_AUDIENCE=likeness, or JWT_ALLOW_ANY_AUDIENCE=true to accept every token signed with the keys',
    ],
  ];
}
