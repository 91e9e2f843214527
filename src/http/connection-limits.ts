import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Logger } from '../core/logger';
import { isLoopback } from '../core/networks';
import { callerOf, plainAddress, type ClientAddresses } from './client-address';
import { refuseSocket } from './responses';

/** Limits of the connections of this process. */
export interface ConnectionLimits {
  readonly max: number;
  /** Per IPv4 address or IPv6 /64 network. Trusted proxies are exempt, because they serve many clients. */
  readonly maxPerAddress: number;
  /** Whether loopback connections count for `maxPerAddress`. */
  readonly countsLoopback: boolean;
  /**
   * The highest file descriptor that a client's socket may have; null: no limit. The system assigns the lowest free
   * descriptor, so a higher one means that all lower ones are in use by the process.
   */
  readonly maxDescriptor: number | null;
}

export interface ConnectionsOptions {
  readonly limits: ConnectionLimits;
  readonly addresses: Pick<ClientAddresses, 'isTrusted'>;
  readonly logger: Logger;
  /** Called for every refused connection, which may have been a photo fetch of the upstream. */
  readonly onRefused: () => void;
}

/** Minimum time between two log lines about the same cause, in milliseconds. */
const logPauseMs = 10_000;

/** Maximum number of refused sockets that wait for the client to close; further ones are destroyed immediately. */
const maxLingering = 32;

/** How long a refused socket waits for the client to close, in milliseconds. */
const lingerMs = 500;

/** Why connections are refused, for the log. */
const causes = {
  descriptors: 'connections are refused: the limit of open files (ulimit -n) is reached',
  max: 'connections are refused: MAX_CONNECTIONS is reached',
  maxPerAddress: 'connections are refused: an address has MAX_CONNECTIONS_PER_ADDRESS',
} as const;

type Cause = keyof typeof causes;

/** Counts open connections and refuses those beyond a limit before reading from them. */
export class Connections {
  private open = 0;
  private lingering = 0;
  private readonly byAddress = new Map<string, number>();
  private readonly refused = new Map<Cause, { count: number; loggedMs: number }>();

  constructor(private readonly options: ConnectionsOptions) {}

  /** Whether the connection may be served; if not, it receives an error response and is closed. */
  admit(socket: Socket): boolean {
    const address = this.countedAddress(socket);
    const cause = this.excess(socket, address);
    if (cause) {
      this.refuse(socket, cause);
      return false;
    }
    this.open += 1;
    if (address !== null) this.count(address, 1);
    // Not `once`, which needs more memory.
    socket.on('close', () => {
      this.open -= 1;
      if (address !== null) this.count(address, -1);
    });
    return true;
  }

  /** The number of open connections. */
  get openCount(): number {
    return this.open;
  }

  private excess(socket: Socket, address: string | null): Cause | null {
    const { max, maxPerAddress, maxDescriptor } = this.options.limits;
    if (maxDescriptor !== null && descriptorOf(socket) > maxDescriptor) return 'descriptors';
    if (this.open >= max) return 'max';
    const ofAddress = address === null ? 0 : (this.byAddress.get(address) ?? 0);
    return ofAddress >= maxPerAddress ? 'maxPerAddress' : null;
  }

  private countedAddress({ remoteAddress = '' }: Socket): string | null {
    const { limits, addresses } = this.options;
    const address = plainAddress(remoteAddress);
    const isExempt = addresses.isTrusted(address) || (!limits.countsLoopback && isLoopback(address));
    return isExempt ? null : callerOf(address);
  }

  private count(address: string, change: 1 | -1): void {
    const count = (this.byAddress.get(address) ?? 0) + change;
    if (count === 0) this.byAddress.delete(address);
    else this.byAddress.set(address, count);
  }

  private refuse(socket: Socket, cause: Cause): void {
    this.log(cause);
    this.options.onRefused();
    if (this.lingering >= maxLingering) {
      socket.destroy();
      return;
    }
    this.lingering += 1;
    socket.once('close', () => (this.lingering -= 1));
    if (cause === 'maxPerAddress') {
      const message = 'Your address has too many connections. Close some.';
      refuseSocket(socket, 429, 'RATE_LIMITED', message, lingerMs);
    } else {
      const message = 'The server has too many connections. Connect again in a few seconds.';
      refuseSocket(socket, 503, 'SERVICE_UNAVAILABLE', message, lingerMs);
    }
  }

  private log(cause: Cause): void {
    const entry = this.refused.get(cause) ?? { count: 0, loggedMs: -Infinity };
    this.refused.set(cause, entry);
    entry.count += 1;
    if (performance.now() - entry.loggedMs < logPauseMs) return;
    this.options.logger.warn({ refused: entry.count, open: this.open }, causes[cause]);
    entry.count = 0;
    entry.loggedMs = performance.now();
  }
}

/** Uses an internal property of Node; -1 on Windows. */
function descriptorOf(socket: Socket): number {
  return (socket as { _handle?: { fd?: number } | null })._handle?.fd ?? -1;
}

/**
 * The limit of open files and sockets of this process. Node raises it to the hard limit at startup.
 * @returns null if there is no limit or it cannot be read (it can be read on Linux)
 */
export function readDescriptorLimit(path = '/proc/self/limits'): number | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return null;
  }
  const match = /^Max open files +(\d+) /m.exec(text);
  return match ? Number(match[1]) : null;
}

/** Descriptors of a busy process for upstream calls, downloads and files. */
const reserveOfWork = 100;

/**
 * The number of descriptors that are reserved for the database, the upstream and files: at most half of the limit.
 * @param pool - the number of database connections
 */
export function descriptorReserve(limit: number, pool: number): number {
  return Math.min(pool + reserveOfWork, Math.floor(limit / 2));
}
