import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';

/**
 * Destroys an answer that sends nothing for a time, in milliseconds, while it is being read, and one whose reading has not
 * begun by then, which would keep its connection. A reader that pauses, for example for a slow client, may take longer: bytes
 * wait for it meanwhile.
 */
export function endIfSilent(answer: Readable & { readonly socket?: Socket }, timeoutMs: number): void {
  const { socket } = answer;
  if (!socket) return;
  const check = (bytesBefore: number): void => {
    if (answer.destroyed) return;
    if (answer.readableLength === 0 && socket.bytesRead === bytesBefore)
      answer.destroy(new Error('The store sent nothing for too long.'));
    else if (!answer.readableDidRead) answer.destroy(new Error('The object was not read in time.'));
    else socket.setTimeout(timeoutMs);
  };
  // After the process was suspended, bytes may have come that it reads after its timers only.
  const onTimeout = (): void => void setImmediate(check, socket.bytesRead);
  socket.setTimeout(timeoutMs);
  socket.on('timeout', onTimeout);
  // The connection is used for other requests afterwards.
  answer.once('close', () => {
    socket.off('timeout', onTimeout);
    socket.setTimeout(0);
  });
}
