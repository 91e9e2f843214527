import { createServer, type ServerResponse } from 'node:http';
import { KeySet } from '../../src/auth/key-set';
import { TokenVerifier } from '../../src/auth/token-verifier';
import { createLogger } from '../../src/core/logger';
import { HttpExchange } from '../../src/upstream/http-exchange';
import { Issuer, signed } from '../support/issuer';
import { listening, stopped } from '../support/servers';
import { until } from '../support/until';

const seconds = 1_000;
const minutes = 60 * seconds;

describe('the keys of an issuer', () => {
  let issuer: Issuer;
  let exchange: HttpExchange;
  let clock: number;

  let keys: KeySet;

  const verifierFor = (url: string, checkMs?: number): TokenVerifier => {
    keys = new KeySet(url, exchange, createLogger('silent'), () => clock, checkMs);
    return new TokenVerifier({ keys, secret: null, issuer: undefined, audience: undefined });
  };
  const effectOf = async (verifier: TokenVerifier, token: string): Promise<string> =>
    Promise.resolve(verifier.verify(token)).then(
      (viewer) => viewer.owner,
      (error: unknown) => (error as { code: string }).code,
    );

  beforeEach(async () => {
    clock = Date.now();
    issuer = await Issuer.start();
    exchange = new HttpExchange(1);
  });
  afterEach(async () => {
    keys.stop();
    await exchange.stop();
    await issuer.stop();
  });

  it('are fetched once for many tokens at once, and again when they are five minutes old', async () => {
    const verifier = verifierFor(issuer.jwksUrl);
    const token = await issuer.token();
    const others = await Promise.all(
      Array.from({ length: 20 }, (_, n) => issuer.token({ subject: `user-${n}` })),
    );
    await Promise.all(others.map((other) => effectOf(verifier, other)));
    clock += 4 * minutes;
    await verifier.verify(token);
    expect(issuer.visits).toBe(1);
    clock += 2 * minutes;
    await verifier.verify(token);
    await until(() => issuer.visits === 2);
  });

  it('are fetched again in the background, so that one that is withdrawn is refused at its first use', async () => {
    await issuer.add('second', 'ES256');
    const verifier = verifierFor(issuer.jwksUrl, 10);
    const token = await issuer.token();
    for (let time = 0; time < 3; time += 1) expect(await effectOf(verifier, token)).toBe('alice');
    issuer.withdraw('first');
    clock += 6 * minutes;
    await until(() => issuer.visits === 2);
    await until(async () => (await effectOf(verifier, await issuer.token({ kid: 'second' }))) === 'alice');
    expect(await effectOf(verifier, await issuer.token())).toBe('UNAUTHENTICATED');
    // It was verified before, which holds until the keys are fetched again.
    expect(await effectOf(verifier, token)).toBe('UNAUTHENTICATED');
    expect(issuer.visits).toBe(2);
  });

  it('verify a token once, until it expires or is changed', async () => {
    const secret = 'a secret of these tests, of 32 bytes or more';
    const verifier = new TokenVerifier({ keys: null, secret, issuer: undefined, audience: undefined });
    const token = await signed(secret, { subject: 'bob', endsInSeconds: -58 });
    const [viewer, same] = await Promise.all([verifier.verify(token), verifier.verify(token)]);
    expect(same).toBe(viewer);
    expect(verifier.verify(token)).toBe(viewer);
    const other = `${token.slice(0, -4)}AAAA`;
    await expect(effectOf(verifier, other)).resolves.toBe('UNAUTHENTICATED');
    await until(() => Date.now() >= viewer.expiresAtMs!);
    expect(await effectOf(verifier, token)).toBe('UNAUTHENTICATED');
  });

  it('that are known delay no token while the issuer hangs', async () => {
    const verifier = verifierFor(issuer.jwksUrl, 10);
    const token = await issuer.token();
    await verifier.verify(token);
    await issuer.add('second', 'ES256');
    const unknownToken = await issuer.token({ kid: 'second' });
    issuer.isHanging = true;
    for (const round of [1, 2, 3, 4]) {
      clock += 10 * minutes;
      const unknown = Promise.all(Array.from({ length: 5 }, () => effectOf(verifier, unknownToken)));
      let isWaiting = true;
      void unknown.then(() => (isWaiting = false));
      for (let time = 0; time < 20; time += 1) expect(await effectOf(verifier, token)).toBe('alice');
      await until(() => issuer.visits === 1 + round);
      for (let time = 0; time < 20; time += 1) expect(await effectOf(verifier, token)).toBe('alice');
      expect(isWaiting).toBe(true);
      issuer.hangUp();
      expect(new Set(await unknown)).toEqual(new Set(['SERVICE_UNAVAILABLE']));
      expect(issuer.visits).toBe(1 + round);
    }
  });

  it('are fetched again for a new key, but not for every token that names one', async () => {
    const verifier = verifierFor(issuer.jwksUrl);
    await verifier.verify(await issuer.token());
    await issuer.add('second', 'ES256', false);
    const token = await issuer.token({ kid: 'second' });
    for (let time = 0; time < 5; time += 1) expect(await effectOf(verifier, token)).toBe('UNAUTHENTICATED');
    expect(issuer.visits).toBe(1);
    issuer.publish('second');
    clock += 31 * seconds;
    expect(await effectOf(verifier, token)).toBe('alice');
    expect(issuer.visits).toBe(2);
  });

  it('are used for an hour while the issuer is unavailable, with at most one request every three seconds', async () => {
    const verifier = verifierFor(issuer.jwksUrl);
    const token = await issuer.token();
    await verifier.verify(token);
    issuer.broken = { status: 503, body: '' };
    clock += 50 * minutes;
    for (let time = 0; time < 5; time += 1) expect(await effectOf(verifier, token)).toBe('alice');
    await until(() => issuer.visits === 2);
    expect(issuer.visits).toBe(2);
    clock += 11 * minutes;
    expect(await effectOf(verifier, token)).toBe('SERVICE_UNAVAILABLE');
    issuer.broken = null;
    clock += 4 * seconds;
    expect(await effectOf(verifier, token)).toBe('alice');
  });

  it('that cannot be fetched cause SERVICE_UNAVAILABLE for a token with an unknown key', async () => {
    const verifier = verifierFor(issuer.jwksUrl);
    await verifier.verify(await issuer.token());
    await issuer.add('second', 'ES256');
    issuer.broken = { status: 503, body: '' };
    clock += 1 * minutes;
    expect(await effectOf(verifier, await issuer.token({ kid: 'second' }))).toBe('SERVICE_UNAVAILABLE');
    expect(await effectOf(verifier, await issuer.token())).toBe('alice');
  });

  const bad: [what: string, answer: (response: ServerResponse) => void][] = [
    ['no JSON', (response) => response.end('<html>')],
    ['no set', (response) => response.end('{"keys":"none"}')],
    ['too much', (response) => response.end(`{"keys":[],"more":"${'x'.repeat(300_000)}"}`)],
    ['a redirect', (response) => response.writeHead(302, { location: issuer.jwksUrl }).end()],
    [
      'a cut answer',
      (response) => {
        response.writeHead(200, { 'content-length': 500 }).write('{"keys":[]}', () => response.destroy());
      },
    ],
    ['nothing', (response) => response.socket?.destroy()],
  ];

  it.each(bad)('cannot be read from %s', async (_what, answer) => {
    const server = createServer((_request, response) => answer(response));
    const verifier = verifierFor(`http://127.0.0.1:${await listening(server)}/jwks`);
    expect(await effectOf(verifier, await issuer.token())).toBe('SERVICE_UNAVAILABLE');
    await stopped(server);
  });

  it('never include shared secrets, even if the issuer publishes one', async () => {
    const secret = Buffer.alloc(32, 'x');
    const jwk = { kty: 'oct', k: secret.toString('base64url'), kid: 'first', alg: 'HS256' };
    const server = createServer((_request, response) => response.end(JSON.stringify({ keys: [jwk] })));
    const verifier = verifierFor(`http://127.0.0.1:${await listening(server)}/jwks`);
    const token = await signed(secret.toString(), { kid: 'first', subject: 'eve' });
    expect(await effectOf(verifier, token)).toBe('UNAUTHENTICATED');
    await stopped(server);
  });
});
