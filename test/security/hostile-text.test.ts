import { Client, jwtSecret } from '../support/client';
import { TestGateway } from '../support/gateway';
import { type Operation, type Result, transports } from '../support/graphql-client';
import { signed } from '../support/issuer';
import { send } from '../support/raw-client';
import { hostileOperations, hostileRequests, hostileShapes, hostileTexts } from './hostile-text';

/** The size of a text in JSON. */
const textBytes = 230_000;

/** The maximum cost relative to a harmless request of the same size; quadratic work costs a thousand times. */
const maxWorkFactor = 100;

/** A message has at most 200 characters, or is one of the gateway's with a short excerpt. */
const maxMessageLength = 300;

describe('250 kB of hostile text', () => {
  let gateway: TestGateway;
  let token: string;
  let caller: Client;
  let harmlessMs: number;
  const work: { what: string; ms: number }[] = [];

  beforeAll(async () => {
    gateway = await TestGateway.start({
      AUTH: 'jwt',
      JWT_SECRET: jwtSecret,
      ROLE: 'api',
      INTROSPECTION: 'false',
    });
    token = await signed(jwtSecret, { subject: 'alice', endsInSeconds: 3_000 });
    caller = new Client(() => gateway.url, { token: token });
    const harmless = { query: '{ viewer { owner } }', variables: { text: 'a'.repeat(textBytes) } };
    const times: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      times.push(await workOf(() => caller.execute('HTTP', harmless)));
    }
    harmlessMs = times.sort((one, other) => one - other)[5]!;
  });
  afterAll(async () => {
    const worst = work.sort((one, other) => other.ms - one.ms).slice(0, 5);
    const lines = worst.map(({ what, ms }) => `  ${(ms / harmlessMs).toFixed(1).padStart(6)}  ${what}`);
    process.stdout.write(
      `work as multiples of a harmless request (${harmlessMs.toFixed(1)} ms):\n${lines.join('\n')}\n`,
    );
    caller.close();
    await gateway.stop();
  });

  /** Processor time of this process, in milliseconds: other load on the machine does not count. */
  const workOf = async (run: () => Promise<unknown>): Promise<number> => {
    const before = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  };

  /** Runs it beside a cheap request, which must be answered, and compares the cost with a harmless request's. */
  const run = async <Result>(what: string, ask: () => Promise<Result>): Promise<Result> => {
    let result: Result | undefined;
    const ms = await workOf(async () => {
      const asking = ask();
      expect((await send(`${gateway.url}/healthz`)).status).toBe(200);
      result = await asking;
    });
    work.push({ what, ms });
    expect({ what, isCheap: ms < maxWorkFactor * harmlessMs }).toEqual({ what, isCheap: true });
    return result!;
  };

  const expectShort = ({ errors }: Result, text: string): void => {
    for (const { message, extensions } of errors ?? []) {
      expect(message.length).toBeLessThanOrEqual(maxMessageLength);
      expect(message.split(text).length - 1).toBeLessThanOrEqual(200 / text.length);
      const { problems = [] } = extensions as { problems?: unknown[] };
      expect(problems.length).toBeLessThanOrEqual(50);
      expect(JSON.stringify(extensions).length).toBeLessThanOrEqual(1_000 + 500 * problems.length);
    }
  };

  describe.each(Object.entries(hostileTexts))('of %s', (kind, unit) => {
    // A literal in a query is escaped twice.
    const width = Buffer.byteLength(JSON.stringify(JSON.stringify(unit).slice(1, -1))) - 2;
    const text = unit.repeat(textBytes / width);
    it.each(hostileOperations(text))('costs little and is not repeated: %s', async (where, operation) => {
      for (const transport of transports) {
        const answer = await run(`${kind} as ${where} over ${transport}`, () =>
          caller.execute(transport, operation as unknown as Operation),
        );
        expectShort(answer, unit);
        expect(JSON.stringify(answer)).not.toContain('INTERNAL_SERVER_ERROR');
        for (const { message } of answer.errors ?? []) expect(message).not.toMatch(/Did you mean "\w/);
      }
    });

    it.each(hostileRequests(unit.repeat(14_000 / unit.length)))(
      'costs little and is not repeated: $what',
      async ({ what, path, headers }) => {
        const { port } = new URL(gateway.url);
        const options = {
          host: '127.0.0.1',
          port,
          path,
          headers: { authorization: `Bearer ${token}`, ...headers },
        };
        const { text: body } = await run(`${kind} as ${what}`, () => send(gateway.url, options));
        expect(body.length).toBeLessThanOrEqual(1_000);
        expect(body.split(unit).length - 1).toBeLessThanOrEqual(200 / unit.length);
      },
    );
  });

  it.each(hostileShapes)('costs little: %s', async (what, operation) => {
    for (const transport of transports) {
      expectShort(
        await run(`${what} over ${transport}`, () =>
          caller.execute(transport, operation as unknown as Operation),
        ),
        'aaaa',
      );
    }
  });
});
