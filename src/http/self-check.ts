import { get } from 'node:http';

/** Longer than the delay of a busy event loop, and longer than clients wait for a photo. */
const timeoutMs = 10_000;

/**
 * Whether a server accepts and answers a new connection. Never rejects.
 * @param url - the URL that it listens on, without a trailing slash
 */
export function acceptsConnections(url: string): Promise<boolean> {
  // Wildcard addresses cannot be connected to on every system, so loopback is used instead.
  const address = url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
  return new Promise((resolve) => {
    const request = get(`${address}/healthz`, { agent: false, timeout: timeoutMs }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
    request.on('close', () => resolve(false));
  });
}
