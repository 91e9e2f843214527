import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { IPv6 } from 'ipaddr.js';

/**
 * Determines the client address of a request. X-Forwarded-For is used only when the request comes from a trusted
 * proxy.
 */
export class ClientAddresses {
  private readonly trusted = new BlockList();

  /** @param proxies - addresses and networks, such as `10.0.0.0/8` */
  constructor(proxies: readonly string[]) {
    for (const proxy of proxies) {
      const [address = '', bits] = proxy.split('/');
      const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
      this.trusted.addSubnet(address, Number(bits ?? (family === 'ipv4' ? 32 : 128)), family);
    }
  }

  /** The nearest address that is not a trusted proxy's; the proxy's own if the header is missing or malformed. */
  of(request: IncomingMessage): string {
    let address = plainAddress(request.socket.remoteAddress ?? '');
    if (request.headers['x-forwarded-for'] === undefined) return address;
    const hops = (request.headersDistinct['x-forwarded-for'] ?? []).join(',').split(',').reverse();
    for (const hop of hops) {
      const before = plainAddress(hop);
      if (!this.isTrusted(address) || isIP(before) === 0) break;
      address = before;
    }
    return address;
  }

  /** Whether an address, as {@link plainAddress} writes it, is a trusted proxy's. */
  isTrusted(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.trusted.check(address, family === 4 ? 'ipv4' : 'ipv6');
  }
}

/**
 * The unit of rate limits: an IPv4 address, or the /64 network of an IPv6 address, since one client usually has all of
 * its 2^64 addresses.
 */
export function callerOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const groups = IPv6.parse(address.replace(/%.*$/, '')).parts.slice(0, 4);
  return `${groups.map((group) => group.toString(16)).join(':')}::/64`;
}

/** An address without a port, brackets, and the form of IPv4 in IPv6. */
export function plainAddress(text: string): string {
  const trimmed = text.trim();
  const bare =
    /^\[([^\]]+)\](?::\d+)?$/.exec(trimmed)?.[1] ?? trimmed.replace(/^(\d+(?:\.\d+){3}):\d+$/, '$1');
  return bare.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');
}
