import { z } from 'zod';
import { readPrices } from './accounts/prices';
import { durationUnits, readDuration } from './core/clock';
import { readAmount } from './core/money';
import { isNetwork } from './core/networks';
import { maxWeight, readOwnerWeights } from './core/owner-weights';

/** The avatar services, as `UPSTREAM` names them. */
export const providerNames = ['picsart', 'sandbox'] as const;

/** Reads a text; undefined if it is not valid. */
type Read<Value> = (text: string) => Value | undefined;
/** A setting with a notation of its own. */
const notation = <Value>(read: Read<Value>, problem: string): z.ZodType<Value, string> =>
  z.string().transform((text, context) => {
    const value = read(text.trim());
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: problem });
    return z.NEVER;
  });

/** A duration such as `90s`, in milliseconds. */
export const duration = notation(readDuration, 'is not a duration (examples: 90s, 20m, 48h)');

/** A time limit that Node's timers support. 0 is refused because it would expire immediately. */
export const timeLimit = duration.refine((ms) => ms >= 1 && ms <= durationUnits.d, {
  error: 'must be more than 0 and at most 24h (example: 30s)',
});
/** How often something is looked for, so that it neither takes much processor time nor is late by more than a day. */
export const interval = duration.refine((ms) => ms >= 1_000 && ms <= durationUnits.d, {
  error: 'must be from 1s to 24h (example: 30s)',
});
/** A wait by which answers of the upstream are delayed; it may be 0. */
export const shortWait = duration.refine((ms) => ms <= 1_000, {
  error: 'must be at most 1s (example: 10ms)',
});
/** A pause during which polls stop. */
export const shortPause = duration.refine((ms) => ms >= 1 && ms <= durationUnits.m, {
  error: 'must be more than 0 and at most 1m (example: 1s)',
});
/** A duration of at most a day, which may be 0. */
export const grace = duration.refine((ms) => ms <= durationUnits.d, {
  error: 'must be at most 24h (example: 10s)',
});

/** How long events are kept: webhooks that fail or are paused need them for a day. */
export const atLeastDay = duration.refine((ms) => ms >= durationUnits.d, {
  error:
    'must be at least 24h, because events wait so long for webhooks that fail or are paused (example: 7d)',
});

/** A size such as `20MB`, in bytes. */
export const bytes = notation((text) => {
  const match = /^([1-9]\d*)(kB|MB)?$/.exec(text);
  return match ? Number(match[1]) * { kB: 1_000, MB: 1_000_000, '': 1 }[match[2] ?? '']! : undefined;
}, 'is not a size (examples: 20MB, 500kB, 1000000)');

/** The URL of a PostgreSQL database. */
export const postgresUrl = z
  .string()
  .regex(
    /^postgres(ql)?:\/\//,
    'is not a PostgreSQL URL (example: postgres://user:password@host:5432/likeness)',
  );

/** A URL with http or https, without a trailing slash. */
export const httpUrl = notation(
  (text) =>
    URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) ? text.replace(/\/+$/, '') : undefined,
  'is not a URL (example: https://avatars.example.com)',
);

/** The URL of a host as an origin, without a path: the studio, GraphiQL and clients use paths from the root. */
export const hostUrl = httpUrl
  .refine((text) => /^https?:\/\/[^/\\?#@]+$/i.test(text), {
    error:
      'must have no path, query or user, because the studio and GraphiQL are served from the root; give the gateway a host name of its own (example: https://avatars.example.com)',
  })
  .transform((text) => new URL(text).origin);

const portProblem = 'is not a port; use a number from 0 to 65535';
/** The number of a TCP port. */
export const port = z.coerce.number(portProblem).int().min(0, portProblem).max(65_535, portProblem);

/** A number above 0. */
export const positive = z.coerce
  .number('is not a number (examples: 1, 60)')
  .positive('must be more than 0 (examples: 1, 60)');
/** A whole number above 0. */
export const whole = positive.int('must be a whole number, like 4');
/** A number of things at once. */
export const concurrency = whole.max(10_000, 'must be at most 10000');

const shareProblem = 'must be a number from 0.05 to 0.9';
/** A share of polls: 5 % of the budget are reserved for failed jobs; submissions get the rest. */
export const pollShare = z.coerce.number(shareProblem).min(0.05, shareProblem).max(0.9, shareProblem);
/** `true` or `false`. */
export const flag = z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true');
const ratioProblem = 'must be a number from 0 to 1';
/** A share of all. */
export const ratio = z.coerce.number(ratioProblem).min(0, ratioProblem).max(1, ratioProblem);

/** Headers as `name=value`, separated by commas; values are percent-encoded. */
const headerList = notation((text) => {
  const pairs = text.split(',').map((pair) => /^\s*([\w-]+)\s*=\s*([\x21-\x7e ]*)$/.exec(pair));
  if (pairs.some((pair) => pair === null)) return undefined;
  try {
    return Object.fromEntries(pairs.map((pair) => [pair![1]!, decodeURIComponent(pair![2]!.trim())]));
  } catch {
    return undefined;
  }
}, 'is not a list of headers (example: authorization=Bearer%20abc)');

/** Texts, separated by commas. */
export const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

/** A quota per window, such as `600/1m`; `off` disables the limit. */
export const rate = notation((text) => {
  if (text === 'off') return null;
  const [quota = '', window = ''] = text.split('/');
  const windowMs = readDuration(window.trim()) ?? 0;
  const isValid =
    /^[1-9]\d{0,8}$/.test(quota.trim()) && windowMs >= durationUnits.s && windowMs <= durationUnits.d;
  return isValid ? { quota: Number(quota), windowMs } : undefined;
}, 'is not a rate; use count/window with a window of 1s to 24h (example: 600/1m), or off');

/** An amount of money of more than 0, in millionths of the currency. */
export const money = notation((text) => {
  const amount = readAmount(text);
  return amount === 0n ? undefined : amount;
}, 'is not an amount above 0 of at most 1000000 with at most 6 decimals (example: 25.00)');

/** The prices of avatar services. */
export const prices = notation(
  readPrices,
  'is not a list of prices, one of training, generation and instant for each avatar service (example: picsart.training=2.50+0.05/photo,picsart.generation=0.02/avatar,picsart.instant=0.03/avatar)',
);

/** The weights of owners. */
export const ownerWeights = notation(
  readOwnerWeights,
  `is not a list of owners with a weight from 1 to ${maxWeight}, each once (example: anna=3,@acme/*=2)`,
);

/** A currency. */
export const currency = z
  .string()
  .regex(/^([A-Z]{3}|CREDITS)$/, 'is not an ISO 4217 code, and not CREDITS (example: EUR)');

const isOrigin = (text: string): boolean => URL.canParse(text) && new URL(text).origin === text;
/** Origins, separated by commas. */
export const origins = list.refine(
  (items) => items.every(isOrigin),
  'is not a list of origins; use scheme, host and port (example: https://app.example.com,http://localhost:5173)',
);

const networkProblem = 'is not a list of addresses and networks (example: 10.0.0.0/8,192.0.2.7)';
/** Addresses and networks, separated by commas. */
export const networks = list.refine((items) => items.every(isNetwork), networkProblem);

const minTokenLength = 16;

/** The settings of metrics and traces. Those that begin with OTEL have the names of the OpenTelemetry specification. */
export const monitoringSettings = {
  METRICS_HOST: z.string().default('127.0.0.1'),
  METRICS_PORT: port.optional(),
  METRICS_TOKEN: z.string().min(minTokenLength, `needs at least ${minTokenLength} characters`).optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl.optional(),
  OTEL_EXPORTER_OTLP_HEADERS: headerList.optional(),
  OTEL_SERVICE_NAME: z.string().min(1).max(100).default('likeness'),
  OTEL_TRACES_SAMPLER_ARG: ratio.default(1),
};

const bucketProblem = 'is not the name of a bucket (example: likeness-pictures)';
/** Where pictures are stored, if not in DATA_DIR. */
export const s3Settings = {
  S3_BUCKET: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, bucketProblem)
    .optional(),
  S3_ENDPOINT: httpUrl.optional(),
  S3_REGION: z.string().min(1).default('us-east-1'),
  S3_ACCESS_KEY_ID: z.string().min(1).optional(),
  S3_SECRET_ACCESS_KEY: z.string().min(1).optional(),
  S3_FORCE_PATH_STYLE: flag.default(false),
  S3_UPLOADS: z.enum(['gateway', 'direct'], 'must be gateway or direct').default('gateway'),
  S3_READS: z.enum(['gateway', 'presigned', 'cdn'], 'must be gateway, presigned or cdn').default('gateway'),
  S3_PUBLIC_URL: httpUrl.optional(),
};

/** What several processes use besides the database. */
export const redisSettings = {
  REDIS_URL: z
    .string()
    .refine(isRedisUrl, 'is not a Redis URL (example: rediss://likeness:password@redis.internal:6379/0)')
    .optional(),
  REDIS_PREFIX: z
    .string()
    .regex(/^[\w.:-]{1,100}$/, 'must be at most 100 letters, digits or ._:- (example: likeness)')
    .default('likeness'),
};

function isRedisUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, pathname } = new URL(text);
  return /^rediss?:$/.test(protocol) && /^(\/\d*)?$/.test(pathname);
}
