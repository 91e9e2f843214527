import { request as httpRequest } from 'node:http';
import sharp from 'sharp';
import { startSandbox } from '../../src/sandbox/sandbox';
import type { UpstreamError } from '../../src/upstream/provider';
import { headPhoto, PhotoHost } from '../support/photo-host';
import { SandboxCalls } from '../support/sandbox-calls';

let host: PhotoHost;
let calls: SandboxCalls;
let photos: string[];
let model: string;

beforeAll(async () => {
  host = await PhotoHost.start();
  calls = await SandboxCalls.start();
  photos = await host.heads(31, 200);
  model = await calls.trained(photos.slice(0, 5));
});

afterAll(async () => {
  await calls.stop();
  await host.stop();
});

interface Answer {
  status: number;
  headers: Record<string, unknown>;
  body: string;
}

/** One request without default headers. */
async function answerOf(
  method: string,
  path: string,
  body?: unknown,
  changes: Record<string, string | undefined> = {},
): Promise<Answer> {
  const all = {
    accept: 'application/json',
    'x-picsart-api-key': calls.sandbox.apiKey,
    'content-type': body === undefined ? undefined : 'application/json',
    ...changes,
  };
  const headers = Object.fromEntries(
    Object.entries(all).filter(([, value]) => value !== undefined),
  ) as Record<string, string>;
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${calls.sandbox.url}${path}`, { method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => {
        resolve({ status: response.statusCode!, headers: response.headers, body: text });
      });
    });
    request.on('error', reject);
    request.end(typeof body === 'string' ? body : body && JSON.stringify(body));
  });
}

const models = '/v1/avatars/models';
const trainBody = (images: string[], type = 'woman') => ({ images, type });

describe('sandbox refusals', () => {
  it.each([undefined, 'wrong'])('require the key: %j', async (key) => {
    const { status, body } = await answerOf('POST', models, trainBody(photos.slice(0, 5)), {
      'x-picsart-api-key': key,
    });
    expect(status).toBe(401);
    expect(JSON.parse(body)).toMatchObject({ code: 401, detail: expect.any(String) as string });
  });

  it('require an Accept header', async () => {
    await expect(
      answerOf('GET', `${models}/${model}`, undefined, { accept: undefined }),
    ).resolves.toMatchObject({
      status: 406,
    });
    await expect(
      answerOf('GET', `${models}/${model}`, undefined, { accept: 'text/html' }),
    ).resolves.toMatchObject({ status: 406 });
    await expect(answerOf('GET', `${models}/${model}`, undefined, { accept: '*/*' })).resolves.toMatchObject({
      status: 200,
    });
  });

  it.each([
    ['DELETE', models],
    ['GET', models],
    ['POST', '/v1/avatars/models/x'],
    ['GET', '/v1/avatars/instant'],
    ['PUT', '/v1/avatars/models/x/inferences'],
  ])('cover wrong methods: %s %s', async (method, path) => {
    const { status, headers } = await answerOf(method, path);
    expect(status).toBe(405);
    expect(headers.allow).toMatch(/GET|POST/);
  });

  it.each([
    '/v1',
    '/v1/avatars',
    '/v2/avatars/models',
    '/v1/avatars/models/a/b',
    '/v1/avatars/models/a/inferences/b/c',
    '/nowhere',
    '/results/x/y.jpg',
  ])('cover unknown %s', async (path) => {
    await expect(answerOf('GET', path)).resolves.toMatchObject({ status: 404 });
  });

  it('cover unknown jobs, and jobs of another model', async () => {
    const other = await calls.trained(photos.slice(0, 5));
    const inference = await calls.generate(model, 'noir');
    for (const path of [
      `${models}/unknown`,
      `${models}/${other}/inferences/${inference}`,
      `/v1/avatars/instant/${inference}`,
      '/results/unknown/0.jpg',
    ]) {
      await expect(answerOf('GET', path)).resolves.toMatchObject({ status: 404 });
    }
    await expect(
      answerOf('POST', `${models}/unknown/inferences`, { prompts: [{ style: 'noir' }] }),
    ).resolves.toMatchObject({ status: 404 });
    await expect(answerOf('GET', `${models}/${model}/inferences/${inference}`)).resolves.not.toMatchObject({
      status: 404,
    });
  });

  it.each([
    ['no JSON', '{"images":', 400],
    ['nothing', '', 400],
    ['a body of 300 kB', JSON.stringify({ images: ['x'.repeat(300_000)] }), 413],
  ])('cover bodies with %s', async (_, body, status) => {
    await expect(answerOf('POST', models, body)).resolves.toMatchObject({ status });
  });

  it('require JSON', async () => {
    const other = { 'content-type': 'text/plain' };
    await expect(answerOf('POST', models, '{}', other)).resolves.toMatchObject({ status: 415 });
  });

  it.each<[string, () => object]>([
    ['4 photos', () => trainBody(photos.slice(0, 4))],
    ['31 photos', () => trainBody(photos)],
    ['an unknown type', () => trainBody(photos.slice(0, 5), 'horse')],
    ['the type in capitals', () => trainBody(photos.slice(0, 5), 'WOMAN')],
    ['no photos', () => ({ type: 'man' })],
    ['a photo that is not a URL', () => trainBody([...photos.slice(0, 4), 'photo.jpg'])],
    ['a photo that is a file', () => trainBody([...photos.slice(0, 4), 'file:///etc/passwd'])],
    [
      'a photo that is not there',
      () => trainBody([...photos.slice(0, 4), host.put('/gone.jpg', '', 'image/jpeg', 404)]),
    ],
    [
      'a photo that is moved',
      () => trainBody([...photos.slice(0, 4), host.put('/moved.jpg', '', 'image/jpeg', 302)]),
    ],
    ['a photo that cannot be fetched', () => trainBody([...photos.slice(0, 4), 'http://127.0.0.1:1/a.jpg'])],
    [
      'a photo that is a page',
      () => trainBody([...photos.slice(0, 4), host.put('/page', '<html>', 'text/html')]),
    ],
  ])('cover trainings with %s', async (_, body) => {
    const before = (await calls.sandbox.counts()).trainings;
    const { status, body: text } = await answerOf('POST', models, body());
    expect(status).toBe(422);
    expect((JSON.parse(text) as { detail: string }).detail).not.toBe('');
    expect((await calls.sandbox.counts()).trainings).toBe(before);
  });

  it('report a photo that cannot be fetched', async () => {
    const urls = [...photos.slice(0, 4), host.put('/gone.jpg', '', 'image/jpeg', 404)];
    await expect(calls.train(urls)).rejects.toMatchObject({
      outcome: 'REFUSED',
      refusal: 'PHOTO_UNREACHABLE',
    });
  });

  it.each([
    [{}],
    [{ prompts: [] }],
    [{ prompts: [{ style: 'cubist' }] }],
    [{ prompts: [{ style: 'noir', count: 0 }] }],
    [{ prompts: [{ style: 'noir', count: 101 }] }],
    [
      {
        prompts: [
          { style: 'noir', count: 60 },
          { style: 'anime', count: 41 },
        ],
      },
    ],
    [{ prompts: [{ style: 'noir', prompt: 'x'.repeat(2_001) }] }],
  ])('cover generations with %j', async (body) => {
    await expect(answerOf('POST', `${models}/${model}/inferences`, body)).resolves.toMatchObject({
      status: 422,
    });
  });

  it('cover models that are not trained', async () => {
    const slow = await SandboxCalls.start({ speed: 60 });
    const ref = await slow.train(photos.slice(0, 5));
    await expect(slow.generate(ref, 'noir')).rejects.toMatchObject({ outcome: 'REFUSED', status: 422 });
    await slow.stop();
  });

  it('come with the standard headers', async () => {
    for (const path of [`${models}/${model}`, `${models}/unknown`]) {
      expect((await answerOf('GET', path)).headers).toMatchObject({
        'x-picsart-correlation-id': expect.stringMatching(/./) as string,
        'x-picsart-ratelimit-limit': expect.stringMatching(/^\d+$/) as string,
        'x-picsart-ratelimit-available': expect.stringMatching(/^\d+$/) as string,
        'x-picsart-ratelimit-reset-time': expect.stringMatching(/^\d+$/) as string,
        'x-picsart-credit-available': expect.stringMatching(/^\d+$/) as string,
      });
    }
  });

  it('allows 500 calls in a minute divided by the speed, if nothing else is configured', async () => {
    const plain = await startSandbox({ speed: 6 });
    try {
      const headers = { accept: 'application/json', 'x-picsart-api-key': plain.apiKey };
      const answer = await fetch(`${plain.url}/v1/balance`, { headers });
      expect(answer.headers.get('x-picsart-ratelimit-limit')).toBe('500');
      expect(answer.headers.get('x-picsart-ratelimit-reset-time')).toBe('10');
    } finally {
      await plain.stop();
    }
  });

  it('start at the rate limit, and end with its window', async () => {
    const strict = await SandboxCalls.start({ rateLimit: { requests: 3, windowMs: 1_000 } });
    const ask = async () => strict.provider.training('unknown', new AbortController().signal);
    for (let i = 0; i < 3; i++) await expect(ask()).rejects.toMatchObject({ refusal: 'NOT_FOUND' });
    await expect(ask()).rejects.toMatchObject({ outcome: 'LATER', status: 429, retryAfterMs: 1_000 });
    expect((await strict.sandbox.counts()).limited).toBe(1);
    let outcome = 'LATER';
    while (outcome === 'LATER')
      outcome = await ask().then(String, (error: unknown) => (error as UpstreamError).outcome);
    expect(outcome).toBe('REFUSED');
    await strict.stop();
  });

  it('start when the credits are used up', async () => {
    const poor = await SandboxCalls.start({ credits: 22 });
    const ref = await poor.trained(photos.slice(0, 5));
    await expect(poor.generate(ref, 'noir', undefined, 3)).rejects.toMatchObject({
      refusal: 'UPSTREAM_CREDITS',
    });
    await expect(poor.generate(ref, 'noir', undefined, 2)).resolves.not.toBe('');
    await poor.stop();
  });
});

describe('sandbox', () => {
  it('describes itself and returns its balance', async () => {
    expect((await answerOf('GET', '/')).body).toContain('does not use AI');
    await expect(answerOf('GET', '/v1/balance')).resolves.toMatchObject({
      status: 200,
      body: expect.stringMatching(/"credits":\d+/) as string,
    });
  });

  it('accepts PNG photos, and photos without a content type', async () => {
    const head = await headPhoto(10, 1);
    const urls = [
      ...photos.slice(0, 3),
      host.put('/a.png', await sharp(head).png().toBuffer(), 'image/png'),
      host.put('/photo', head, 'application/octet-stream'),
    ];
    await expect(calls.trained(urls)).resolves.not.toBe('');
  });
});
