import { Agent, get } from 'node:http';
import type { Route } from '../../src/http/router';
import { RawConnection } from '../support/raw-client';
import { startTinyGateway } from '../support/tiny-gateway';
import { until } from '../support/until';

const ask =
  'GET /graphql?query={slow(ms:300)} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n';

describe('stopping', () => {
  it('lets active requests finish, closes idle connections at once, and accepts no new ones', async () => {
    const gateway = await startTinyGateway();
    const idle = await RawConnection.open(gateway.port);
    idle.socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until(() => idle.text.includes('alive'));
    const busy = await RawConnection.open(gateway.port);
    busy.socket.write(ask);
    await until(() => gateway.log.some(({ msg }) => msg === 'request'));
    const stopped = gateway.stop(5_000);
    await until(() => idle.isClosed);
    expect(busy.isClosed).toBe(false);
    await expect(RawConnection.open(gateway.port)).rejects.toThrow('ECONNREFUSED');
    expect(await busy.rest()).toContain('{"data":{"slow":"done"}}');
    expect(busy.text.toLowerCase()).toContain('connection: close');
    await stopped;
  });

  it('aborts requests after the grace period', async () => {
    const hang: Route = { methods: ['GET'], path: '/hang', handle: () => new Promise(() => undefined) };
    const gateway = await startTinyGateway({ routes: [hang] });
    const connection = await RawConnection.open(gateway.port);
    connection.socket.write('GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n');
    connection.socket.write('');
    await until(() => connection.socket.bytesWritten > 0);
    const startedMs = performance.now();
    await gateway.stop(100);
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expect(await connection.rest()).toBe('');
  });

  it('can be requested twice', async () => {
    const gateway = await startTinyGateway();
    await Promise.all([gateway.stop(), gateway.stop()]);
    await gateway.stop();
    expect(gateway.log.filter(({ level }) => level === 50)).toEqual([]);
  });

  it('closes kept-alive connections', async () => {
    const gateway = await startTinyGateway();
    const agent = new Agent({ keepAlive: true });
    await new Promise((resolve) =>
      get(`${gateway.url}/healthz`, { agent }, (response) => response.resume().on('end', resolve)),
    );
    await gateway.stop();
    await expect(fetch(`${gateway.url}/healthz`)).rejects.toThrow('fetch failed');
    agent.destroy();
  });
});
