import type { Socket } from 'node:net';
import type { PoolClient } from 'pg';

/** The part of a client of `pg` that has its socket, of TCP or TLS. It is not part of its types. */
interface ConnectedClient {
  readonly connection: { readonly stream: Socket };
}

/**
 * Closes connections whose server sends nothing for a time although they are in use, as after the loss of its machine: the
 * system itself would wait for a quarter of an hour.
 */
export class SilenceLimit {
  private readonly watched = new WeakSet<Socket>();

  /** @param ms - longer than statements may take, in milliseconds */
  constructor(private readonly ms: number) {}

  /** Call it for each use of a connection. It ends with {@link lift}, or when the connection is closed. */
  apply(client: PoolClient): void {
    const socket = socketOf(client);
    socket.setTimeout(this.ms);
    if (this.watched.has(socket)) return;
    this.watched.add(socket);
    // After the process was suspended, an answer may have come that it reads after its timers only.
    socket.on('timeout', () => void setImmediate(closeIfSilent, socket, socket.bytesRead, this.ms));
  }

  /** Lets this use of the connection take any time. */
  lift(client: PoolClient): void {
    socketOf(client).setTimeout(0);
  }
}

function closeIfSilent(socket: Socket, bytesBefore: number, ms: number): void {
  if (socket.bytesRead !== bytesBefore) return;
  const error = new Error(`PostgreSQL sent nothing for ${ms / 1_000} s.`);
  socket.destroy(Object.assign(error, { code: 'ETIMEDOUT' }));
}

function socketOf(client: PoolClient): Socket {
  return (client as unknown as ConnectedClient).connection.stream;
}
