import { z } from 'zod';
import { durationUnits } from './core/clock';
import { engineNames } from './core/engine';
import { equalWeights } from './core/owner-weights';
import {
  atLeastDay,
  bytes,
  concurrency,
  currency,
  duration,
  flag,
  grace,
  httpUrl,
  list,
  money,
  monitoringSettings,
  networks,
  origins,
  ownerWeights,
  pollShare,
  port,
  positive,
  postgresUrl,
  prices,
  providerNames,
  rate,
  redisSettings,
  s3Settings,
  timeLimit,
  whole,
} from './setting-notations';

/** The output length of SHA-256, as RFC 7518, 3.2 requires. */
const isLongSecret = (secret: string): boolean => Buffer.byteLength(secret) >= 32;
const secretProblem = 'is too short; use at least 32 bytes each, such as those of: openssl rand -base64 32';

const consentVersion = z
  .string()
  .regex(/^[\x21-\x7e]{1,100}$/, 'is not a version name; use one without spaces (example: 2026-01)');

const authProblem = 'must be one of none, jwt, keys, or several separated by commas: jwt,keys';
const authMode = z.enum(['none', 'jwt', 'keys'], authProblem);

/** Every setting with its default. A test checks that docs/settings.md describes them all. */
export const settings = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: port.default(4000),
  PUBLIC_URL: httpUrl.optional(),
  ...monitoringSettings,
  CORS_ORIGINS: origins.default([]),
  DATABASE_URL: postgresUrl.optional(),
  DATABASE_DIRECT_URL: postgresUrl.optional(),
  DATABASE_REPLICA_URL: postgresUrl.optional(),
  DATABASE_PREPARED_STATEMENTS: flag.optional(),
  DATABASE_ENGINE: z.enum(engineNames, 'must be postgresql or portable').default('postgresql'),
  DATABASE_POOL: whole.default(10),
  PLANNED_READS: flag.default(true),
  MIGRATE: flag.default(true),
  DATA_DIR: z.string().min(1).default('.likeness'),
  ...s3Settings,
  ...redisSettings,
  ROLE: z.enum(['all', 'api', 'worker'], 'must be all, api or worker').default('all'),
  UPSTREAM: z.enum(providerNames, 'must be picsart or sandbox').optional(),
  PICSART_API_KEY: z.string().min(1).optional(),
  PICSART_BASE_URL: httpUrl.default('https://genai-avatars-api.picsart.io'),
  PICSART_BALANCE_URL: httpUrl.optional(),
  SANDBOX_SPEED: positive.default(60),
  POLL_SPEED: positive.default(1),
  MAX_POLL_SPEEDUP: positive.max(100, 'must be at most 100').default(8),
  MAX_POLL_INTERVAL: duration.optional(),
  UPSTREAM_REQUESTS_PER_MINUTE: whole.optional(),
  POLL_SHARE: pollShare.default(0.75),
  MAX_POLLS: concurrency.default(128),
  MAX_POLL_CONNECTIONS: concurrency.optional(),
  POLL_BATCH_WAIT: grace.default(10),
  POLL_PAUSE: timeLimit.default(1_000),
  MAX_SUBMISSIONS: concurrency.default(16),
  MAX_RESULT_FETCHES: concurrency.default(24),
  MAX_PHOTO_FETCHES: concurrency.default(24),
  SUBMIT_TIMEOUT: timeLimit.default(30_000),
  POLL_TIMEOUT: timeLimit.default(10_000),
  TRAINING_DEADLINE: duration.default(60 * durationUnits.m),
  GENERATION_DEADLINE: duration.default(30 * durationUnits.m),
  RESULT_TIMEOUT: timeLimit.default(60_000),
  RESULT_DEADLINE: duration.optional(),
  UNCERTAIN_GRACE: duration.optional(),
  ACCOUNT_PROBE_INTERVAL: timeLimit.default(30_000),
  OWNER_WEIGHTS: ownerWeights.default(equalWeights),
  LEASE: timeLimit.default(20_000),
  WORK_CHECK_INTERVAL: timeLimit.default(10_000),
  PRUNE_INTERVAL: timeLimit.default(30 * durationUnits.m),
  SHUTDOWN_DRAIN: grace.optional(),
  SHUTDOWN_GRACE: grace.default(10_000),
  MAX_PHOTO_BYTES: bytes.default(25_000_000),
  MAX_RESULT_BYTES: bytes.default(20_000_000),
  MAX_UPLOADS: whole.default(200),
  MAX_UPLOADS_PER_OWNER: whole.default(50),
  MAX_BULK_OBJECTS: whole.default(1_000),
  MAX_DOWNLOAD_AVATARS: whole.default(10_000),
  MAX_EXPORTS: whole.default(20),
  MIN_TRANSFER_RATE: bytes.default(16_000),
  TRANSFER_GRACE: timeLimit.default(15_000),
  MAX_WEBHOOKS_PER_OWNER: whole.default(20),
  MAX_WEBHOOK_DELIVERIES: concurrency.default(32),
  WEBHOOK_TIMEOUT: timeLimit.default(15_000),
  WEBHOOK_URL_ALLOW: list.default([]),
  WEBHOOK_RETENTION: duration.default(7 * durationUnits.d),
  RENDITION_RETENTION: duration.default(30 * durationUnits.d),
  MEDIA_CHECK_INTERVAL: duration.default(7 * durationUnits.d),
  MEDIA_CHECKS_PER_MINUTE: whole.default(120),
  PHOTO_RETENTION: duration.default(24 * durationUnits.h),
  EVENT_RETENTION: atLeastDay.default(7 * durationUnits.d),
  EVIDENCE_RETENTION: duration.default(30 * durationUnits.d),
  LEDGER_RETENTION: duration.default(400 * durationUnits.d),
  PHOTO_URL_ALLOW: list.default([]),
  SIGNING_SECRETS: list.refine((secrets) => secrets.every(isLongSecret), secretProblem).default([]),
  AUTH: list.pipe(z.array(authMode).min(1, authProblem)).default(['none']),
  JWT_JWKS_URL: httpUrl.optional(),
  JWT_SECRET: z.string().refine(isLongSecret, secretProblem).optional(),
  JWT_ISSUER: z.string().optional(),
  JWT_AUDIENCE: z.string().optional(),
  JWT_ALLOW_ANY_AUDIENCE: flag.default(false),
  QUOTA_TRAININGS_PER_DAY: whole.optional(),
  QUOTA_AVATARS_PER_DAY: whole.optional(),
  QUOTA_RUNNING: whole.optional(),
  QUOTA_SPEND_PER_DAY: money.optional(),
  QUOTA_SPEND_PER_MONTH: money.optional(),
  PRICES: prices.optional(),
  CURRENCY: currency.default('CREDITS'),
  AUDIT_RETENTION: duration.default(365 * durationUnits.d),
  REQUIRE_CONSENT: consentVersion.optional(),
  MAX_CLIENT_TOKENS_PER_OWNER: whole.default(1_000),
  RATE_LIMIT_OWNER: rate.optional(),
  RATE_LIMIT_ADDRESS: rate.optional(),
  MAX_CONNECTIONS: whole.default(20_000),
  MAX_CONNECTIONS_PER_ADDRESS: whole.optional(),
  MAX_SOCKETS_PER_OWNER: whole.optional(),
  MAX_OPERATIONS_PER_OWNER: whole.optional(),
  MAX_WAITS: whole.default(10_000),
  MAX_WAITS_PER_OWNER: whole.optional(),
  TRUSTED_PROXIES: networks.default([]),
  PERSISTED_QUERIES: z.string().min(1).optional(),
  PERSISTED_QUERIES_ONLY: flag.default(false),
  PERSISTED_QUERIES_CACHE: bytes.default(10_000_000),
  BATCHING: flag.default(false),
  INTROSPECTION: flag.default(true),
  GRAPHIQL: flag.default(true),
  STUDIO: flag.default(true),
  LOG_LEVEL: z
    .enum(
      ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
      'must be fatal, error, warn, info, debug, trace or silent',
    )
    .default('info'),
});

/** Parsed settings. Durations are in milliseconds, sizes in bytes. */
export type Config = Readonly<z.output<typeof settings>> & {
  readonly UPSTREAM: (typeof providerNames)[number];
};

/** All setting names, for the test of the documentation. */
export const settingNames = Object.keys(settings.shape);
