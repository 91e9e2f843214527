import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { createResolver, type Resolve } from './name-resolution';

/**
 * Maximum length of a fetched URL, in characters: of an upstream's results, which have long signatures, and of
 * redirect targets. Clients' `photoUrls` have a lower limit (scalar `URL`).
 */
export const maxUrlLength = 4_096;

/**
 * An address that must not be connected to. The message is the same for every reason, since details would reveal
 * the internal network.
 */
export class GuardRefusal extends Error {
  constructor() {
    super('The address cannot be used: it must be a public http or https URL.');
    this.name = 'GuardRefusal';
  }
}

/** Whether a host, in the form of `URL.hostname`, may be private and use any port. */
export type Trust = (hostname: string) => boolean;

/** Options of {@link createGuard}. */
export interface GuardOptions {
  /**
   * Exceptions that may be private or use another port: host names and addresses, both with or without a port, and
   * networks (`photos.internal`, `10.0.0.5:9000`, `10.0.0.0/8`). A name that resolves to a listed network needs no
   * entry, but is limited to the standard ports.
   */
  allow: readonly string[];
  /**
   * The setting that `allow` is from, for errors.
   * @defaultValue PHOTO_URL_ALLOW
   */
  setting?: string;
  /**
   * The ports of hosts that are not listed.
   * @defaultValue 80 and 443
   */
  ports?: readonly number[];
  /** @defaultValue the system's resolver, `/etc/hosts` included */
  resolve?: Resolve;
}

/** Protects internal networks against server-side request forgery by clients' URLs. */
export interface Guard {
  /**
   * Checks a URL without network access.
   * @throws GuardRefusal
   */
  checkUrl(url: string, trust?: Trust): URL;
  /** Whether a checked URL is one of the exceptions, by its host as written. */
  isListed(url: URL): boolean;
  /**
   * The resolver for a single connection to this URL. It checks every address in the very DNS answer that the
   * socket uses, so that a name cannot change its address between check and use. Fails with GuardRefusal. A socket
   * does not use a resolver for a URL with an IP address, which {@link Guard.checkUrl} checks.
   * @param owner - the owner of the URL; null if no client sent it
   */
  lookupFor(url: URL, trust?: Trust, owner?: string | null): LookupFunction;
}

/** An entry of the list of exceptions. */
interface Allowed {
  matches(hostname: string, address: IpAddress | null): boolean;
  port: number | null;
}

/**
 * Creates a guard.
 * @throws Error naming the first invalid entry of `allow`
 */
export function createGuard({
  allow,
  setting = 'PHOTO_URL_ALLOW',
  ports = [80, 443],
  resolve = createResolver(),
}: GuardOptions): Guard {
  const allowed = allow.map((entry) => readAllowed(entry, setting));
  const lets = (url: URL, hostname: string, address: IpAddress | null): boolean =>
    allowed.some((entry) => [null, portOf(url)].includes(entry.port) && entry.matches(hostname, address));

  const checkUrl = (text: string, trust?: Trust): URL => {
    const url = readUrl(text);
    const address = readAddress(url.hostname);
    if (trust?.(url.hostname) === true || lets(url, url.hostname, address)) return url;
    const isPublic = address ? isPublicAddress(address) : isPublicName(url.hostname);
    if (!isPublic || !ports.includes(portOf(url))) throw new GuardRefusal();
    return url;
  };

  const lookupFor = (url: URL, trust?: Trust, owner: string | null = null): LookupFunction => {
    const isFree = trust?.(url.hostname) === true || lets(url, url.hostname, null);
    const mayConnect = (text: string): boolean => {
      const address = readAddress(text);
      return isFree || (address !== null && (isPublicAddress(address) || lets(url, text, address)));
    };
    return (hostname, options, callback) => {
      resolve(hostname, { ...options, all: true }, owner).then(
        (found) => {
          const [first] = found;
          if (!first || !found.every(({ address }) => mayConnect(address))) callback(new GuardRefusal(), []);
          else if (options.all) callback(null, found);
          else callback(null, first.address, first.family);
        },
        (error: unknown) => {
          callback(error as NodeJS.ErrnoException, []);
        },
      );
    };
  };

  const isListed = (url: URL): boolean => lets(url, url.hostname, readAddress(url.hostname));

  return { checkUrl, isListed, lookupFor };
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}

/** Spaces, control characters and the backslash: parsers disagree on where a URL with one of them points. */
const confusing = /[\s\p{Cc}\\]/u;

/** Scheme, host and port as written. No user, percent sign, empty port or port with leading zeros. */
const written =
  /^https?:\/\/(?:\[[0-9a-f:.]+\]|(?<name>[\p{L}\p{M}0-9._-]+))(?::[1-9][0-9]{0,4})?(?:[/?#]|$)/iu;

/**
 * Parses a URL whose host is written in its canonical form. The URL parser accepts `0127.1`, `0x7f000001`,
 * full-width digits, ideographic full stops and soft hyphens, and it reads leading zeros as octal where others do
 * not. A host that it would rewrite is refused, except for non-ASCII letters, which become punycode.
 */
function readUrl(text: string): URL {
  const match = text.length <= maxUrlLength && !confusing.test(text) ? written.exec(text) : null;
  if (!match || !URL.canParse(text)) throw new GuardRefusal();
  const url = new URL(text);
  const name = match.groups?.name;
  if (name !== undefined && !isWrittenPlainly(name, url.hostname)) throw new GuardRefusal();
  return url;
}

function isWrittenPlainly(name: string, hostname: string): boolean {
  if (/(^|\.)(\.|$)/.test(name)) return false;
  if (/^[\x21-\x7e]+$/.test(name)) return name.toLowerCase() === hostname;
  return name.normalize('NFKC') === name && hostname.includes('xn--');
}

/** Top-level names that are never public: RFC 6761, 6762, 8375, 9476, ICANN's reservations, and defaults of routers. */
const privateEndings = new Set([
  ...['localhost', 'local', 'internal', 'private', 'test', 'invalid', 'example', 'onion', 'arpa', 'alt'],
  ...['localdomain', 'lan', 'home', 'corp', 'mail', 'intranet'],
]);

/** Metadata services of clouds that are not covered by the endings above. */
const metadataNames = new Set(['metadata.goog', 'metadata.tencentyun.com']);

function isPublicName(hostname: string): boolean {
  const labels = hostname.split('.');
  return labels.length > 1 && !privateEndings.has(labels.at(-1)!) && !metadataNames.has(hostname);
}

function readAllowed(entry: string, setting: string): Allowed {
  const [, host = entry, digits] = /^(\[.*\]|[^:]*)(?::([1-9][0-9]{0,4}))?$/.exec(entry) ?? [];
  const port = digits === undefined ? null : Number(digits);
  const network = readNetwork(host);
  if (network) return { port, matches: (_, address) => address !== null && isWithin(address, network) };
  if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i.test(host) || (port !== null && port > 65_535)) {
    const cure = 'use entries such as photos.example.com, 10.0.0.5:9000 or 10.0.0.0/8';
    throw new Error(`${setting} has "${entry}", which is not a host, address or network; ${cure}`);
  }
  return { port, matches: (hostname) => hostname === host.toLowerCase() };
}

type Network = [IpAddress, number];

function readNetwork(text: string): Network | null {
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text);
  const address = readAddress(text);
  return address && [address, address.kind() === 'ipv4' ? 32 : 128];
}

function isWithin(address: IpAddress, [network, bits]: Network): boolean {
  return address.kind() === network.kind() && address.match(network, bits);
}

/** An IPv4 or IPv6 address. */
type IpAddress = ipaddr.IPv4 | ipaddr.IPv6;

/**
 * Parses an address in the form that the system's resolver and the URL parser produce: four decimals without
 * leading zeros, or any form of IPv6, with or without brackets. Returns null for everything else, including
 * `0x7f.1` and `2130706433`.
 */
function readAddress(text: string): IpAddress | null {
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
function isPublicAddress(address: IpAddress): boolean {
  if (address.range() !== 'unicast') return false;
  if (address instanceof ipaddr.IPv4) return !providerNetworks.some((network) => address.match(network));
  const isAllocated = (address.parts[0]! & 0xe000) === 0x2000;
  return isAllocated && !metadataAddresses.has(address.toByteArray().slice(-4).join('.'));
}
