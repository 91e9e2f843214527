import dns from 'node:dns';
import { createServer, type AddressInfo } from 'node:net';
import { checkDirectSession } from '../../src/database/direct-session';

describe('a start with a pooler', () => {
  it('names the reason why DATABASE_DIRECT_URL cannot be used, also if its host has several addresses', async () => {
    const silent = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const closed = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => closed.once('listening', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const lookup = (_: string, __: object, found: (error: null, addresses: object[]) => void): void =>
      found(null, [
        { address: '127.0.0.1', family: 4 },
        { address: '127.0.0.2', family: 4 },
      ]);
    jest.spyOn(dns, 'lookup').mockImplementation(lookup as never);
    const url = `postgres://likeness@127.0.0.1:${(silent.address() as AddressInfo).port}/likeness`;
    const directUrl = `postgres://likeness@db.internal:${port}/likeness`;
    await expect(checkDirectSession({ url, directUrl })).rejects.toThrow(
      /^DATABASE_DIRECT_URL cannot be used: connect ECONNREFUSED 127\.0\.0\.1:.*127\.0\.0\.2/,
    );
    jest.restoreAllMocks();
    await new Promise((resolve) => silent.close(resolve));
  });
});
