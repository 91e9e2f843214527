import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending, prepareFixtures, order } from '../support/faults-jobs';
import { PhotoHost } from '../support/photo-host';
import { facePhoto } from '../support/pictures';
import { RawConnection } from '../support/raw-client';
import { eventually, until } from '../support/until';

jest.setTimeout(180_000);

let environment: FaultsEnvironment;
let host: PhotoHost;

beforeEach(async () => {
  host = await PhotoHost.start();
});
afterEach(async () => {
  await environment.stop();
  await host.stop();
});

const query = JSON.stringify({ query: '{ models(first: 5) { nodes { id status } } viewer { owner } }' });
const queryRequest =
  'POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
  `Content-Length: ${query.length}\r\n\r\n${query}`;

describe('a process with few open files', () => {
  it('refuses sockets over the limit, serves the others, and processes jobs', async () => {
    environment = await FaultsEnvironment.open({ openFiles: 256, maxFollowed: 0 });
    await prepareFixtures(environment);
    const training = await order(environment, 'training');
    const port = Number(environment.gateway.port);
    const clients = await Promise.all(Array.from({ length: 300 }, () => RawConnection.open(port)));
    for (const { socket } of clients) socket.write(queryRequest);
    await until(() => clients.every(({ text, isClosed }) => isClosed || text.includes('\r\n\r\n{')));
    const served = clients.filter(({ text }) => text.startsWith('HTTP/1.1 200 '));
    expect(served.length).toBeGreaterThan(60);
    expect(served.filter(({ text }) => !text.includes('"nodes"') || text.includes('"errors"'))).toEqual([]);
    const statuses = new Set(clients.map(({ text }) => text.slice(9, 12)));
    expect([...statuses].filter((status) => !['200', '503', ''].includes(status))).toEqual([]);
    expect(statuses).toContain('503');
    expect(await environment.gateway.openFiles()).toBeLessThan(200);
    const warnings = environment.gateway.said(/limit of open files \(ulimit -n\) is reached/, 'warn');
    expect(warnings.length).toBeGreaterThan(0);
    const times = warnings.map(({ time }) => Date.parse(String(time)));
    expect(times.filter((ms, index) => index > 0 && ms - times[index - 1]! < 9_500)).toEqual([]);
    // Its connections stay open; the admitted ones are served again.
    for (const connection of served) {
      connection.text = '';
      connection.socket.write(queryRequest);
    }
    await until(() => served.every(({ text }) => text.includes('"nodes"')));
    for (const { socket } of clients) socket.destroy();
    expect(await ending(environment, 'training', training.id)).toMatchObject({ status: 'READY', attempt: 1 });
    expect(environment.gateway.said(/unexpected error/)).toEqual([]);
  });
});

describe('a process without free file descriptors', () => {
  it('answers SERVICE_UNAVAILABLE, rejects no photo, and recovers when descriptors are free', async () => {
    environment = await FaultsEnvironment.open({
      maxFollowed: 0,
      settings: { PHOTO_URL_ALLOW: `${new URL(host.put('/', '')).host},localhost`, UPSTREAM: 'picsart' },
    });
    const { photoIds } = await prepareFixtures(environment);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const send = async (url: string, body?: object): Promise<{ status: number; answer: string }> => {
      const headers = { 'content-type': 'application/json' };
      const asking = request(url, { method: body ? 'POST' : 'GET', agent, headers });
      asking.end(body && JSON.stringify(body));
      const [response] = (await once(asking, 'response')) as [IncomingMessage];
      const chunks: Buffer[] = [];
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
      return { status: response.statusCode!, answer: Buffer.concat(chunks).toString('latin1') };
    };
    const ask = async (text: string, variables: object): Promise<Record<string, unknown>> => {
      const { answer } = await send(`${environment.gateway.url}/graphql`, { query: text, variables });
      return JSON.parse(answer) as Record<string, unknown>;
    };
    const shown = await ask('query ($id: ID!) { photo(id: $id) { url } }', { id: photoIds[0] });
    const { url } = (shown.data as { photo: { url: string } }).photo;
    expect((await send(url)).status).toBe(200);
    const photoUrls = await Promise.all(
      [1, 2, 3, 4, 5].map(async (seed) => {
        const photoUrl = host.put(`/${seed}.jpg`, await facePhoto(seed, { width: 640 }));
        // Without descriptors the resolver reports a host name as unknown, unlike an address.
        return seed === 1 ? photoUrl : photoUrl.replace('127.0.0.1', 'localhost');
      }),
    );
    const allow = await environment.gateway.forbidOpening();
    const refused = await send(url);
    expect([refused.status, refused.answer]).toEqual([503, expect.stringContaining('SERVICE_UNAVAILABLE')]);
    const train = 'mutation ($input: TrainModelInput!) { trainModel(input: $input) { model { id } } }';
    const { data } = await ask(train, { input: { type: 'WOMAN', photoUrls } });
    const { id } = (data as { trainModel: { model: { id: string } } }).trainModel.model;
    await eventually(
      'more failures of a photo than an address may have',
      async () => {
        const failures = environment.gateway.said(/a photo could not be stored/);
        const ids = failures.map(({ photoId }) => photoId);
        return Math.max(0, ...ids.map((photoId) => ids.filter((other) => other === photoId).length));
      },
      (count) => count >= 6,
      120_000,
    );
    await allow();
    agent.destroy();
    expect(await ending(environment, 'training', id)).toMatchObject({ status: 'READY', failure: null });
    expect(host.fetched.length).toBeGreaterThanOrEqual(5);
  });
});
