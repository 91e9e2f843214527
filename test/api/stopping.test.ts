import { readdir } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { createLogger } from '../../src/core/logger';
import { Shutdown } from '../../src/core/shutdown';
import { sendJson } from '../../src/http/responses';
import type { Route } from '../../src/http/router';
import { Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { HoldingUpstream } from '../support/holding-upstream';
import { RawConnection, send, SocketClient } from '../support/raw-client';
import { startTinyGateway } from '../support/tiny-gateway';
import { until } from '../support/until';

const ask = 'GET /graphql?query={greeting} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n';

/** A route that answers when it is released. */
function slowRoute(): { route: Route; isBusy: () => boolean; release: () => void } {
  let isBusy = false;
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const handle: Route['handle'] = async ({ response }) => {
    isBusy = true;
    await released;
    sendJson(response, 200, { slow: 'done' });
  };
  return { route: { methods: ['GET'], path: '/slow', handle }, isBusy: () => isBusy, release };
}

const askSlow = 'GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n';

describe('stopping', () => {
  it('lets active requests finish, closes idle connections at once, and accepts no new ones', async () => {
    const slow = slowRoute();
    const gateway = await startTinyGateway({ routes: [slow.route] });
    const idle = await RawConnection.open(gateway.port);
    idle.socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until(() => idle.text.includes('alive'));
    const busy = await RawConnection.open(gateway.port);
    busy.socket.write(askSlow);
    await until(slow.isBusy);
    const stopped = gateway.stop(5_000);
    await until(() => idle.isClosed);
    expect(busy.isClosed).toBe(false);
    await expect(RawConnection.open(gateway.port)).rejects.toThrow('ECONNREFUSED');
    slow.release();
    expect(await busy.rest()).toContain('{"slow":"done"}');
    expect(busy.text.toLowerCase()).toContain('connection: close');
    await stopped;
  });

  it('reports that it is not ready, closes each connection after its answer, and serves all requests while it drains', async () => {
    const gateway = await startTinyGateway();
    const socket = await SocketClient.greeted(gateway.url);
    const headers = { 'content-type': 'application/json', connection: 'keep-alive' };
    const query = (): Promise<{ status: number; headers: object }> =>
      send(`${gateway.url}/graphql`, { method: 'POST', headers }, '{"query":"{greeting}"}');
    expect((await query()).headers).toMatchObject({ connection: 'keep-alive' });
    const drained = gateway.drain(100);
    const readiness = await send(`${gateway.url}/readyz`);
    expect(readiness).toMatchObject({ status: 503, text: '{"status":"stopping","checks":{}}' });
    expect(await query()).toMatchObject({ status: 200, headers: { connection: 'close' } });
    socket.subscribe('1', '{greeting}');
    await until(() => socket.of('1').length > 0);
    expect(await send(`${gateway.url}/healthz`)).toMatchObject({ status: 200 });
    await drained;
    const startedMs = performance.now();
    await gateway.drain(200);
    expect(performance.now() - startedMs).toBeGreaterThan(190);
    expect(socket.closed).toBeNull();
    await gateway.stop();
    await until(() => socket.closed !== null);
    expect(socket.closed).toMatchObject({ code: 1001 });
  });

  it('refuses operations that arrive on open connections while it stops', async () => {
    const gateway = await startTinyGateway();
    const begun = await RawConnection.open(gateway.port);
    const sockets = await Promise.all(Array.from({ length: 200 }, () => SocketClient.greeted(gateway.url)));
    // The server has read the beginning of a request when it answers a later one.
    begun.socket.write(ask.slice(0, 20));
    await send(`${gateway.url}/healthz`);
    const stopped = gateway.stop(20_000);
    begun.socket.write(ask.slice(20));
    for (const socket of sockets) socket.subscribe('1', '{greeting}');
    await stopped;
    expect(begun.text).toMatch(/^HTTP\/1\.1 503 [^]*retry-after: 1\r\n[^]*SERVICE_UNAVAILABLE/i);
    for (const socket of sockets) {
      expect(socket.closed).toMatchObject({ code: 1001 });
      expect(socket.of('1')).toEqual([]);
    }
    expect(gateway.log.filter(({ msg }) => msg === 'unexpected error')).toEqual([]);
  });

  it('terminates the sockets of clients that ignore the close after the grace period', async () => {
    const gateway = await startTinyGateway();
    const socket = await SocketClient.greeted(gateway.url);
    socket.socket.pause();
    await gateway.stop(200);
    socket.socket.resume();
    await until(() => socket.closed !== null);
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
    expect(performance.now() - startedMs).toBeLessThan(20_000);
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

describe('a gateway that stops during a paid call', () => {
  it('reports at once that it is not ready, serves and takes photos until the answer, and stores the id before it ends', async () => {
    const upstream = await HoldingUpstream.start();
    const gateway = await TestGateway.start(upstream.settings);
    const { url } = gateway;
    const client = new Client(() => url);
    await client.train({ photoIds: await client.upload(5) });
    await until(() => upstream.held.length === 1);
    const stopped = gateway.end();
    const [call] = upstream.held;
    const photo = new URL(call!.images[0]!);
    const isReady = async (): Promise<boolean> => (await fetch(new URL('/readyz', photo))).ok;
    await until(async () => !(await isReady()));
    expect((await fetch(photo)).status).toBe(200);
    expect(await client.upload(1)).toHaveLength(1);
    upstream.answerFirst();
    await stopped;
    await expect(fetch(photo)).rejects.toThrow('fetch failed');
    expect(await gateway.rows('SELECT status, lease FROM models')).toEqual([
      { status: 'TRAINING', lease: null },
    ]);
    expect(await readdir(join(gateway.dataDir, 'journal'))).toEqual([]);
    expect(gateway.log.filter(({ err }) => err !== undefined)).toEqual([]);
    await gateway.stop();
    await upstream.stop();
  });
});

describe('the components of a process', () => {
  const logger = createLogger('silent');

  it('are stopped once, the last started first, also if one fails to stop', async () => {
    const shutdown = new Shutdown(logger);
    const stopped: string[] = [];
    await shutdown.start(() => {
      for (const name of ['journal', 'database', 'server'])
        shutdown.onStop(() => {
          stopped.push(name);
          if (name === 'database') throw new Error('cannot stop');
        });
      return Promise.resolve();
    });
    await Promise.all([shutdown.stop(), shutdown.stop()]);
    expect(stopped).toEqual(['server', 'database', 'journal']);
  });

  it('are stopped if the start of a later one fails, or if a stop is requested during it', async () => {
    const failing = new Shutdown(logger);
    const stopped: string[] = [];
    const start = failing.start(() => {
      failing.onStop(() => void stopped.push('database'));
      return Promise.reject(new Error('no space left on device'));
    });
    await expect(start).rejects.toThrow('no space left on device');
    const interrupted = new Shutdown(logger);
    let go = (): void => undefined;
    const starting = interrupted.start(async () => {
      await new Promise<void>((resolve) => (go = resolve));
      interrupted.onStop(() => void stopped.push('embedded database'));
      stopped.push('not reached');
    });
    const stop = interrupted.stop();
    go();
    await expect(starting).rejects.toThrow('aborted');
    await stop;
    expect(stopped).toEqual(['database', 'embedded database']);
  });
});
