import { createHash } from 'node:crypto';
import dns from 'node:dns';
import { createServer } from 'node:http';
import { readConfig } from '../../src/read-config';
import { openBucket } from '../../src/storage/open-store';
import { newKey, pieces, readAll } from '../contract/media-store-suite';
import { likeness } from '../support/command-line';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending } from '../support/faults-jobs';
import { S3Server } from '../support/s3-server';
import { listening, stopped } from '../support/servers';
import { until } from '../support/until';

jest.setTimeout(180_000);

let server: S3Server;

beforeAll(async () => {
  server = await S3Server.start();
});

afterAll(() => server.stop());

const keysIn = async (bucket: string, prefix = ''): Promise<string[]> => {
  const keys: string[] = [];
  for await (const key of server.store(bucket).list(prefix, 0)) keys.push(key);
  return keys;
};

describe('a bucket without S3_FORCE_PATH_STYLE', () => {
  const bucket = 'in-the-host-name';

  afterEach(() => jest.restoreAllMocks());

  it('is used by the host name that begins with its name, also in presigned URLs', async () => {
    const resolved = new Set<string>();
    const address = { address: '127.0.0.1', family: 4 };
    const lookup = (
      name: string,
      { all }: { all?: boolean },
      found: (...answer: unknown[]) => void,
    ): void => {
      resolved.add(name);
      if (all) found(null, [address]);
      else found(null, address.address, address.family);
    };
    jest.spyOn(dns, 'lookup').mockImplementation(lookup as never);
    const { S3_FORCE_PATH_STYLE: _, ...settings } = server.settings(bucket);
    const endpoint = server.url.replace('127.0.0.1', 'localhost');
    const store = (await openBucket(readConfig({ ...settings, S3_ENDPOINT: endpoint })))!;
    const [key, uploaded] = [newKey(), newKey()];
    await store.put(key, pieces('a face'), 100);
    await fetch(await store.links.upload(uploaded, 4, Date.now() + 60_000), { method: 'PUT', body: 'mine' });
    const headers = { contentType: 'image/png', contentDisposition: 'inline', cacheControl: 'private' };
    const { url } = await store.links.read(uploaded, headers);
    expect(new URL(url)).toMatchObject({
      origin: endpoint.replace('localhost', `${bucket}.localhost`),
      pathname: `/${uploaded}`,
    });
    expect(await (await fetch(url)).text()).toBe('mine');
    expect([...resolved]).toEqual([`${bucket}.localhost`]);
    // By the path they are the same objects.
    expect((await keysIn(bucket)).sort()).toEqual([key, uploaded].sort());
    expect(await store.deleteMany([key, uploaded])).toEqual(new Map());
    expect(await keysIn(bucket)).toEqual([]);
  });
});

describe('a bucket behind a CDN', () => {
  const bucket = 'served';
  let environment: FaultsEnvironment;
  /** The paths that the CDN serves. */
  let served: RegExp;
  const cdn = createServer((request, response) => {
    if (!served.test(request.url!)) return void response.writeHead(415).end();
    void readAll(server.store(bucket), request.url!.slice(1)).then((bytes) => response.end(bytes));
  });
  let cdnUrl: string;
  let settings: Readonly<Record<string, string>>;

  beforeAll(async () => {
    cdnUrl = `http://127.0.0.1:${await listening(cdn)}`;
    environment = await FaultsEnvironment.open({ gateways: 0 });
    settings = {
      ...{ DATABASE_URL: environment.databaseUrl, DATA_DIR: environment.dataDir },
      ...{ ...server.settings(bucket), S3_READS: 'cdn', S3_PUBLIC_URL: cdnUrl },
    };
  });

  afterAll(async () => {
    await environment.stop();
    await stopped(cdn);
  });

  it('is examined by the doctor and by a start for photos that the CDN serves', async () => {
    served = /./;
    expect((await likeness(settings, 'doctor')).out).toMatch(/CDN +FAIL .*photos\/ and uploads\//);
    await environment.addGateway(settings);
    await until(() => environment.gateway.said(/can read it at S3_PUBLIC_URL/, 'warn').length === 1);
    served = /^\/(avatars|renditions)\//;
    expect((await likeness(settings, 'doctor')).out).toMatch(/CDN +OK /);
    expect(await keysIn(bucket)).toEqual([]);
  });

  it('gives clients avatars at the CDN, and downloads and photos at the gateway only', async () => {
    served = /^\/(avatars|renditions)\//;
    const { client, gateway } = environment;
    const photoIds = await client.upload(5);
    const { id } = await client.generate(await client.trained(photoIds), [{ count: 1 }]);
    expect(await ending(environment, 'generation', id)).toMatchObject({ status: 'COMPLETED' });
    const { avatars, photo } = await client.request<{
      avatars: { nodes: { url: string; downloadUrl: string; sha256: string }[] };
      photo: { url: string };
    }>('query ($id: ID!) { avatars { nodes { url downloadUrl sha256 } } photo(id: $id) { url } }', {
      id: photoIds[0],
    });
    const { url, downloadUrl, sha256 } = avatars.nodes[0]!;
    const read = await fetch(url);
    const hash = async (answer: Response): Promise<string> =>
      createHash('sha256')
        .update(new Uint8Array(await answer.arrayBuffer()))
        .digest('hex');
    expect([new URL(read.url).origin, await hash(read)]).toEqual([cdnUrl, sha256]);
    const saved = await fetch(downloadUrl);
    expect([new URL(saved.url).origin, await hash(saved)]).toEqual([gateway.url, sha256]);
    const shown = await fetch(photo.url);
    expect([new URL(shown.url).origin, shown.status]).toEqual([gateway.url, 200]);
    const photos = await keysIn(bucket, 'photos/');
    expect(photos).toHaveLength(5);
    expect((await fetch(`${cdnUrl}/${photos[0]}`)).status).toBe(415);
  });
});
