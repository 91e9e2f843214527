import v8 from 'node:v8';
import vm from 'node:vm';
import {
  answer,
  dripped,
  endless,
  gzipped,
  reset,
  silence,
  truncated,
  type Script,
} from '../support/fake-upstream';
import { apiKey, failureOf, PicsartCalls, providerAt } from '../support/picsart-calls';

const signal = new AbortController().signal;
let calls: PicsartCalls;

beforeAll(async () => {
  calls = await PicsartCalls.start();
});

beforeEach(() => {
  calls.upstream.reset();
});

afterAll(async () => {
  await calls.stop();
});

describe('picsart requests', () => {
  it('trains with the photos and the type in lower case, on a connection of its own', async () => {
    calls.upstream.next(answer(202, { model_id: 'm-1' }), answer(202, { model_id: 'm-2' }));
    await expect(calls.train()).resolves.toMatchObject({ ref: 'm-1' });
    await calls.train();
    const [first, second] = calls.upstream.requests;
    expect(first).toMatchObject({ method: 'POST', path: '/v1/avatars/models' });
    expect(JSON.parse(first!.body)).toEqual({
      images: ['https://photos.example/1?signature=s'],
      type: 'woman',
    });
    expect(first!.headers).toMatchObject({
      'x-picsart-api-key': apiKey,
      accept: 'application/json',
      'content-type': 'application/json',
      connection: 'close',
    });
    expect(second!.connection).not.toBe(first!.connection);
  });

  it('polls a training on a pooled connection', async () => {
    calls.upstream.next(answer(200, { status: 'ACCEPTED' }), answer(200, { status: 'DONE' }));
    await calls.training();
    await turn();
    await calls.training();
    const [first, second] = calls.upstream.requests;
    expect(first).toMatchObject({ method: 'GET', path: '/v1/avatars/models/m-1' });
    expect(first!.headers).toMatchObject({ 'x-picsart-api-key': apiKey, accept: 'application/json' });
    expect(second!.connection).toBe(first!.connection);
  });

  it('generates with the prompts, without missing texts', async () => {
    calls.upstream.next(answer(202, { inference_id: 'i-1' }));
    const prompts = [
      { style: 'realistic', count: 2 },
      { style: 'noir', prompt: 'in the rain', count: 1 },
    ];
    await expect(calls.provider.generate({ modelRef: 'm-1', prompts }, signal)).resolves.toMatchObject({
      ref: 'i-1',
    });
    const [request] = calls.upstream.requests;
    expect(request).toMatchObject({ method: 'POST', path: '/v1/avatars/models/m-1/inferences' });
    expect(JSON.parse(request!.body)).toEqual({ prompts });
  });

  it('polls a generation under its model', async () => {
    calls.upstream.next(answer(202, { status: 'ACCEPTED' }));
    await calls.generation();
    expect(calls.upstream.requests[0]!.path).toBe('/v1/avatars/models/m-1/inferences/i-1');
  });

  it('creates instant avatars from one photo and polls them on their own path', async () => {
    calls.upstream.next(answer(202, { inference_id: 'i-1' }), answer(200, { status: 'ACCEPTED' }));
    const request = { photoUrl: 'https://p.example/1', prompt: 'a knight', negativePrompt: 'hat', count: 3 };
    await calls.provider.generateInstant(request, signal);
    await calls.instantState();
    const [post, get] = calls.upstream.requests;
    expect(post).toMatchObject({ method: 'POST', path: '/v1/avatars/instant' });
    expect(JSON.parse(post!.body)).toEqual({
      images: ['https://p.example/1'],
      prompt: 'a knight',
      negative_prompt: 'hat',
      count: 3,
    });
    expect(get!.path).toBe('/v1/avatars/instant/i-1');
  });

  it('do not wait for a connection within the time limit of their answer', async () => {
    calls.upstream.next(silence(), answer(200, { status: 'DONE' }));
    const [first, second] = await Promise.allSettled([calls.training(), calls.training()]);
    expect(first).toMatchObject({
      status: 'rejected',
      reason: { message: expect.stringContaining('in time') },
    });
    expect(second).toMatchObject({ status: 'fulfilled', value: { state: 'DONE' } });
  });

  it('end as not sent if they are aborted while they wait for a connection', async () => {
    calls.upstream.next(silence());
    const abort = new AbortController();
    const first = failureOf(calls.training);
    const second = failureOf(() => calls.provider.training('m-2', abort.signal));
    abort.abort();
    expect(await second).toMatchObject({ name: 'CallWithheld', outcome: 'NOT_SENT' });
    expect(await first).toMatchObject({ outcome: 'UNKNOWN' });
    expect(calls.upstream.requests.map(({ path }) => path)).toEqual(['/v1/avatars/models/m-1']);
  });

  it('are withheld if the upstream requests a delay from another one while they wait for a connection', async () => {
    calls.upstream.next(answer(429, {}, { 'retry-after': '7' }), answer(200, { status: 'DONE' }));
    const sent: string[] = [];
    const poll = (ref: string): Promise<unknown> =>
      calls.provider.training(ref, signal, { onSend: () => sent.push(ref) });
    const [, second] = await Promise.all([poll('m-1'), poll('m-2')].map((call) => failureOf(() => call)));
    expect(second).toMatchObject({ name: 'CallWithheld', outcome: 'LATER' });
    expect(second!.retryAfterMs).toBeGreaterThan(6_000);
    expect(second!.retryAfterMs).toBeLessThanOrEqual(7_000);
    await expect(poll('m-3')).resolves.toMatchObject({ state: 'DONE' });
    expect(sent).toEqual(['m-1', 'm-3']);
    expect(calls.upstream.requests).toHaveLength(2);
  });

  it('are withheld for what is left of the longest delay that paid calls were given', async () => {
    calls.upstream.next(
      silence(),
      ...['60', '1'].map((seconds) => answer(429, {}, { 'retry-after': seconds })),
    );
    const first = failureOf(calls.training);
    const second = failureOf(calls.training);
    for (let count = 0; count < 2; count += 1) await failureOf(calls.train);
    expect(await first).toMatchObject({ outcome: 'UNKNOWN' });
    expect(await second).toMatchObject({ name: 'CallWithheld', outcome: 'LATER' });
    expect((await second).retryAfterMs).toBeGreaterThan(30_000);
    expect((await second).retryAfterMs).toBeLessThan(60_000);
    expect(calls.upstream.requests).toHaveLength(3);
  });

  it('wait for a connection in turn with those of another group', async () => {
    calls.upstream.next(...Array.from({ length: 4 }, () => answer(200, { status: 'DONE' })));
    const sent: string[] = [];
    await Promise.all(
      ['first', 'poll', 'poll', 'refresh'].map((name) =>
        calls.provider.training('m-1', signal, {
          ...(name === 'refresh' && { group: name }),
          onSend: () => sent.push(name),
        }),
      ),
    );
    expect(sent).toEqual(['first', 'poll', 'refresh', 'poll']);
  });

  it('encodes references, so that none can change the path', async () => {
    calls.upstream.next(answer(404, {}));
    await failureOf(() => calls.provider.training('../balance?x#y', signal));
    expect(calls.upstream.requests[0]!.path).toBe('/v1/avatars/models/..%2Fbalance%3Fx%23y');
  });

  it.each(['', '/', '/v1', '/v1/'])('accepts a base URL that ends in "%s"', async (end) => {
    const other = providerAt(calls.upstream.url + end);
    calls.upstream.next(answer(200, { status: 'DONE' }));
    await other.training('m-1', signal);
    expect(calls.upstream.requests[0]!.path).toBe('/v1/avatars/models/m-1');
    await other.stop();
  });
});

describe('picsart polls that fail', () => {
  it.each<[string, Script, string]>([
    ['429', answer(429, '', { 'X-Picsart-Ratelimit-Reset-Time': '2' }), 'LATER'],
    ['503 with a time', answer(503, '', { 'Retry-After': '2' }), 'LATER'],
    ['503', answer(503), 'UNKNOWN'],
    ['500', answer(500), 'UNKNOWN'],
    ['404', answer(404), 'REFUSED'],
    ['401', answer(401), 'REFUSED'],
    ['a redirect', answer(302, '', { location: 'http://127.0.0.1:1/' }), 'UNKNOWN'],
    ['HTML', answer(200, '<html></html>'), 'UNKNOWN'],
    ['half an answer', truncated(200, { status: 'DONE', data: [] }), 'UNKNOWN'],
    ['an empty answer', answer(200), 'UNKNOWN'],
    ['an endless answer', endless(), 'UNKNOWN'],
    ['a gzip bomb', gzipped(200, ' '.repeat(50_000_000)), 'UNKNOWN'],
    ['silence', silence(), 'UNKNOWN'],
    ['a slow drip', dripped(200, { status: 'DONE', filler: 'x'.repeat(1_000) }, 10), 'UNKNOWN'],
  ])('report %s', async (_, script, outcome) => {
    calls.upstream.next(script);
    await expect(failureOf(calls.generation)).resolves.toMatchObject({ outcome });
    expect(calls.upstream.requests).toHaveLength(1);
  });

  it('report an early 404 with its own code', async () => {
    calls.upstream.next(answer(404, { detail: 'unknown model' }));
    await expect(failureOf(calls.training)).resolves.toMatchObject({ refusal: 'NOT_FOUND', status: 404 });
  });

  it('report that a poll was not sent', async () => {
    const other = providerAt('http://127.0.0.1:1');
    await expect(failureOf(() => other.training('m-1', signal))).resolves.toMatchObject({
      outcome: 'NOT_SENT',
    });
    await other.stop();
  });

  it('recovers from a pooled connection that is dead, and never puts a paid call on one', async () => {
    calls.upstream.next(
      answer(200, { status: 'ACCEPTED' }),
      reset(),
      answer(202, { model_id: 'm-1' }),
      answer(200, { status: 'DONE' }),
    );
    await calls.training();
    await turn();
    await expect(failureOf(calls.training)).resolves.toMatchObject({ outcome: 'UNKNOWN' });
    await expect(calls.train()).resolves.toMatchObject({ ref: 'm-1' });
    await expect(calls.training()).resolves.toMatchObject({ state: 'DONE' });
    const [first, second, paid] = calls.upstream.requests.map(({ connection }) => connection);
    expect(second).toBe(first);
    expect(paid).not.toBe(first);
    expect(calls.upstream.requests).toHaveLength(4);
  });

  it('end at the deadline although the abort signal was garbage-collected', async () => {
    calls.upstream.next(dripped(200, { status: 'DONE', filler: 'x'.repeat(1_000) }, 10));
    const collect = collector();
    const failing = failureOf(calls.training);
    const timer = setInterval(collect, 20);
    await expect(failing).resolves.toMatchObject({ outcome: 'UNKNOWN' });
    clearInterval(timer);
  });

  it('end when the caller aborts', async () => {
    const gone = new AbortController();
    calls.upstream.next(() => {
      gone.abort();
    });
    await expect(failureOf(() => calls.provider.training('m-1', gone.signal))).resolves.toMatchObject({
      outcome: 'UNKNOWN',
    });
  });

  it('leaves no connection behind after failures', async () => {
    const before = calls.upstream.openCount;
    calls.upstream.next(silence(), endless());
    await failureOf(calls.training);
    await failureOf(calls.train);
    while (calls.upstream.openCount > before) await turn();
    expect(calls.upstream.openCount).toBeLessThanOrEqual(before);
  });
});

describe('picsart provider', () => {
  it('trusts the host of its base URL alone', async () => {
    expect(calls.provider.trustsHost('127.0.0.1')).toBe(true);
    expect(calls.provider.trustsHost('127.0.0.2')).toBe(false);
    const other = providerAt('http://[::1]:9');
    expect(other.trustsHost('::1')).toBe(true);
    expect(other.trustsHost('[::1]')).toBe(true);
    const named = providerAt('https://Avatars.Example');
    expect(named.trustsHost('avatars.EXAMPLE')).toBe(true);
    expect(named.trustsHost('evil-avatars.example')).toBe(false);
    await Promise.all([other.stop(), named.stop()]);
  });

  it('finds the id of a download in its headers, without what cannot be printed, and bounded', () => {
    const idOf = (id: string): string | null =>
      calls.provider.correlationIdOf({ 'x-picsart-correlation-id': id, vary: ['a', 'b'] as never });
    expect(idOf('c-78')).toBe('c-78');
    expect(idOf('c\u0000 \u00fc-79\n')).toBe('c-79');
    expect(idOf('x'.repeat(5_000))).toHaveLength(200);
    expect(calls.provider.correlationIdOf({ vary: 'accept' })).toBeNull();
  });

  it('derives the account id from key and host, without revealing the key', () => {
    expect(providerAt(`${calls.upstream.url}/v1`).account).toBe(calls.provider.account);
    expect(providerAt('https://other.example').account).not.toBe(calls.provider.account);
    expect(calls.provider.account).not.toContain(apiKey);
  });

  it('has the documented limits of Picsart', () => {
    expect(calls.provider.facts).toMatchObject({
      types: ['MAN', 'WOMAN', 'COUPLE', 'DOG', 'CAT'],
      minPhotos: 5,
      maxPhotos: 30,
      trainingPoll: { firstMs: 300_000, nextMs: 120_000 },
      generationPoll: { firstMs: 20_000, nextMs: 10_000 },
      resultTtlMs: 172_800_000,
      photoFetchMs: 1_800_000,
      requestsPerMinute: 500,
      instant: true,
    });
    expect(calls.provider.facts.styles.map(({ id }) => id)).toEqual(['realistic']);
  });
});

/** The garbage collector, exposed by a flag that can be set at run time. */
function collector(): () => void {
  v8.setFlagsFromString('--expose-gc');
  return vm.runInNewContext('gc') as () => void;
}

/** Gives the pool time to notice that its connection is free. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
