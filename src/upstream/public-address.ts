import ipaddr from 'ipaddr.js';

/** An address, IPv4 or IPv6. */
export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/**
 * Reads an address as the system's resolver and the URL parser write it: four decimals without leading zeros, or any
 * form of IPv6, in brackets or not. Everything else, `0x7f.1` and `2130706433` too, is null.
 */
export function readAddress(text: string): Address | null {
  const plain = text.replace(/^\[(.*)\]$/, '$1');
  if (ipaddr.IPv4.isValidFourPartDecimal(plain)) return ipaddr.IPv4.parse(plain);
  return ipaddr.IPv6.isValid(plain) ? ipaddr.IPv6.parse(plain) : null;
}

/**
 * Whether an address is public unicast. Of IPv6 that is only what IANA has allocated for it (2000::/3), less what has a
 * special purpose there; so all forms that carry an IPv4 address inside (mapped, compatible, translated, NAT64, 6to4,
 * Teredo) are refused, whatever they carry. IANA's special-purpose registries are ipaddr.js' source too.
 */
export function isPublicAddress(address: Address): boolean {
  if (address.range() !== 'unicast') return false;
  return address instanceof ipaddr.IPv4 || (address.parts[0]! & 0xe000) === 0x2000;
}
