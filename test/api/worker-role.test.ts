import { TestGateway } from '../support/gateway';
import { RawConnection } from '../support/raw-client';

describe('a process with ROLE=worker', () => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await TestGateway.start({ ROLE: 'worker' });
  });

  afterAll(() => gateway.stop());

  it('serves health checks and files, and neither GraphQL nor GraphiQL', async () => {
    const statusOf = async (path: string): Promise<number> => (await fetch(gateway.url + path)).status;
    expect(await statusOf('/readyz')).toBe(200);
    expect(await statusOf('/media/photos/unknown.jpg')).toBe(403);
    for (const path of ['/graphql?query={styles{key}}', '/graphql/stream?query={styles{key}}', '/graphiql'])
      expect([path, await statusOf(path)]).toEqual([path, 404]);
  });

  it('refuses WebSockets', async () => {
    const connection = await RawConnection.open(Number(new URL(gateway.url).port));
    const head = ['GET /graphql HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket'];
    connection.socket.write([...head, '', ''].join('\r\n'));
    expect(await connection.rest()).toContain('This process runs workers only (ROLE=worker).');
  });
});
