import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { Client, jwtSettings } from '../support/client';
import { TestGateway } from '../support/gateway';
import { RawConnection, SocketClient } from '../support/raw-client';
import { until } from '../support/until';

jest.setTimeout(60_000);

/** An address of this machine that is not a loopback address; undefined without a network. */
const outside = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

let gateway: TestGateway;
const closers: (() => void)[] = [];

/** Opens WebSockets. */
const open = async (count: number, token?: string): Promise<SocketClient[]> => {
  const credentials = token && { authorization: `Bearer ${token}` };
  const opened = await Promise.all(
    Array.from({ length: count }, () => SocketClient.greeted(gateway.url, credentials)),
  );
  closers.push(
    ...opened.map(
      ({ socket }) =>
        () =>
          socket.terminate(),
    ),
  );
  return opened;
};
const areOpen = (clients: readonly SocketClient[]): boolean => clients.every(({ closed }) => closed === null);

afterEach(async () => {
  for (const close of closers.splice(0)) close();
  await gateway.stop();
});

describe('by default', () => {
  it('an owner may open 100 sockets, and other owners are not affected', async () => {
    gateway = await TestGateway.start({ ...jwtSettings, ROLE: 'api' });
    const [owner, other] = await Promise.all([Client.of(gateway), Client.of(gateway)]);
    const all = await open(100, owner.token!);
    const [refused] = await open(1, owner.token!);
    expect(await refused!.end()).toEqual({
      code: 1013,
      reason: expect.stringContaining('has 100 WebSockets') as string,
    });
    expect(areOpen([...all, ...(await open(1, other.token!))])).toBe(true);
  });

  it('clients without authentication, who are one owner, may open more', async () => {
    gateway = await TestGateway.start({ ROLE: 'api' });
    const all = await open(220);
    const [last] = all.slice(-1);
    last!.subscribe('1', '{ viewer { owner } }');
    await last!.ended('1');
    expect(areOpen(all)).toBe(true);
  });

  it('and with a limit, they may not', async () => {
    gateway = await TestGateway.start({ ROLE: 'api', MAX_SOCKETS_PER_OWNER: '2' });
    const all = await open(2);
    const [refused] = await open(1);
    expect(await refused!.end()).toMatchObject({ code: 1013 });
    expect(areOpen(all)).toBe(true);
  });

  it('an address may open 200 connections, which a machine without a network cannot show', async () => {
    if (outside === undefined) return;
    gateway = await TestGateway.start({ ...jwtSettings, ROLE: 'api', HOST: '0.0.0.0' });
    const port = Number(new URL(gateway.url).port);
    const accepted = Array.from({ length: 200 }, () => connect(port, outside));
    closers.push(...accepted.map((socket) => () => socket.destroy()));
    await Promise.all(accepted.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    const [first] = accepted;
    // The gateway counts connections in the order in which they were made, and serves all of these.
    const answer = new Promise<string>((resolve) => first!.once('data', (data) => resolve(String(data))));
    first!.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(await answer).toContain('200 OK');

    const refused = connect(port, outside);
    closers.push(() => refused.destroy());
    const text = new Promise<string>((resolve) => refused.once('data', (data) => resolve(String(data))));
    expect(await text).toMatch(/^HTTP\/1.1 429 /);
    expect(accepted.filter(({ destroyed }) => destroyed)).toEqual([]);
    // Connections from this machine itself are not counted.
    const local = await RawConnection.open(port);
    closers.push(() => local.socket.destroy());
    local.socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until(() => local.text.includes('200 OK'));
  });
});
