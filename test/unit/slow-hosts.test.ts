import { SlowHosts } from '../../src/upstream/downloads';
import { until } from '../support/until';

const limits = { slowMs: 20, maxDownloads: 2 };
const slow = 'https://slow.example/1.jpg';

/** Starts downloads until the limit, at most ten. */
const beginAll = (hosts: SlowHosts, owner: string, url: string): (() => void)[] =>
  Array.from({ length: 10 }, () => hosts.begin(owner, url)).filter((end) => end !== null);

/** Returns when a download has taken so long that its host counts as slow. */
const untilSlow = (hosts: SlowHosts, owner: string, url: string): Promise<void> =>
  until(() => {
    const end = hosts.begin(owner, url);
    end?.();
    return end === null;
  });

describe('a host that is slow', () => {
  it('gets few downloads at once, until one ends in time', async () => {
    const hosts = new SlowHosts(limits);
    const ends = beginAll(hosts, 'alice', slow);
    expect(ends).toHaveLength(10);
    await new Promise((resolve) => setTimeout(resolve, 4 * limits.slowMs));
    ends.forEach((end) => end());
    const [first, ...rest] = beginAll(hosts, 'alice', slow);
    expect(rest).toHaveLength(1);
    first!();
    expect(beginAll(hosts, 'alice', slow)).toHaveLength(10);
  });

  it('does not affect other hosts, and other owners on the same host', async () => {
    const hosts = new SlowHosts(limits);
    beginAll(hosts, 'alice', slow);
    await new Promise((resolve) => setTimeout(resolve, 4 * limits.slowMs));
    expect(beginAll(hosts, 'alice', 'https://slow.example/2.jpg')).toHaveLength(0);
    expect(beginAll(hosts, 'alice', 'https://other.example/1.jpg')).toHaveLength(10);
    expect(beginAll(hosts, 'bob', slow)).toHaveLength(10);
  });

  it('is evicted after many other slow hosts', async () => {
    const hosts = new SlowHosts({ slowMs: 1, maxDownloads: 1 });
    const urls = Array.from({ length: 1_001 }, (_, index) => `https://${index}.example/`);
    const ends = urls.map((url) => hosts.begin('alice', url)!);
    await untilSlow(hosts, 'alice', urls.at(-1)!);
    ends.forEach((end) => end());
    expect(beginAll(hosts, 'alice', urls[0]!)).toHaveLength(10);
    expect(beginAll(hosts, 'alice', urls[500]!)).toHaveLength(1);
  });
});
