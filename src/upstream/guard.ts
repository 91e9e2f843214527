import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { createResolver, type Resolve } from './name-resolution';
import { isPublicAddress, readAddress, type Address } from './public-address';

/**
 * The longest URL that is fetched, in characters: of an upstream's results, which carry long signatures, and of a
 * redirect's target. Clients' `photoUrls` have a smaller limit of their own (scalar `URL`).
 */
export const maxUrlLength = 4_096;

/**
 * An address that must not be connected to. Its message is one and the same for every reason: what exactly was
 * refused would tell a stranger what there is on the inside.
 */
export class GuardRefusal extends Error {
  constructor() {
    super('The address cannot be used: it must be a public http or https URL.');
    this.name = 'GuardRefusal';
  }
}

/** Says of a host, as `URL.hostname` writes it, whether it may be private and have any port. */
export type Trust = (hostname: string) => boolean;

/** What {@link createGuard} may be told. */
export interface GuardOptions {
  /**
   * What is let through though it is private or has another port: host names, addresses, both with or without a port,
   * and networks (`photos.internal`, `10.0.0.5:9000`, `10.0.0.0/8`). A name in a listed network needs no entry of its
   * own, but keeps to the usual ports.
   */
  allow: readonly string[];
  /** The ports of hosts that are not listed.
   *  @defaultValue 80 and 443 */
  ports?: readonly number[];
  /** @defaultValue the system's resolver, `/etc/hosts` included */
  resolve?: Resolve;
}

/** Stands between strangers' URLs and the inside of the network, against server-side request forgery. */
export interface Guard {
  /**
   * Checks what can be seen of a URL without asking anybody.
   * @throws GuardRefusal
   */
  checkUrl(url: string, trust?: Trust): URL;
  /**
   * The resolver for the one connection to this URL. Every address that the name has is checked at that moment, by the
   * very answer that the socket then uses: a name that changes its address between check and use gains nothing. Fails
   * with GuardRefusal. A socket asks no resolver when the URL holds an address: {@link Guard.checkUrl} has seen that.
   * @param owner - whose URL it is; null for one that no client gave
   */
  lookupFor(url: URL, trust?: Trust, owner?: string | null): LookupFunction;
}

/** An entry of the list of what is let through. */
interface Allowed {
  matches(hostname: string, address: Address | null): boolean;
  port: number | null;
}

/**
 * Makes a guard.
 * @throws Error naming the entry of `allow` that is none
 */
export function createGuard({ allow, ports = [80, 443], resolve = createResolver() }: GuardOptions): Guard {
  const allowed = allow.map(readAllowed);
  const lets = (url: URL, hostname: string, address: Address | null): boolean =>
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

  return { checkUrl, lookupFor };
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}

/** Spaces, control characters and the backslash: parsers disagree on where a URL with one of them points. */
const confusing = /[\s\p{Cc}\\]/u;

/** Scheme, host and port as written. No user, no percent signs, no empty port and no port with leading zeros. */
const written =
  /^https?:\/\/(?:\[[0-9a-f:.]+\]|(?<name>[\p{L}\p{M}0-9._-]+))(?::[1-9][0-9]{0,4})?(?:[/?#]|$)/iu;

/**
 * Reads a URL whose host is written the way it will be used. The URL parser is helpful: it takes `0127.1`, `0x7f000001`,
 * full-width digits, ideographic full stops and soft hyphens, and it reads leading zeros as octal where others do not.
 * A host that it would rewrite is refused, except for letters beyond ASCII, which become punycode.
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

/** Top-level names that are never public: RFC 6761, 6762, 8375, 9476, ICANN's reservations, and routers' habits. */
const privateEndings = new Set([
  ...['localhost', 'local', 'internal', 'private', 'test', 'invalid', 'example', 'onion', 'arpa', 'alt'],
  ...['localdomain', 'lan', 'home', 'corp', 'mail', 'intranet'],
]);

/** Names by which clouds offer their machines' secrets, where no ending of the above gives them away. */
const metadataNames = new Set(['metadata.goog', 'metadata.tencentyun.com']);

function isPublicName(hostname: string): boolean {
  const labels = hostname.split('.');
  return labels.length > 1 && !privateEndings.has(labels.at(-1)!) && !metadataNames.has(hostname);
}

function readAllowed(entry: string): Allowed {
  const [, host = entry, digits] = /^(\[.*\]|[^:]*)(?::([1-9][0-9]{0,4}))?$/.exec(entry) ?? [];
  const port = digits === undefined ? null : Number(digits);
  const network = readNetwork(host);
  if (network) return { port, matches: (_, address) => address !== null && isWithin(address, network) };
  if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i.test(host) || (port !== null && port > 65_535)) {
    const cure = 'use entries such as photos.example.com, 10.0.0.5:9000 or 10.0.0.0/8';
    throw new Error(`PHOTO_URL_ALLOW has "${entry}", which is no host, address or network; ${cure}`);
  }
  return { port, matches: (hostname) => hostname === host.toLowerCase() };
}

type Network = [Address, number];

function readNetwork(text: string): Network | null {
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text);
  const address = readAddress(text);
  return address && [address, address.kind() === 'ipv4' ? 32 : 128];
}

function isWithin(address: Address, [network, bits]: Network): boolean {
  return address.kind() === network.kind() && address.match(network, bits);
}
