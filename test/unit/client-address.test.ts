import type { IncomingMessage } from 'node:http';
import { isNetwork } from '../../src/core/networks';
import { callerOf, ClientAddresses } from '../../src/http/client-address';

const from = (remoteAddress: string, ...forwarded: string[]): IncomingMessage =>
  ({
    socket: { remoteAddress },
    headers: forwarded.length > 0 ? { 'x-forwarded-for': forwarded.join(', ') } : {},
    headersDistinct: { 'x-forwarded-for': forwarded },
  }) as unknown as IncomingMessage;

describe('the address of a client', () => {
  const addresses = new ClientAddresses(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32']);

  it.each([
    ['203.0.113.9', ['198.51.100.1'], '203.0.113.9'],
    ['10.1.2.3', ['198.51.100.1'], '198.51.100.1'],
    ['::ffff:10.1.2.3', ['198.51.100.1'], '198.51.100.1'],
    ['10.1.2.3', ['1.1.1.1, 198.51.100.1'], '198.51.100.1'],
    ['10.1.2.3', ['1.1.1.1', '198.51.100.1, 192.0.2.7'], '198.51.100.1'],
    ['10.1.2.3', ['198.51.100.1:4711'], '198.51.100.1'],
    ['2001:db8::1', ['[2a00::5]:4711'], '2a00::5'],
    ['10.1.2.3', ['unknown'], '10.1.2.3'],
    ['10.1.2.3', ['198.51.100.1, <script>'], '10.1.2.3'],
    ['10.1.2.3', [], '10.1.2.3'],
    ['10.1.2.3', [''], '10.1.2.3'],
    ['10.1.2.3', ['10.4.4.4, 10.5.5.5'], '10.4.4.4'],
  ])('is %s with %j: %s', (remote, forwarded, address) => {
    expect(addresses.of(from(remote, ...forwarded))).toBe(address);
  });

  it('is read from headers of trusted proxies only', () => {
    expect(new ClientAddresses([]).of(from('127.0.0.1', '198.51.100.1'))).toBe('127.0.0.1');
  });

  it.each([
    ['203.0.113.9', '203.0.113.9'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:0db8:0001:0002::9', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', ''],
  ])('is grouped by customer network: %s', (address, caller) => {
    expect(callerOf(address)).toBe(caller);
  });

  it.each([
    ['10.0.0.0/8', true],
    ['10.0.0.1', true],
    ['::1/128', true],
    ['10.0.0.0/33', false],
    ['10.0.0.0/8/8', false],
    ['10.0.0.0/', false],
    ['proxy.internal', false],
    ['', false],
  ])('is read from settings: %s', (text, isGood) => {
    expect(isNetwork(text)).toBe(isGood);
  });
});
