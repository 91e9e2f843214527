import { get } from 'node:http';

/** Longer than a busy event loop needs; whoever fetches a photo would have given up by then. */
const timeoutMs = 10_000;

/**
 * Whether a server accepts a new connection and answers on it. Never throws.
 * @param url - where it listens, without a slash at the end
 */
export function acceptsConnections(url: string): Promise<boolean> {
  // What listens on all addresses is reached by its own machine through loopback, on every system.
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
