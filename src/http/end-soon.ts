import type { Duplex } from 'node:stream';

/** How long a client may keep its side open after the response, in milliseconds. */
const lingerMs = 2_000;

/**
 * Sends a final response and destroys the socket when the client has closed its side, or after `maxMs`. Destroying it
 * immediately could reset the connection before the client has read the response.
 */
export function endSoon(socket: Duplex, answer: string, maxMs: number = lingerMs): void {
  const destroy = (): void => void socket.destroy();
  socket.on('error', destroy);
  socket.once('end', destroy);
  socket.end(answer);
  socket.resume();
  const timer = setTimeout(destroy, maxMs);
  socket.once('close', () => clearTimeout(timer));
}
