import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkAddress, listenError } from '../../src/http/address-check';
import { readConfig } from '../../src/read-config';
import { startTinyGateway } from '../support/tiny-gateway';

const host = '127.0.0.1';

describe('the check of the listening address', () => {
  it('accepts a free port, and leaves it free', async () => {
    const server = createServer().listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    await checkAddress(host, port);
    await expect(checkAddress(host, port)).resolves.toBeUndefined();
    await expect(checkAddress(host, 0)).resolves.toBeUndefined();
  });

  it('recognises another Likeness', async () => {
    const gateway = await startTinyGateway();
    const refused: unknown = await checkAddress(host, gateway.port).catch((error: unknown) => error);
    await gateway.stop();
    expect(refused).toMatchObject({
      message: expect.stringContaining(
        `cannot listen on port ${gateway.port} of ${host}: another Likeness uses it. Stop that one, or set PORT`,
      ),
    });
  });

  it('names another program as such', async () => {
    const server = createServer((_, response) => response.end('{"status":"alive"}')).listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const refused: unknown = await checkAddress(host, port).catch((error: unknown) => error);
    server.close();
    await once(server, 'close');
    expect(refused).toMatchObject({ message: expect.stringContaining('another program uses it. Set PORT') });
  });

  it('explains addresses and ports that cannot be used', async () => {
    await expect(checkAddress('192.0.2.1', 4_000)).rejects.toThrow(
      'HOST=192.0.2.1 is not an address of this machine. Set HOST=127.0.0.1',
    );
    const refused = Object.assign(new Error('denied'), { code: 'EACCES' });
    expect((await listenError(refused, host, 80)).message).toContain('this user is not permitted to use it');
    const occupied = Object.assign(new Error('in use'), { code: 'EADDRINUSE' });
    expect((await listenError(occupied, host, 65_535)).message).toMatch(/another port: PORT=65534$/);
  });

  it('is not needed to refuse one port for both servers', () => {
    expect(() => readConfig({ METRICS_PORT: '4000' })).toThrow(
      'METRICS_PORT must differ from PORT, which is 4000 as well; write METRICS_PORT=9464',
    );
    expect(readConfig({ PORT: '0', METRICS_PORT: '0' })).toMatchObject({ METRICS_PORT: 0 });
  });
});
