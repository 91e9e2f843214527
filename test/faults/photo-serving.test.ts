import { get } from 'node:http';
import { freePort } from '../../src/core/free-port';
import { FakeUpstream } from '../support/fake-upstream';
import { rowId, statesOf } from '../support/faults-audit';
import { FaultsEnvironment, type EnvironmentOptions } from '../support/faults-environment';
import { ending } from '../support/faults-jobs';
import type { GatewayProcess } from '../support/faults-process';
import { TcpProxy } from '../support/servers';
import { eventually } from '../support/until';

jest.setTimeout(180_000);

const unknown = { status: 'FAILED', failure: { code: 'SUBMISSION_UNKNOWN', retryable: true } };

describe('an upstream that accepts a training, does not answer, and fetches photos', () => {
  let environment: FaultsEnvironment;
  let upstream: FakeUpstream;

  const open = async (options: EnvironmentOptions = {}): Promise<void> => {
    upstream = await FakeUpstream.start();
    upstream.next(...Array.from({ length: 10 }, () => () => undefined));
    const settings = {
      PICSART_BASE_URL: upstream.url,
      PICSART_API_KEY: 'key',
      SUBMIT_TIMEOUT: '2s',
      ...options.settings,
    };
    environment = await FaultsEnvironment.open({ ...options, settings });
  };

  afterEach(async () => {
    await environment.stop();
    await upstream.stop();
  });

  const posts = (): typeof upstream.requests => upstream.requests.filter(({ method }) => method === 'POST');

  /** Starts a training and returns when its paid call has arrived. */
  const train = async (): Promise<string> => {
    const { id } = await environment.client.train({ photoIds: await environment.client.upload(5) });
    await untilPosts(1);
    return id;
  };

  const untilPosts = (count: number): Promise<unknown> =>
    eventually(
      `paid call ${count}`,
      () => Promise.resolve(posts().length),
      (length) => length >= count,
    );

  /** The response to a fetch of a photo of the first paid call: a status, or `refused`. */
  const fetchPhotos = async (timeoutMs = 30_000): Promise<(number | 'refused')[]> => {
    const { images } = JSON.parse(posts()[0]!.body) as { images: string[] };
    return Promise.all(
      images.map((url) =>
        fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(timeoutMs) }).then(
          ({ status }) => status,
          () => 'refused' as const,
        ),
      ),
    );
  };

  const untilGraceEnds = (id: string): Promise<unknown> =>
    eventually(
      'the end of the grace period',
      () =>
        environment.rows<{ over: boolean }>(
          `SELECT now() > called_at + interval '5 s' AS over FROM submissions WHERE model_id = $1`,
          [rowId(id)],
        ),
      ([row]) => row?.over === true,
    );

  /** By the database's clock, in seconds. */
  const databaseTime = async (): Promise<number> => {
    const [row] = await environment.rows<{ at: number }>('SELECT extract(epoch FROM now())::float8 AS at');
    return row!.at;
  };

  const replaceFirst = (by: GatewayProcess): void => {
    environment.gateways.shift();
    expect(environment.gateway).toBe(by);
  };

  it.each(['at once', 'after the grace period'])(
    'gets one call in total when the gateway is killed meanwhile and restarted %s',
    async (when) => {
      await open();
      const id = await train();
      await environment.gateway.kill();
      expect(await fetchPhotos()).toEqual(Array.from({ length: 5 }, () => 'refused'));
      if (when === 'after the grace period') await untilGraceEnds(id);
      await environment.restartGateway();
      expect(await ending(environment, 'training', id)).toMatchObject({ ...unknown, attempt: 1 });
      expect(posts()).toHaveLength(1);
    },
  );

  it('gets one call in total when the database outage prevents serving the photos', async () => {
    await open({ ownPostgres: true });
    const id = await train();
    await environment.crashPostgres();
    expect(await fetchPhotos()).toEqual(Array.from({ length: 5 }, () => 503));
    await environment.startPostgres();
    expect(await ending(environment, 'training', id)).toMatchObject({ ...unknown, attempt: 1 });
    expect(posts()).toHaveLength(1);
  });

  it('gets one call in total when the gateway is suspended for more than 15 seconds', async () => {
    await open({ settings: { UNCERTAIN_GRACE: '20s' } });
    const id = await train();
    await eventually(
      'an uncertain model',
      () => statesOf(environment, id),
      (states) => states.at(-1) === 'UNCERTAIN',
    );
    process.kill(environment.gateway.pid, 'SIGSTOP');
    const stoppedAt = await databaseTime();
    await eventually('15.5 seconds', databaseTime, (at) => at - stoppedAt > 15.5);
    process.kill(environment.gateway.pid, 'SIGCONT');
    expect(await ending(environment, 'training', id)).toMatchObject({ ...unknown, attempt: 1 });
    expect(posts()).toHaveLength(1);
  });

  /** Requests the first photo of the first paid call through a proxy that changes its Host header and its path. */
  const fetchThroughProxy = (host: string | null, path: (path: string) => string): Promise<number> => {
    const { images } = JSON.parse(posts()[0]!.body) as { images: string[] };
    const { origin, pathname, search } = new URL(images[0]!);
    const headers = { ...(host !== null && { host }), connection: 'close' };
    return new Promise((resolve, reject) => {
      get(origin, { path: path(pathname) + search, headers }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode!));
      }).on('error', reject);
    });
  };

  it.each<[string, string | null, number, (path: string) => string]>([
    ['with a Host header that is refused', 'photos.example', 403, (path) => path],
    ['with a path that is not found', null, 404, (path) => `/likeness${path}`],
    ['with a path that has lost its beginning', null, 404, (path) => path.replace('/upstream/photos', '')],
    ['with an encoded path', null, 404, (path) => `/${encodeURIComponent(path.slice(1))}`],
    [
      'with a Host header that is refused, and without the job',
      'photos.example',
      403,
      () => '/upstream/photos/1.jpg',
    ],
  ])('gets one call in total when it fetches a photo %s', async (_, host, status, path) => {
    await open();
    const id = await train();
    expect(await fetchThroughProxy(host, path)).toBe(status);
    expect(await ending(environment, 'training', id)).toMatchObject({ ...unknown, attempt: 1 });
    expect(posts()).toHaveLength(1);
  });

  it('gets a second call when only other paths and photos of other calls were refused', async () => {
    await open();
    const id = await train();
    const ofOtherCall = (path: string): string => path.replace(/\/1\//, '/2/');
    expect(await fetchThroughProxy('photos.example', ofOtherCall)).toBe(403);
    expect(await fetchThroughProxy('photos.example', () => '/graphql')).toBe(403);
    expect(await fetchThroughProxy(null, () => '/x/upstream/photos/1.jpg')).toBe(404);
    expect(await fetchThroughProxy(null, (path) => path.replace(/\/1\//, '/99999999999/'))).toBe(404);
    expect(await ending(environment, 'training', id)).toMatchObject({ ...unknown, attempt: 2 });
    expect(posts()).toHaveLength(2);
  });

  it('gets at most two calls for one mutation while it hangs and fetches no photo', async () => {
    await open();
    const id = await train();
    expect(await ending(environment, 'training', id)).toMatchObject({ ...unknown, attempt: 2 });
    expect(posts()).toHaveLength(2);
  });

  describe('through a proxy to one of two gateways', () => {
    let port: string;
    let proxy: TcpProxy;

    /** Starts a first gateway with these settings; `port` is the target of the proxy. */
    const openBehindProxy = async (settings: Readonly<Record<string, string>>): Promise<void> => {
      await open({
        settings: { PUBLIC_URL: new URL(proxy.url).origin, RATE_LIMIT_ADDRESS: 'off', ...settings },
      });
    };

    beforeEach(async () => {
      port = String(await freePort());
      proxy = new TcpProxy(new URL(`http://127.0.0.1:${port}`));
      await proxy.open();
    });

    afterEach(() => proxy.close());

    it('gets a second call when two gateways served photos throughout and none was fetched', async () => {
      await openBehindProxy({ PORT: port });
      await environment.addGateway({ PORT: String(await freePort()) });
      const id = await train();
      await untilPosts(2);
      expect(await statesOf(environment, id)).toEqual([
        'QUEUED',
        'SUBMITTING',
        'UNCERTAIN',
        'QUEUED',
        'SUBMITTING',
      ]);
      expect((await fetchPhotos()).includes('refused')).toBe(false);
    });

    it('gets one call in total when the gateway that its fetches reach is killed while another serves', async () => {
      await openBehindProxy({ PORT: port });
      const other = await environment.addGateway({ PORT: String(await freePort()) });
      const id = await train();
      await environment.gateway.kill();
      replaceFirst(other);
      expect(await fetchPhotos()).toEqual(Array.from({ length: 5 }, () => 'refused'));
      expect(await ending(environment, 'training', id)).toMatchObject({ ...unknown, attempt: 1 });
      expect(posts()).toHaveLength(1);
    });

    it.each([
      ['for more than 15 seconds', 15.5],
      ['for less, but longer than the upstream waits for a photo', 6],
    ])(
      'gets one call in total when the gateway that its fetches reach is suspended %s while another serves',
      async (_, seconds) => {
        await openBehindProxy({ PORT: port, UNCERTAIN_GRACE: '20s' });
        const other = await environment.addGateway({ PORT: String(await freePort()) });
        const id = await train();
        const sleeper = environment.gateway;
        process.kill(sleeper.pid, 'SIGSTOP');
        replaceFirst(other);
        const stopped = await databaseTime();
        expect(await fetchPhotos(2_000)).toEqual(Array.from({ length: 5 }, () => 'refused'));
        await eventually(
          'the end of the stop',
          async () => (await databaseTime()) - stopped,
          (past) => past > seconds,
        );
        process.kill(sleeper.pid, 'SIGCONT');
        expect(await ending(environment, 'training', id)).toMatchObject({ ...unknown, attempt: 1 });
        expect(posts()).toHaveLength(1);
        await sleeper.kill();
      },
    );
  });
});
