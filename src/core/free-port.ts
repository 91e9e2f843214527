import { createServer, type AddressInfo } from 'node:net';

/** Below the ranges from which Linux (from 32,768), macOS and Windows take ports for outgoing connections. */
const firstPort = 12_000;
const portCount = 18_000;
const maxTries = 50;

/**
 * Finds a free port of the loopback interface at which a server can listen again after it was killed: no outgoing
 * connection takes it meanwhile.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < maxTries; tries += 1) {
    const port = firstPort + Math.floor(Math.random() * portCount);
    if ((await portWhenFree(port)) !== null) return port;
  }
  return (await portWhenFree(0)) ?? firstPort;
}

/** @returns the port, for 0 the one that the system chose; null if it is in use */
function portWhenFree(port: number): Promise<number | null> {
  return new Promise((settle) => {
    const probe = createServer();
    probe.once('error', () => {
      settle(null);
    });
    probe.listen(port, '127.0.0.1', () => {
      const { port: found } = probe.address() as AddressInfo;
      probe.close(() => {
        settle(found);
      });
    });
  });
}
