/** An untrusted URL and the expected result. */
export interface CorpusUrl {
  url: string;
  /**
   * - `allowed`: looks public and may be fetched
   * - `refused`: rejected without resolving the name
   * - `refused-when-connecting`: looks public, but resolves to a private address
   */
  verdict: 'allowed' | 'refused' | 'refused-when-connecting';
  /** The addresses of the name in the tests' resolver. */
  addresses?: readonly string[];
}

const publicUrls = [
  'https://photos.example.com/a.jpg',
  'http://photos.example.com/a.jpg',
  'HTTPS://PHOTOS.EXAMPLE.COM/A.JPG',
  'https://photos.example.com',
  'https://photos.example.com?id=1',
  'https://photos.example.com:443/a.jpg',
  'http://photos.example.com:80/a.jpg',
  'http://photos.example.com:443/a.jpg',
  'https://photos.example.com/a.jpg?signature=abc%2Fdef#top',
  'https://photos.example.com/@user/a:b.jpg',
  'https://photos.example.com/a%20b.jpg',
  'https://photos.example.com/?next=http://127.0.0.1/',
  'https://under_score.example.com/a.jpg',
  'https://bücher.example.com/bär.jpg',
  'https://写真.example.com/a.jpg',
  'https://xn--bcher-kva.example.com/a.jpg',
  'https://1.example.com/a.jpg',
  'https://127.0.0.1.example.com/a.jpg',
  'https://localhost.example.com/a.jpg',
  'http://8.8.8.8/a.jpg',
  'http://1.1.1.1/a.jpg',
  'http://172.32.0.1/a.jpg',
  'http://100.128.0.1/a.jpg',
  'http://168.63.129.15/a.jpg',
  'http://168.63.129.17/a.jpg',
  'http://166.12.0.1/a.jpg',
  'http://[2606:4700:4700::1111]/a.jpg',
  'https://[2A00:1450:4001:080B:0000:0000:0000:200E]/a.jpg',
];

/** Notations of this machine that some parser accepts. */
const loopbackHosts = [
  '127.0.0.1',
  '127.1',
  '127.0.1',
  '127.0.0.2',
  '127.255.255.254',
  '2130706433',
  '017700000001',
  '0x7f000001',
  '0X7F000001',
  '0x7f.0.0.1',
  '0x7f.0x0.0x0.0x1',
  '0x7f.1',
  '0177.0.0.1',
  '0177.0.0.01',
  '0177.1',
  '00000177.0.0.1',
  '0127.0.0.1',
  '127.0.0.01',
  '127.0.0.1.',
  '127.0.0.1..',
  '127.0.0.1%20',
  '127.000.000.001',
  '4294967297',
  '127.0.0.257',
  '0',
  '0.0.0.0',
  '0x0',
  '00.0.0.0',
  '0.0.0.0.',
  '１２７.0.0.1',
  '１２７．０．０．１',
  '127。0。0。1',
  '127｡0｡0｡1',
  '①②⑦.⓪.⓪.①',
  '127.0.0.\u00ad1',
  '%31%32%37.0.0.1',
  '127%2e0%2e0%2e1',
  'localhost',
  'LOCALHOST',
  'localhost.',
  'ｌocalhost',
  'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ',
  'local\u00adhost',
  'localhoſt',
  'localhost%00.example.com',
  'foo.localhost',
  'localhost.localdomain',
  'ip6-localhost',
  '[::1]',
  '[::]',
  '[0:0:0:0:0:0:0:1]',
  '[0000:0000:0000:0000:0000:0000:0000:0001]',
  '[::0001]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::FFFF:7F00:1]',
  '[0:0:0:0:0:ffff:127.0.0.1]',
  '[::127.0.0.1]',
  '[::7f00:1]',
  '[::ffff:0:127.0.0.1]',
  '[::ffff:0.0.0.0]',
  '[64:ff9b::127.0.0.1]',
  '[64:ff9b::7f00:1]',
  '[64:ff9b:1::7f00:1]',
  '[64:ff9b:1:ffff::127.0.0.1]',
  '[2002:7f00:1::]',
  '[2002:7f00:0001::1]',
  '[2001:0:7f00:1::80ff:fffe]',
  '[2001:0000:4136:e378:8000:63bf:80ff:fffe]',
  '[::1%25lo]',
  '[::1%lo]',
];

/** Hosts of private networks, cloud metadata services, and all addresses that are not public unicast. */
const insideHosts = `
  10.0.0.1 10.1 10.255.255.255 012.0.0.1 0xa.0.0.1 167772161 172.16.0.1 172.31.255.255 192.168.0.1
  192.168.1 3232235777 169.254.169.254 169.254.0.1 2852039166 0xA9FEA9FE 0251.0376.0251.0376
  169.254.43518 100.64.0.1 100.100.100.200 100.127.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1
  198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1
  255.255.255.255 0.1.2.3 [fe80::1] [fe80::1%25eth0] [febf::1] [fec0::1] [fc00::1] [fd00:ec2::254]
  [ff02::1] [100::1] [2001:db8::1] [3fff::1] [2001:2::1] [2001:10::1] [5f00::1] [4000::1]
  [::ffff:10.0.0.1] [::ffff:a9fe:a9fe] [::ffff:8.8.8.8] [::8.8.8.8] [64:ff9b::a9fe:a9fe]
  [2002:a9fe:a9fe::1] metadata metadata.google.internal metadata.google.internal. metadata.goog
  instance-data instance-data.ec2.internal kubernetes.default.svc.cluster.local printer.local
  router.lan fritz.home.arpa intranet wiki.corp db.internal hidden.onion a.test a.invalid
`
  .trim()
  .split(/\s+/);

/** Addresses of cloud metadata and host services over IPv4. */
const cloudAddresses = [
  ...['168.63.129.16', '169.254.169.254', '169.254.170.2', '169.254.0.23', '169.254.42.42'],
  ...['100.100.100.200', '192.0.0.192', '161.26.0.10', '166.8.0.1', '166.11.255.254'],
] as const;

/** Addresses of cloud metadata and host services over IPv6. */
const cloudAddresses6 = ['fd00:ec2::254', 'fd00:ec2::23', 'fd00:42::42', 'fd20:ce::254', 'fe80::a9fe:a9fe'];

/** Every IPv6 address that maps to an IPv4 address: RFC 4291, 2765, 6052, 8215, 3056, 4380. */
function carriersOf(address: string): string[] {
  const [a, b, c, d] = address.split('.').map(Number) as [number, number, number, number];
  const hex = (high: number, low: number): string => (high * 256 + low).toString(16);
  const [high, low] = [hex(a, b), hex(c, d)];
  const inverted = `${hex(255 - a, 255 - b)}:${hex(255 - c, 255 - d)}`;
  return [
    ...[`::ffff:${address}`, `::ffff:${high}:${low}`, `0:0:0:0:0:ffff:${high}:${low}`, `::${high}:${low}`],
    ...[`::ffff:0:${high}:${low}`, `64:ff9b::${high}:${low}`, `64:ff9b::${address}`],
    ...[`64:ff9b:1::${high}:${low}`, `64:ff9b:1:abcd::${high}:${low}`, `64:ff9b:1:${high}:${low}::`],
    ...[`2002:${high}:${low}::1`, `2002:${high}:${low}::${high}:${low}`],
    ...[`2001:0:${high}:${low}::1`, `2001:0:4136:e378:8000:63bf:${inverted}`],
  ];
}

/** Addresses behind a NAT64 prefix from an operator's own public addresses. */
const translated = ['2a00:1450:64::a83f:8110', '2a00:1450:64::a9fe:a9fe', '2a00:1450:64::6464:64c8'];

/** Each cloud address in each notation. */
export const cloudForms: readonly string[] = [
  ...cloudAddresses,
  ...[...cloudAddresses6, ...translated, ...cloudAddresses.flatMap(carriersOf)],
];

/** An address as the host of a URL. */
export const hostOf = (address: string): string => (address.includes(':') ? `[${address}]` : address);

/** URLs that are invalid regardless of their host. */
const oddUrls = [
  '',
  'photo.jpg',
  '//photos.example.com/a.jpg',
  'ftp://photos.example.com/a.jpg',
  'file:///etc/passwd',
  'file://photos.example.com/a.jpg',
  'gopher://photos.example.com:80/_GET',
  'data:image/png;base64,iVBORw0KGgo=',
  'blob:https://photos.example.com/1',
  'javascript:alert(1)',
  'ws://photos.example.com/',
  'jar:http://photos.example.com/!/a.jpg',
  'http:photos.example.com/a.jpg',
  'http:/photos.example.com/a.jpg',
  'http:///photos.example.com/a.jpg',
  'http:\\\\photos.example.com\\a.jpg',
  'http://photos.example.com\\@127.0.0.1/',
  'http://photos.example.com/a\\b.jpg',
  'http://user@photos.example.com/a.jpg',
  'http://user:secret@photos.example.com/a.jpg',
  'http://@photos.example.com/a.jpg',
  'http://photos.example.com@127.0.0.1/',
  'http://127.0.0.1#@photos.example.com/',
  'http://127.0.0.1?@photos.example.com/',
  'http://photos.example.com:22/a.jpg',
  'http://photos.example.com:6379/a.jpg',
  'http://photos.example.com:8080/a.jpg',
  'http://photos.example.com:0/a.jpg',
  'http://photos.example.com:080/a.jpg',
  'http://photos.example.com:65616/a.jpg',
  'http://photos.example.com:/a.jpg',
  'http://photos.example.com:８０/a.jpg',
  'http://8.8.8.8:25/a.jpg',
  'http://photos.example.com./a.jpg',
  'http://.photos.example.com/a.jpg',
  'http://photos..example.com/a.jpg',
  'http://photos。example。com/a.jpg',
  'http://ｐhotos.example.com/a.jpg',
  'http://photos.example.com／a.jpg',
  'http://photos%2eexample.com/a.jpg',
  'http://134744072/a.jpg',
  'http://0x08.8.8.8/a.jpg',
  'http://010.8.8.8/a.jpg',
  ' http://photos.example.com/a.jpg',
  'http://photos.example.com/a.jpg ',
  'http://photos.example.com/a\tb.jpg',
  'http://photos.example.com/a\r\nHost: inside',
  'http://photos.exam\nple.com/a.jpg',
  'http://photos.example.com/a\u0000.jpg',
  'ht\ttp://photos.example.com/a.jpg',
  'http://',
  'http://:80/',
  'http://[]/',
  'http://[photos.example.com]/',
  `http://photos.example.com/${'a'.repeat(4_096)}`,
  `http://${'a.'.repeat(900)}example.com/`,
];

/** Names that look public and resolve to private addresses, some with a public address too. */
const rebinding: readonly (readonly [name: string, ...addresses: string[]])[] = [
  ['loopback.example.com', '127.0.0.1'],
  ['loopback6.example.com', '::1'],
  ['any.example.com', '0.0.0.0'],
  ['any6.example.com', '::'],
  ['private.example.com', '10.0.0.1'],
  ['home.example.com', '192.168.1.1'],
  ['metadata.example.com', '169.254.169.254'],
  ['mapped.example.com', '::ffff:127.0.0.1'],
  ['nat64.example.com', '64:ff9b::7f00:1'],
  ['6to4.example.com', '2002:7f00:1::1'],
  ['local6.example.com', 'fd00::1'],
  ['scoped.example.com', 'fe80::1%eth0'],
  ['shared.example.com', '100.64.0.1'],
  ['first.example.com', '127.0.0.1', '8.8.8.8'],
  ['second.example.com', '8.8.8.8', '127.0.0.1'],
  ['third.example.com', '2606:4700:4700::1111', '8.8.8.8', '::1'],
  ['127.0.0.1.nip.io', '127.0.0.1'],
  ['nothing.example.com'],
];

/**
 * More than 150 untrusted URLs.
 * @param port - the port of a canary on all addresses of this machine; URLs that lead to it must be blocked by host
 */
export function urlCorpus(port = 80): CorpusUrl[] {
  const refused = [
    ...loopbackHosts.map((host) => `http://${host}:${port}/secret.jpg`),
    ...[...insideHosts, ...cloudForms.map(hostOf)].map((host) => `http://${host}/secret.jpg`),
    ...oddUrls,
  ];
  return [
    ...publicUrls.map((url): CorpusUrl => ({ url, verdict: 'allowed', addresses: ['8.8.8.8'] })),
    ...refused.map((url): CorpusUrl => ({ url, verdict: 'refused' })),
    ...rebinding.map(([name, ...addresses]): CorpusUrl => {
      return { url: `http://${name}:${port}/secret.jpg`, verdict: 'refused-when-connecting', addresses };
    }),
    ...cloudForms.map((address, index): CorpusUrl => {
      const url = `http://cloud-${index}.example.com/secret.jpg`;
      return { url, verdict: 'refused-when-connecting', addresses: ['8.8.8.8', address] };
    }),
  ];
}
