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
 * Networks in public unicast ranges that cloud providers route to services of their own, reachable only from machines in
 * that cloud: Azure's host agent and DNS (learn.microsoft.com, "What is IP address 168.63.129.16"), IBM Cloud's
 * infrastructure services and service endpoints (cloud.ibm.com, "IBM Cloud IP ranges").
 */
const providerNetworks = ['168.63.129.16/32', '161.26.0.0/16', '166.8.0.0/14'].map((text) =>
  ipaddr.IPv4.parseCIDR(text),
);

/**
 * Addresses of metadata services. The ranges that they are in are not public; listed, they are also recognised behind a
 * NAT64 prefix of an operator's own (RFC 6052, /96), which looks like any public IPv6 prefix.
 */
const metadataAddresses = new Set(
  ['168.63.129.16', '169.254.169.254', '169.254.170.2', '169.254.0.23', '100.100.100.200', '192.0.0.192'].map(
    (text) => ipaddr.IPv4.parse(text).toByteArray().join('.'),
  ),
);

/**
 * Whether an address is public unicast and belongs to no service of a cloud provider's host. Of IPv6 that is only what
 * IANA has allocated for it (2000::/3), less what has a special purpose there; so all well-known forms that carry an IPv4
 * address inside (mapped, compatible, translated, NAT64, 6to4, Teredo) are refused, whatever they carry. IANA's
 * special-purpose registries are ipaddr.js' source too.
 */
export function isPublicAddress(address: Address): boolean {
  if (address.range() !== 'unicast') return false;
  if (address instanceof ipaddr.IPv4) return !providerNetworks.some((network) => address.match(network));
  const isAllocated = (address.parts[0]! & 0xe000) === 0x2000;
  return isAllocated && !metadataAddresses.has(address.toByteArray().slice(-4).join('.'));
}
