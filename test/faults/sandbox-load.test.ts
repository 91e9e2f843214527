import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { PhotoHost } from '../support/photo-host';
import { SandboxCalls } from '../support/sandbox-calls';
import { eventually } from '../support/until';

/** How many pictures the sandbox draws at once, and how many more may wait. */
const maxDrawing = 2;
const maxWaiting = 200;

let host: PhotoHost;
let calls: SandboxCalls;
let model: string;

beforeEach(async () => {
  host = await PhotoHost.start();
  calls = await SandboxCalls.start({ retentionMs: 3_600_000 });
  model = await calls.trained(await host.heads(5, 200));
});

afterEach(async () => {
  await calls.stop();
  await host.stop();
});

/** URLs of pictures that have not been requested. */
async function newUrls(count: number): Promise<string[]> {
  const urls: string[] = [];
  while (urls.length < count) {
    const results = await calls.results(model, 'pixel', '', Math.min(100, count - urls.length));
    urls.push(...results.map(({ url }) => url));
  }
  return urls;
}

/** A request on its own connection. */
function ask(url: string): ClientRequest {
  return request(url, { agent: false }).on('error', () => undefined);
}

async function statusOf(asking: ClientRequest): Promise<number | undefined> {
  const [response] = (await once(asking.end(), 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

/** Returns when the sandbox has received so many requests for pictures. */
async function received(count: number): Promise<void> {
  await eventually(
    'the requests',
    () => calls.sandbox.counts(),
    (counts) => counts.calls.result === count,
  );
}

/** Requests pictures, and returns when the sandbox has received the requests. */
async function askAll(urls: readonly string[]): Promise<ClientRequest[]> {
  const asking = urls.map((url) => ask(url).end());
  await received(urls.length);
  return asking;
}

/** Disconnects, and returns when the sandbox has noticed. */
async function abandon(asking: readonly ClientRequest[]): Promise<void> {
  const connected = asking.filter(({ destroyed }) => !destroyed);
  await Promise.all(
    // Not `once`, which rejects with the error that a request without a response emits.
    connected.map((one) => new Promise((resolve) => one.on('close', resolve).destroy())),
  );
  await calls.sandbox.counts();
}

describe('pictures that many clients request from the sandbox', () => {
  it('are not drawn for clients that have disconnected', async () => {
    const urls = await newUrls(maxDrawing + maxWaiting + 50);
    await abandon(await askAll(urls.slice(50)));
    const statuses = await Promise.all(urls.slice(0, 50).map((url) => statusOf(ask(url))));
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
  });

  it('are drawn while one of their clients is connected', async () => {
    const urls = await newUrls(50);
    const [last] = urls.slice(-1);
    const others = await askAll(urls);
    const kept = statusOf(ask(last!));
    await received(urls.length + 1);
    await abandon(others);
    await expect(kept).resolves.toBe(200);
  });

  it('are drawn for a client that requests them after another has disconnected', async () => {
    const urls = await newUrls(50);
    await abandon(await askAll(urls));
    await expect(Promise.all(urls.map((url) => statusOf(ask(url))))).resolves.toEqual(urls.map(() => 200));
  });

  it('are drawn once for all clients that wait for them', async () => {
    const urls = await newUrls(130);
    const statuses = await Promise.all([...urls, ...urls].map((url) => statusOf(ask(url))));
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
  });

  it('are refused beyond those that may wait', async () => {
    const urls = await newUrls(maxDrawing + maxWaiting + 200);
    const [recent, ...others] = urls;
    await statusOf(ask(recent!));
    const statuses = Promise.all(others.map((url) => statusOf(ask(url))));
    // A recent picture is not drawn again.
    await expect(statusOf(ask(recent!))).resolves.toBe(200);
    expect(new Set(await statuses)).toEqual(new Set([200, 503]));
  });
});

describe('the retention of the sandbox', () => {
  it('is configurable', async () => {
    const short = await SandboxCalls.start({ retentionMs: 1 });
    const ref = await short.trained(await host.heads(5, 200));
    const [result] = await short.results(ref, 'pixel');
    const end = eventually(
      'the end of the retention',
      () => statusOf(ask(result!.url)),
      (status) => status !== 200,
    );
    await expect(end).resolves.toBe(404);
    await short.stop();
  });
});
