import type { Duplex } from 'node:stream';

/** How long a client that was answered may keep its side open, in milliseconds. */
const lingerMs = 2_000;

/**
 * Sends a last answer and destroys the socket once the client has closed its side, or after a moment. Not at once: the
 * system would reset a connection that has unread bytes, and the client would never see the answer.
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
