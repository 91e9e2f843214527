import { settingNames, type Config } from '../../src/config';
import { ConfigError, readConfig } from '../../src/read-config';

/** The error lines of a start with these settings. */
function problems(environment: Record<string, string>): string[] {
  try {
    readConfig(environment);
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    const [head, ...lines] = (error as ConfigError).message.split('\n');
    expect(head).toBe('Likeness cannot start with these settings:');
    return lines.map((line) => line.trim());
  }
}

/** Settings that do not contradict the one under test. */
const companions: Record<string, string> = {
  AUTH: 'jwt',
  JWT_SECRET: 'x'.repeat(32),
  JWT_AUDIENCE: 'likeness',
};

const wrong: Record<string, { values: string[]; problem: RegExp }> = {
  RATE_LIMIT_OWNER: {
    values: ['600', '600/1', '0/1m', '600/1ms', '600/25h', '-1/1m', 'none'],
    problem: /\(example: 600\/1m\), or off/,
  },
  RATE_LIMIT_ADDRESS: { values: ['many'], problem: /\(example: 600\/1m\), or off/ },
  TRUSTED_PROXIES: { values: ['proxy.internal', '10.0.0.0/33', '10.0.0.0/8,x'], problem: /10\.0\.0\.0\/8/ },
  BATCHING: { values: ['yes'], problem: /true or false/ },
  PLANNED_READS: { values: ['1'], problem: /true or false/ },
  MIGRATE: { values: ['no'], problem: /true or false/ },
  PORT: {
    values: ['abc', '-1', '65536', '80.5', 'Infinity'],
    problem: /is not a port; use a number from 0 to 65535$/,
  },
  PUBLIC_URL: {
    values: ['a.org', 'ftp://a.org', 'javascript:x', 'http://', 'http://a/b', 'http://a?b', 'http://b@a'],
    problem: /(is not a URL|a host name of its own) \(example: https:\/\/\S+\)$/,
  },
  PICSART_BASE_URL: { values: ['picsart', 'file:///etc/passwd'], problem: /\(example: https:\/\/\S+\)$/ },
  JWT_JWKS_URL: { values: ['login.example.com'], problem: /\(example: https:\/\/\S+\)$/ },
  DATABASE_URL: {
    values: ['mysql://root@localhost/likeness', 'localhost:5432', 'postgres:/host'],
    problem: /is not a PostgreSQL URL \(example: postgres:\/\/\S+\)$/,
  },
  DATABASE_POOL: { values: ['0', '-3', '2.5', 'many', '1e999'], problem: /\(examples: 1, 60\)$|like 4$/ },
  SANDBOX_SPEED: { values: ['0', '-1', 'fast', 'NaN'], problem: /\(examples: 1, 60\)$/ },
  UPSTREAM_REQUESTS_PER_MINUTE: { values: ['0', '-1', '2.5'], problem: /\(examples: 1, 60\)$|like 4$/ },
  POLL_SHARE: { values: ['0', '1', '75%'], problem: /must be a number from 0\.05 to 0\.9$/ },
  ...Object.fromEntries(
    ['MAX_POLLS', 'MAX_SUBMISSIONS', 'MAX_RESULT_FETCHES', 'MAX_PHOTO_FETCHES'].map((name) => [
      name,
      { values: ['0', '1.5', '10001'], problem: /\(examples: 1, 60\)$|like 4$|must be at most 10000$/ },
    ]),
  ),
  OWNER_WEIGHTS: {
    values: [
      'anna',
      'anna=',
      'anna=0',
      'anna=101',
      'anna=2.5',
      'anna=-1',
      '=3',
      'anna=2,,bob=3',
      'anna=2,anna=3',
    ],
    problem: /owners with a weight from 1 to 100, each once \(example: anna=3,@acme\/\*=2\)$/,
  },
  POLL_SPEED: { values: ['0', '-1', 'fast', 'Infinity'], problem: /\(examples: 1, 60\)$/ },
  ROLE: { values: ['ALL', 'master'], problem: /^ROLE must be all, api or worker$/ },
  UPSTREAM: { values: ['openai'], problem: /^UPSTREAM must be picsart or sandbox$/ },
  ...Object.fromEntries(
    ['TRAINING_DEADLINE', 'GENERATION_DEADLINE', 'UNCERTAIN_GRACE', 'PHOTO_RETENTION', 'EVENT_RETENTION'].map(
      (name) => [
        name,
        { values: ['90', '20 m', '-5s', '1w', '5M', 'soon'], problem: /\(examples: 90s, 20m, 48h\)$/ },
      ],
    ),
  ),
  ...Object.fromEntries(
    ['SUBMIT_TIMEOUT', 'POLL_TIMEOUT', 'LEASE', 'PRUNE_INTERVAL'].map((name) => [
      name,
      { values: ['0', '0s', '30', '25h', '30d'], problem: /\(examples?: (30s|90s, 20m, 48h)\)$/ },
    ]),
  ),
  POLL_PAUSE: { values: ['0s', '61s'], problem: /at most 1m \(example: 1s\)$/ },
  SHUTDOWN_GRACE: { values: ['10', '2d'], problem: /\(examples?: (10s|90s, 20m, 48h)\)$/ },
  MAX_PHOTO_BYTES: {
    values: ['0', '20mb', '20 MB', '1.5MB', '-1', 'big'],
    problem: /is not a size \(examples: 20MB, 500kB, 1000000\)$/,
  },
  MAX_RESULT_BYTES: { values: ['0MB', '20MiB'], problem: /is not a size \(examples: 20MB/ },
  AUTH: {
    values: ['password', ',', 'jwt keys', 'JWT'],
    problem: /^AUTH must be one of none, jwt, keys/,
  },
  JWT_SECRET: { values: ['too short', 'x'.repeat(31), 'é'.repeat(15)], problem: /use at least 32 bytes/ },
  JWT_ALLOW_ANY_AUDIENCE: { values: ['yes'], problem: /must be true or false$/ },
  SIGNING_SECRETS: {
    values: ['x', `${'x'.repeat(32)},short`, `short,${'x'.repeat(32)}`, 'é'.repeat(15)],
    problem: /use at least 32 bytes each/,
  },
  INTROSPECTION: { values: ['yes', '1', 'TRUE'], problem: /must be true or false$/ },
  LOG_LEVEL: { values: ['verbose'], problem: /must be fatal, error, warn, info, debug, trace or silent$/ },
};

const picsart = { PICSART_API_KEY: 'key', PUBLIC_URL: 'https://avatars.example.com' };

describe('settings that are left out', () => {
  it('start the sandbox for one person on this machine', () => {
    expect(readConfig({})).toMatchObject({
      HOST: '127.0.0.1',
      PORT: 4000,
      DATA_DIR: '.likeness',
      ROLE: 'all',
      UPSTREAM: 'sandbox',
      PICSART_BASE_URL: 'https://genai-avatars-api.picsart.io',
      POLL_SPEED: 1,
      SUBMIT_TIMEOUT: 30_000,
      POLL_TIMEOUT: 10_000,
      TRAINING_DEADLINE: 3_600_000,
      GENERATION_DEADLINE: 1_800_000,
      PHOTO_URL_ALLOW: [],
      WEBHOOK_URL_ALLOW: [],
      AUTH: ['none'],
      LOG_LEVEL: 'info',
    } satisfies Partial<Config>);
  });

  it('keep events for as long as webhooks need them', () => {
    expect(() => readConfig({ EVENT_RETENTION: '23h' })).toThrow(/EVENT_RETENTION must be at least 24h/);
  });

  it('use a lease that a killed process loses within 30 seconds', () => {
    expect(readConfig({}).LEASE).toBeLessThanOrEqual(30_000);
  });

  it('give each owner the weight 1, unless its own or that of its application is set', () => {
    const owners = ['anna', 'a=b', '@acme/anna', '@acme/bob', '@other/anna', '*', '@acme'];
    const weights = (text?: string): number[] =>
      owners.map((owner) => readConfig({ OWNER_WEIGHTS: text }).OWNER_WEIGHTS.of(owner));
    expect(weights()).toEqual([1, 1, 1, 1, 1, 1, 1]);
    expect(weights(' anna=100, a=b=2 ,@acme/*=3,@acme/bob=4')).toEqual([100, 2, 3, 4, 1, 1, 1]);
  });

  it('include empty and blank values', () => {
    const blank = Object.fromEntries(settingNames.map((name, index) => [name, index % 2 ? '' : ' ']));
    expect(readConfig(blank)).toEqual(readConfig({}));
  });

  it('do not include unrelated environment variables', () => {
    expect(readConfig({ PATH: '/bin', PORTS: 'x', port: 'x' })).toEqual(readConfig({}));
  });

  it('select Picsart if its key is set, unless the sandbox is requested', () => {
    expect(readConfig(picsart).UPSTREAM).toBe('picsart');
    expect(readConfig({ PICSART_API_KEY: 'key', UPSTREAM: 'sandbox' }).UPSTREAM).toBe('sandbox');
  });
});

describe('settings that are given', () => {
  it.each([
    ['500ms', 500],
    ['90s', 90_000],
    ['20m', 1_200_000],
    ['48h', 172_800_000],
    ['7d', 604_800_000],
    ['1.5h', 5_400_000],
    [' 2m ', 120_000],
    ['0', 0],
  ])('are durations in milliseconds: %j', (text, ms) => {
    expect(readConfig({ PHOTO_RETENTION: text }).PHOTO_RETENTION).toBe(ms);
  });

  it.each([
    ['1000000', 1_000_000],
    ['500kB', 500_000],
    ['20MB', 20_000_000],
    [' 1MB ', 1_000_000],
  ])('are sizes in bytes: %j', (text, size) => {
    expect(readConfig({ MAX_PHOTO_BYTES: text }).MAX_PHOTO_BYTES).toBe(size);
  });

  it('allows 20,000 connections by default', () => {
    expect(readConfig({}).MAX_CONNECTIONS).toBe(20_000);
  });

  it('are comma-separated lists, ignoring blanks', () => {
    const given = { PHOTO_URL_ALLOW: ' photos.internal, 10.0.0.0/8 ,,', AUTH: 'jwt, keys', ...jwtByUrl };
    expect(readConfig(given)).toMatchObject({
      PHOTO_URL_ALLOW: ['photos.internal', '10.0.0.0/8'],
      AUTH: ['jwt', 'keys'],
    });
  });

  it('are rates (requests per duration), or no limit', () => {
    const given = { RATE_LIMIT_OWNER: '120/10s', RATE_LIMIT_ADDRESS: 'off' };
    expect(readConfig(given)).toMatchObject({
      RATE_LIMIT_OWNER: { quota: 120, windowMs: 10_000 },
      RATE_LIMIT_ADDRESS: null,
    });
    expect(readConfig({}).RATE_LIMIT_OWNER).toBeUndefined();
  });

  it('have the public URL as browsers write it', () => {
    const written = (url: string): string => readConfig({ PUBLIC_URL: url }).PUBLIC_URL!;
    expect(written('https://example.com//')).toBe('https://example.com');
    expect(written('HTTPS://Bücher.de:443/')).toBe('https://xn--bcher-kva.de');
  });
});

const jwtByUrl = { JWT_JWKS_URL: 'https://login.example.com/jwks.json', JWT_AUDIENCE: 'likeness' };

describe('invalid settings', () => {
  const cases = Object.entries(wrong).flatMap(([name, { values, problem }]) =>
    values.map((value) => [name, value, problem] as const),
  );

  it.each(cases)('fail the start with name, problem and an example: %s=%s', (name, value, problem) => {
    const lines = problems({ ...companions, [name]: value });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(new RegExp(`^${name} `));
    expect(lines[0]).toMatch(problem);
  });

  it('are all reported at once', () => {
    const all = Object.fromEntries(Object.entries(wrong).map(([name, { values }]) => [name, values[0]!]));
    const named = problems(all).map((line) => line.split(' ')[0]);
    expect(named.sort()).toEqual(Object.keys(wrong).sort());
  });

  it('are not repeated in the message, since they may contain secrets', () => {
    const given = { DATABASE_URL: 'postgers://likeness:hunter2@db/likeness', JWT_SECRET: 'hunter2' };
    const lines = problems(given);
    expect(lines).toHaveLength(2);
    expect(lines.join()).not.toContain('hunter2');
  });
});

describe('contradictory settings', () => {
  it('require a file with an allow-list, and DATABASE_URL without migrations', () => {
    expect(problems({ PERSISTED_QUERIES_ONLY: 'true' })[0]).toMatch(/PERSISTED_QUERIES=queries.json/);
    expect(problems({ MIGRATE: 'false' })[0]).toMatch(/^MIGRATE=false needs DATABASE_URL/);
  });

  it.each(['0.0.0.0', '::', '192.168.1.5', 'example.com', '127.0.0.1.example.com', '::ffff:10.0.0.1'])(
    'reject remote access without authentication: HOST=%s',
    (host) => {
      const lines = problems({ HOST: host });
      expect(lines).toEqual([expect.stringMatching(/^HOST .*AUTH=none.*HOST=127\.0\.0\.1.*AUTH=jwt/)]);
      expect(problems({ HOST: host, AUTH: 'keys' })).toEqual([]);
    },
  );

  it.each(['127.0.0.1', '127.1.2.3', 'localhost', '::1'])(
    'allow local access without authentication: HOST=%s',
    (host) => {
      expect(problems({ HOST: host })).toEqual([]);
    },
  );

  it('require a key with Picsart', () => {
    expect(problems({ ...picsart, UPSTREAM: 'picsart', PICSART_API_KEY: '' })).toEqual([
      expect.stringMatching(/^PICSART_API_KEY .*UPSTREAM/),
    ]);
  });

  it.each([
    '',
    'http://localhost:4000',
    'http://127.0.0.1',
    'https://127.1.2.3',
    'http://[::1]:80',
    'http://gateway.localhost',
    'http://localhost.',
    'http://0.0.0.0:4000',
    'http://[::]',
  ])('require a PUBLIC_URL with Picsart that is publicly reachable: not %j', (url) => {
    expect(problems({ ...picsart, PUBLIC_URL: url })).toEqual([
      expect.stringMatching(/^PUBLIC_URL .*write PUBLIC_URL=https:\/\/avatars.example.com$/),
    ]);
    for (const [name, value] of Object.entries({ UPSTREAM: 'sandbox', PICSART_BASE_URL: 'http://[::1]:1' }))
      expect(problems({ ...picsart, [name]: value, PUBLIC_URL: url })).toEqual([]);
  });

  it.each([
    [picsart, '30m', '1820s', 'at least 1820s'],
    [{}, '59s', '60s', 'at least 60s'],
    [{ SANDBOX_SPEED: '6' }, '299s', '300s', 'at least 300s'],
  ])(
    'require a grace period longer than the avatar service fetches photos: %j',
    (given, short, long, words) => {
      expect(problems({ ...given, UNCERTAIN_GRACE: short })).toEqual([
        expect.stringMatching(new RegExp(`^UNCERTAIN_GRACE must be ${words}`)),
      ]);
      expect(problems({ ...given, UNCERTAIN_GRACE: long })).toEqual([]);
      const local = { PICSART_API_KEY: 'key', PICSART_BASE_URL: 'http://localhost:4010' };
      expect(problems({ ...local, UNCERTAIN_GRACE: short })).toEqual([]);
    },
  );

  it('require a key source with AUTH=jwt', () => {
    expect(problems({ AUTH: 'jwt,keys', JWT_AUDIENCE: 'likeness' })).toEqual([
      expect.stringMatching(/^JWT_JWKS_URL or JWT_SECRET /),
    ]);
    expect(problems({ AUTH: 'jwt', ...jwtByUrl })).toEqual([]);
    expect(problems({ AUTH: 'jwt', JWT_SECRET: 'é'.repeat(16), JWT_ISSUER: 'us' })).toEqual([]);
  });

  it('require an audience, unless waived', () => {
    const jwt = { AUTH: 'jwt', JWT_SECRET: 's'.repeat(32) };
    expect(problems(jwt)).toEqual([
      expect.stringMatching(
        /^JWT_AUDIENCE or JWT_ISSUER is needed with AUTH=jwt.*JWT_ALLOW_ANY_AUDIENCE=true/,
      ),
    ]);
    expect(problems({ ...jwt, JWT_ALLOW_ANY_AUDIENCE: 'false' })).toHaveLength(1);
    for (const name of ['JWT_AUDIENCE', 'JWT_ISSUER', 'JWT_ALLOW_ANY_AUDIENCE']) {
      expect(problems({ ...jwt, [name]: 'true' })).toEqual([]);
    }
    expect(problems({ AUTH: 'keys' })).toEqual([]);
  });

  it('do not allow AUTH=none with other methods', () => {
    expect(problems({ AUTH: 'none,keys' })).toEqual([expect.stringMatching(/^AUTH=none .*AUTH=jwt,keys/)]);
  });

  it('are all reported at once', () => {
    expect(problems({ UPSTREAM: 'picsart', HOST: '0.0.0.0' })).toHaveLength(3);
  });
});
