import ipaddr from 'ipaddr.js';

/** An IPv4 or IPv6 address. */
export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/**
 * Parses an address in the form that the system's resolver and the URL parser produce: four decimals without
 * leading zeros, or any form of IPv6, with or without brackets. Returns null for everything else, including
 * `0x7f.1` and `2130706433`.
 */
export function readAddress(text: string): Address | null {
  const plain = text.replace(/^\[(.*)\]$/, '$1');
  if (ipaddr.IPv4.isValidFourPartDecimal(plain)) return ipaddr.IPv4.parse(plain);
  return ipaddr.IPv6.isValid(plain) ? ipaddr.IPv6.parse(plain) : null;
}

/**
 * Networks in public unicast ranges that cloud providers use for internal services, reachable only within that
 * cloud: Azure's host agent and DNS (learn.microsoft.com, "What is IP address 168.63.129.16"), IBM Cloud's
 * infrastructure services and service endpoints (cloud.ibm.com, "IBM Cloud IP ranges").
 */
const providerNetworks = ['168.63.129.16/32', '161.26.0.0/16', '166.8.0.0/14'].map((text) =>
  ipaddr.IPv4.parseCIDR(text),
);

/**
 * Addresses of metadata services. Their ranges are not public; they are listed so that they are also recognized
 * behind an operator's NAT64 prefix (RFC 6052, /96), which looks like any public IPv6 prefix.
 */
const metadataAddresses = new Set(
  ['168.63.129.16', '169.254.169.254', '169.254.170.2', '169.254.0.23', '100.100.100.200', '192.0.0.192'].map(
    (text) => ipaddr.IPv4.parse(text).toByteArray().join('.'),
  ),
);

/**
 * Whether an address is public unicast and not an internal service of a cloud provider. For IPv6 these are the
 * ranges that IANA has allocated (2000::/3) without the special-purpose ones; so all well-known forms that embed an
 * IPv4 address (mapped, compatible, translated, NAT64, 6to4, Teredo) are refused. ipaddr.js is also based on IANA's
 * special-purpose registries.
 */
export function isPublicAddress(address: Address): boolean {
  if (address.range() !== 'unicast') return false;
  if (address instanceof ipaddr.IPv4) return !providerNetworks.some((network) => address.match(network));
  const isAllocated = (address.parts[0]! & 0xe000) === 0x2000;
  return isAllocated && !metadataAddresses.has(address.toByteArray().slice(-4).join('.'));
}
