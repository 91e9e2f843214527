import type { SandboxFault } from '../../src/sandbox/faults';
import type { UpstreamError } from '../../src/upstream/provider';
import { PhotoHost } from '../support/photo-host';
import { resultsOf, SandboxCalls } from '../support/sandbox-calls';

const signal = new AbortController().signal;
let host: PhotoHost;
let calls: SandboxCalls;
let photos: string[];
let model: string;

beforeAll(async () => {
  host = await PhotoHost.start();
  calls = await SandboxCalls.start({}, 400);
  photos = await host.heads(5, 200);
  model = await calls.trained(photos);
});

afterAll(async () => {
  await calls.stop();
  await host.stop();
});

type Kind<F> = F extends unknown ? Omit<F, 'on'> : never;
const fault = async (on: SandboxFault['on'], what: Kind<SandboxFault>): Promise<void> =>
  calls.sandbox.fault({ on, ...what });

async function clearFaults(): Promise<void> {
  const { url, apiKey } = calls.sandbox;
  await fetch(new URL('/sandbox/faults', url), {
    method: 'DELETE',
    headers: { 'x-picsart-api-key': apiKey },
  });
}

describe('sandbox faults of paid calls', () => {
  it.each<[Kind<SandboxFault>, string, boolean]>([
    [{ kind: 'status', status: 500 }, 'UNKNOWN', false],
    [{ kind: 'status', status: 500, executed: true }, 'UNKNOWN', true],
    [{ kind: 'status', status: 503, headers: { 'Retry-After': '1' } }, 'LATER', false],
    [{ kind: 'status', status: 429, headers: { 'X-Picsart-Ratelimit-Reset-Time': '1' } }, 'LATER', false],
    [{ kind: 'status', status: 422, body: { detail: 'not like this' } }, 'REFUSED', false],
    [{ kind: 'redirect', location: 'http://127.0.0.1:1/' }, 'UNKNOWN', false],
    [{ kind: 'reset-before' }, 'UNKNOWN', false],
    [{ kind: 'reset-after' }, 'UNKNOWN', true],
    [{ kind: 'hang' }, 'UNKNOWN', true],
    [{ kind: 'hang', executed: false }, 'UNKNOWN', false],
    [{ kind: 'slow', everyMs: 50 }, 'UNKNOWN', true],
    [{ kind: 'truncated' }, 'UNKNOWN', true],
    [{ kind: 'malformed' }, 'UNKNOWN', true],
    [{ kind: 'empty' }, 'UNKNOWN', true],
    [{ kind: 'html' }, 'UNKNOWN', true],
    [{ kind: 'huge' }, 'UNKNOWN', true],
    [{ kind: 'gzip-bomb' }, 'UNKNOWN', true],
    [{ kind: 'no-id' }, 'UNKNOWN', true],
  ])('apply and are counted: %j', async (what, outcome, isExecuted) => {
    const before = await calls.sandbox.counts();
    await fault('train', what);
    await expect(calls.train(photos)).rejects.toMatchObject({ outcome });
    await fault('generate', what);
    await expect(calls.generate(model, 'noir')).rejects.toMatchObject({ outcome });
    const after = await calls.sandbox.counts();
    expect(after.trainings - before.trainings).toBe(isExecuted ? 1 : 0);
    expect(after.generations - before.generations).toBe(isExecuted ? 1 : 0);
    await expect(calls.generate(model, 'noir')).resolves.not.toBe('');
  });

  it('return the id of an earlier job', async () => {
    const earlier = [await calls.train(photos), await calls.generate(model, 'noir')];
    await fault('train', { kind: 'duplicate-id' });
    await fault('generate', { kind: 'duplicate-id' });
    expect([await calls.train(photos), await calls.generate(model, 'noir')]).toEqual(earlier);
  });

  it('wrap a response in an envelope with a readable status', async () => {
    for (const on of ['train', 'generate', 'inference'] as const)
      await fault(on, { kind: 'nested', times: on === 'inference' ? 100_000 : 1 });
    await fault('model', { kind: 'nested', forMs: 60_000 });
    const ref = await calls.train(photos);
    await expect(calls.provider.training(ref, signal)).resolves.not.toMatchObject({ state: 'DONE' });
    await expect(calls.trainingEnd(ref)).resolves.toMatchObject({ state: 'DONE' });
    await expect(calls.results(ref, 'noir', undefined, 2)).resolves.toHaveLength(2);
    await clearFaults();
  });

  it('last for the given time', async () => {
    const ref = await calls.train(photos);
    const startedMs = Date.now();
    await fault('model', { kind: 'status', status: 404, forMs: 500 });
    const isNotFound = (): Promise<boolean> =>
      calls.provider.training(ref, signal).then(
        () => false,
        (error: unknown) => (error as UpstreamError).refusal === 'NOT_FOUND',
      );
    await expect(isNotFound()).resolves.toBe(true);
    while (await isNotFound());
    expect(Date.now() - startedMs).toBeGreaterThanOrEqual(500);
    await expect(calls.trainingEnd(ref)).resolves.toMatchObject({ state: 'DONE' });
  });

  it('create jobs that fail or never end', async () => {
    for (const [kind, code] of [
      ['failed', 'UPSTREAM_FAILED'],
      ['image-not-valid', 'PHOTO_INVALID'],
    ] as const) {
      await fault('train', { kind });
      await expect(calls.trainingEnd(await calls.train(photos))).resolves.toMatchObject({
        state: 'FAILED',
        code,
      });
    }
    await fault('generate', { kind: 'never-done' });
    const ref = await calls.generate(model, 'noir');
    const startedMs = Date.now();
    while (Date.now() - startedMs < 50) {
      const { state } = await calls.provider.generation({ modelRef: model, ref }, signal);
      expect(state).not.toBe('DONE');
    }
  });

  it('create jobs with too few pictures', async () => {
    await fault('generate', { kind: 'fewer-results' });
    await expect(calls.results(model, 'noir', undefined, 3)).resolves.toHaveLength(2);
    await fault('generate', { kind: 'no-results' });
    await expect(calls.results(model, 'noir', undefined, 3)).resolves.toHaveLength(0);
  });
});

describe('sandbox faults of polls', () => {
  const ask = () => calls.provider.training(model, signal);

  it.each<[Kind<SandboxFault>, object]>([
    [{ kind: 'unknown-status' }, { state: 'RUNNING', known: false, word: 'recalibrating' }],
    [
      { kind: 'unknown-status', word: 'DREAMING' },
      { state: 'RUNNING', known: false, word: 'dreaming' },
    ],
    [{ kind: 'status-back' }, { state: 'RUNNING', known: true, progress: 10 }],
    [{ kind: 'never-done' }, { state: 'RUNNING' }],
    [{ kind: 'failed' }, { state: 'FAILED', code: 'UPSTREAM_FAILED' }],
    [{ kind: 'image-not-valid' }, { state: 'FAILED', code: 'PHOTO_INVALID' }],
  ])('change one response: %j', async (what, state) => {
    await fault('model', what);
    await expect(ask()).resolves.toMatchObject(state);
    await expect(ask()).resolves.toMatchObject({ state: 'DONE' });
  });

  it('last as long as configured, and can be removed', async () => {
    await fault('model', { kind: 'status', status: 500, times: 2 });
    await expect(ask()).rejects.toMatchObject({ outcome: 'UNKNOWN' });
    await expect(ask()).rejects.toMatchObject({ outcome: 'UNKNOWN' });
    await expect(ask()).resolves.toMatchObject({ state: 'DONE' });
    await fault('model', { kind: 'hang', times: 100 });
    const headers = { 'x-picsart-api-key': calls.sandbox.apiKey };
    await fetch(`${calls.sandbox.url}/sandbox/faults`, { method: 'DELETE', headers });
    await expect(ask()).resolves.toMatchObject({ state: 'DONE' });
  });

  it('leave pictures out of a response', async () => {
    const ref = await calls.generate(model, 'noir', undefined, 2);
    await calls.generationEnd(model, ref);
    await fault('inference', { kind: 'fewer-results' });
    expect(resultsOf(await calls.generationEnd(model, ref))).toHaveLength(1);
    await fault('inference', { kind: 'no-results' });
    expect(resultsOf(await calls.generationEnd(model, ref))).toHaveLength(0);
    await fault('inference', { kind: 'long-url' });
    await expect(calls.generationEnd(model, ref)).resolves.toMatchObject({
      results: [
        { id: `${ref}-0`, url: null },
        { id: `${ref}-1`, url: expect.any(String) as string },
      ],
    });
    expect(resultsOf(await calls.generationEnd(model, ref))).toHaveLength(2);
  });
});

describe('sandbox faults of results', () => {
  let url: string;

  beforeAll(async () => {
    url = (await calls.results(model, 'pixel'))[0]!.url;
  });

  it.each<[Kind<SandboxFault>, number, RegExp]>([
    [{ kind: 'not-an-image' }, 200, /^not a picture/],
    [{ kind: 'expired' }, 404, /has expired/],
    [{ kind: 'html' }, 200, /<title>/],
    [{ kind: 'status', status: 503, body: 'come back' }, 503, /come back/],
    [{ kind: 'empty' }, 200, /^$/],
  ])('apply: %j', async (what, status, body) => {
    await fault('result', what);
    const response = await fetch(url);
    expect(response.status).toBe(status);
    expect(await response.text()).toMatch(body);
    expect((await fetch(url)).status).toBe(200);
  });

  it('break the connection during the transfer', async () => {
    await fault('result', { kind: 'truncated' });
    await expect(fetch(url).then((response) => response.arrayBuffer())).rejects.toThrow();
    await fault('result', { kind: 'reset-after' });
    await expect(fetch(url)).rejects.toThrow();
  });

  it('redirect', async () => {
    await fault('result', { kind: 'redirect', location: 'http://127.0.0.1:1/inside' });
    const response = await fetch(url, { redirect: 'manual' });
    expect(response.status).toBe(307);
    expect(response.headers.get('location')).toBe('http://127.0.0.1:1/inside');
  });
});

describe('sandbox fault requests', () => {
  const post = async (body: unknown, apiKey = calls.sandbox.apiKey): Promise<Response> =>
    fetch(`${calls.sandbox.url}/sandbox/faults`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-picsart-api-key': apiKey },
      body: JSON.stringify(body),
    });

  it.each([
    [{}],
    [{ on: 'train', kind: 'explode' }],
    [{ on: 'nothing', kind: 'hang' }],
    [{ on: 'train', kind: 'expired' }],
    [{ on: 'train', kind: 'hang', times: 0 }],
    [{ on: 'train', kind: 'status' }],
    [{ on: 'train', kind: 'hang', extra: true }],
  ])('are rejected if invalid: %j', async (body) => {
    const response = await post(body);
    expect(response.status).toBe(422);
  });

  it('require the key', async () => {
    expect((await post({ on: 'train', kind: 'hang' }, 'wrong')).status).toBe(401);
    await expect(calls.train(photos)).resolves.not.toBe('');
  });
});
