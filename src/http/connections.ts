import type { Socket } from 'node:net';
import type { Logger } from '../core/logger';
import { rawAnswer } from './answers';
import { callerOf, plainAddress, type ClientAddresses } from './client-address';
import { endSoon } from './end-soon';
import { isLoopbackAddress } from './origins';

/** Bounds of all connections of this process. */
export interface ConnectionLimits {
  readonly max: number;
  /** From one IPv4 address, or one /64 of IPv6. Trusted proxies are exempt: behind them are many clients. */
  readonly maxPerAddress: number;
  /** Whether connections from this machine count for `maxPerAddress`. */
  readonly countsLoopback: boolean;
  /**
   * The highest descriptor that a client's socket may have; null for no limit. The system always gives the lowest free
   * one, so a higher one shows that all below are taken, by whatever part of the process.
   */
  readonly maxDescriptor: number | null;
}

/** What {@link Connections} needs. */
export interface ConnectionsOptions {
  readonly limits: ConnectionLimits;
  readonly addresses: Pick<ClientAddresses, 'isTrusted'>;
  readonly logger: Logger;
  /** Called for every refused connection: it may have been the upstream's, that wanted a photo. */
  readonly onRefused: () => void;
}

/** Between two log lines about one cause, in milliseconds. */
const logPauseMs = 10_000;

/** Refused sockets that wait for their clients to close; more are destroyed at once. */
const maxLingering = 32;

/** How long each of them waits, in milliseconds. */
const lingerMs = 500;

const refusals = {
  descriptors: {
    status: 503,
    code: 'SERVICE_UNAVAILABLE',
    message: 'The server has too many connections. Connect again in a few seconds.',
  },
  max: {
    status: 503,
    code: 'SERVICE_UNAVAILABLE',
    message: 'The server has too many connections. Connect again in a few seconds.',
  },
  maxPerAddress: {
    status: 429,
    code: 'RATE_LIMITED',
    message: 'Your address has too many connections. Close some.',
  },
} as const;

type Cause = keyof typeof refusals;

const causes: Record<Cause, string> = {
  descriptors: 'connections are refused: the limit of open files (ulimit -n) is reached',
  max: 'connections are refused: MAX_CONNECTIONS is reached',
  maxPerAddress: 'connections are refused: an address has MAX_CONNECTIONS_PER_ADDRESS',
};

/** Counts the open connections and refuses those that are too many, before anything is read from them. */
export class Connections {
  private open = 0;
  private lingering = 0;
  private readonly byAddress = new Map<string, number>();
  private readonly refused = new Map<Cause, { count: number; loggedMs: number }>();

  constructor(private readonly options: ConnectionsOptions) {}

  /** Whether the connection may be served; if not, it is answered and closed. */
  admit(socket: Socket): boolean {
    const address = this.countedAddress(socket);
    const cause = this.excess(socket, address);
    if (cause) {
      this.refuse(socket, cause);
      return false;
    }
    this.open += 1;
    if (address !== null) this.count(address, 1);
    socket.once('close', () => {
      this.open -= 1;
      if (address !== null) this.count(address, -1);
    });
    return true;
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
    const isExempt = addresses.isTrusted(address) || (!limits.countsLoopback && isLoopbackAddress(address));
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
    const { status, code, message } = refusals[cause];
    endSoon(socket, rawAnswer(status, code, message), lingerMs);
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

/** Node does not publish it; -1 on Windows. */
function descriptorOf(socket: Socket): number {
  return (socket as { _handle?: { fd?: number } | null })._handle?.fd ?? -1;
}
