import { createServer, get, type Server } from 'node:http';
import { isIP, isIPv6, type AddressInfo, type LookupFunction } from 'node:net';
import fc from 'fast-check';
import { createGuard, GuardRefusal, type Guard, type GuardOptions } from '../../src/upstream/guard';
import { urlCorpus, type CorpusUrl } from './url-corpus';

/** Replaces the resolver of the network. */
const resolving =
  (addresses: readonly string[]): GuardOptions['resolve'] =>
  () =>
    Promise.resolve(addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 })));

/** Requests a server and returns its status. */
function ask(url: URL, lookup?: LookupFunction): Promise<string> {
  return new Promise((settle, fail) => {
    get(url, { agent: false, lookup, timeout: 2000 }, (response) => {
      response.resume().on('end', () => {
        settle(`status ${response.statusCode ?? 0}`);
      });
    }).on('error', fail);
  });
}

/** Performs the steps of a fetch: check, resolve, connect. Returns the response, or the reason for the failure. */
async function reach(guard: Guard, url: string): Promise<string> {
  try {
    const checked = guard.checkUrl(url);
    return await ask(checked, guard.lookupFor(checked));
  } catch (error) {
    return (error as Error).message;
  }
}

const refusal = 'The address cannot be used: it must be a public http or https URL.';

describe('the guard', () => {
  let canary: Server;
  let port: number;
  let visits = 0;

  beforeAll(async () => {
    canary = createServer((_, response) => response.end('secret')).on('connection', () => (visits += 1));
    await new Promise<void>((listening) => canary.listen(0, listening));
    port = (canary.address() as AddressInfo).port;
  });

  afterAll(async () => {
    canary.closeAllConnections();
    await new Promise((closed) => canary.close(closed));
  });

  /** Allows the port of the canary, so that only the host decides. */
  const guardFor = ({ addresses = ['127.0.0.1'] }: CorpusUrl): Guard =>
    createGuard({ allow: [], ports: [80, 443, port], resolve: resolving(addresses) });

  const stopped = (onPort?: number): CorpusUrl[] =>
    urlCorpus(onPort).filter(({ verdict }) => verdict !== 'allowed');

  it('is tested with more than 150 blocked URLs', () => {
    expect(stopped().length).toBeGreaterThan(150);
  });

  it('is needed: most notations of this machine reach the canary without it', async () => {
    const before = visits;
    const literal = stopped(port)
      .filter(({ url }) => URL.canParse(url))
      .map(({ url }) => new URL(url))
      .filter((url) => url.port === String(port) && isIP(url.hostname.replace(/[[\]]/g, '')) > 0);
    await Promise.allSettled(literal.map((url) => ask(url)));
    expect(visits - before).toBeGreaterThan(30);
  });

  it.each(urlCorpus().filter(({ verdict }) => verdict === 'allowed'))('allows $url', (row) => {
    expect(guardFor(row).checkUrl(row.url).href).toBe(new URL(row.url).href);
  });

  it.each(stopped().map(({ url }, row) => ({ name: JSON.stringify(url).slice(0, 80), row })))(
    'blocks $name before connecting',
    async ({ row }) => {
      const before = visits;
      const wanted = stopped(port)[row]!;
      expect(await reach(guardFor(wanted), wanted.url)).toBe(refusal);
      expect(visits).toBe(before);
    },
  );

  it('blocks every private address in every notation', () => {
    const guard = createGuard({ allow: [] });
    const octet = fc.nat(255);
    const privateAddress = fc.oneof(
      fc.tuple(fc.constantFrom(0, 10, 127, 224, 240, 255), octet, octet, octet),
      fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), octet, octet),
      fc.tuple(fc.constant(192), fc.constant(168), octet, octet),
      fc.tuple(fc.constant(169), fc.constant(254), octet, octet),
      fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), octet, octet),
    );
    const ways = [
      (part: number): string => String(part),
      (part: number): string => `0x${part.toString(16)}`,
      (part: number): string => `0${part.toString(8)}`,
      (part: number): string => `00${part}`,
    ];
    const way = fc.constantFrom(...ways);
    fc.assert(
      fc.property(privateAddress, fc.tuple(way, way, way, way), fc.nat(4), (parts, write, form) => {
        const whole = parts.reduce((sum, part) => sum * 256 + part, 0);
        const plain = parts.join('.');
        const mixed = parts.map((part, place) => write[place]!(part)).join('.');
        const hosts = [mixed, whole, `0x${whole.toString(16)}`, `[::ffff:${plain}]`, `[64:ff9b::${plain}]`];
        expect(() => guard.checkUrl(`http://${hosts[form]!}/`)).toThrow(GuardRefusal);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the allow-list of the guard', () => {
  const checkOutcome = (allow: string[], url: string): string => {
    try {
      return createGuard({ allow }).checkUrl(url).host;
    } catch (error) {
      return (error as Error).name;
    }
  };

  it.each([
    { entry: 'photos.internal', url: 'http://photos.internal/a.jpg', host: 'photos.internal' },
    { entry: 'photos.internal', url: 'http://PHOTOS.internal:9000/a.jpg', host: 'photos.internal:9000' },
    { entry: 'photos.internal', url: 'http://sub.photos.internal/a.jpg', host: 'GuardRefusal' },
    { entry: 'photos.internal', url: 'ftp://photos.internal/a.jpg', host: 'GuardRefusal' },
    { entry: 'photos.internal', url: 'http://user@photos.internal/a.jpg', host: 'GuardRefusal' },
    { entry: 'photos.internal:9000', url: 'http://photos.internal:9000/', host: 'photos.internal:9000' },
    { entry: 'photos.internal:9000', url: 'http://photos.internal:9001/', host: 'GuardRefusal' },
    { entry: 'localhost', url: 'http://localhost:4001/a.jpg', host: 'localhost:4001' },
    { entry: '127.0.0.1', url: 'http://127.0.0.1:4001/a.jpg', host: '127.0.0.1:4001' },
    { entry: '127.0.0.1', url: 'http://127.0.0.2:4001/a.jpg', host: 'GuardRefusal' },
    { entry: '127.0.0.1', url: 'http://2130706433:4001/a.jpg', host: 'GuardRefusal' },
    { entry: '127.0.0.1', url: 'http://[::ffff:127.0.0.1]:4001/', host: 'GuardRefusal' },
    { entry: '127.0.0.1:4001', url: 'http://127.0.0.1:4002/a.jpg', host: 'GuardRefusal' },
    { entry: '10.0.0.0/8', url: 'http://10.1.2.3:9000/a.jpg', host: '10.1.2.3:9000' },
    { entry: '10.0.0.0/8', url: 'http://11.1.2.3:9000/a.jpg', host: 'GuardRefusal' },
    { entry: '::1', url: 'http://[::1]:4001/a.jpg', host: '[::1]:4001' },
    { entry: '[::1]:4001', url: 'http://[::1]:4001/a.jpg', host: '[::1]:4001' },
    { entry: '[::1]:4001', url: 'http://[::1]:4002/a.jpg', host: 'GuardRefusal' },
    { entry: 'fd00::/8', url: 'http://[fd12:3456::1]/a.jpg', host: '[fd12:3456::1]' },
  ])('$entry and $url: $host', ({ entry, url, host }) => {
    expect(checkOutcome([entry], url)).toBe(host);
  });

  it('is reached: a host at any address, a network at the addresses in it', async () => {
    const server = createServer((_, response) => response.end());
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    const options = { ports: [port], resolve: resolving(['127.0.0.1']) };
    const url = `http://photos.example.com:${port}/`;
    try {
      expect(await reach(createGuard({ ...options, allow: [] }), url)).toBe(refusal);
      expect(await reach(createGuard({ ...options, allow: ['10.0.0.0/8'] }), url)).toBe(refusal);
      expect(await reach(createGuard({ ...options, allow: ['127.0.0.0/8'] }), url)).toBe('status 200');
      expect(await reach(createGuard({ ...options, allow: ['photos.example.com'] }), url)).toBe('status 200');
    } finally {
      await new Promise((closed) => server.close(closed));
    }
  });

  it.each([
    'http://a.internal',
    'a.internal/b',
    '*.internal',
    '10.0.0.0/33',
    '',
    'a b',
    '10.0.0.1:',
    'a:70000',
  ])('rejects %j with an error that names the entry and shows an example', (entry) => {
    expect(() => createGuard({ allow: [entry] })).toThrow(
      `PHOTO_URL_ALLOW has "${entry}", which is not a host, address or network; use entries such as photos.example.com`,
    );
  });

  it('can be given per request for one host', () => {
    const guard = createGuard({ allow: [] });
    const trust = (hostname: string): boolean => hostname === '127.0.0.1';
    expect(guard.checkUrl('http://127.0.0.1:4010/avatar.png', trust).port).toBe('4010');
    expect(() => guard.checkUrl('http://127.0.0.2:4010/avatar.png', trust)).toThrow(GuardRefusal);
  });
});
