import { answer, truncated } from '../support/fake-upstream';
import { apiKey, PicsartCalls } from '../support/picsart-calls';

let calls: PicsartCalls;

beforeAll(async () => {
  calls = await PicsartCalls.start();
});

afterAll(async () => {
  await calls.stop();
});

describe('picsart submissions delayed', () => {
  it.each<[string, number, Record<string, string>, number]>([
    ['a 429 with the reset time', 429, { 'X-Picsart-Ratelimit-Reset-Time': '7' }, 7_000],
    ['a 429 with Retry-After', 429, { 'Retry-After': '3' }, 3_000],
    ['the longer of both', 429, { 'Retry-After': '3', 'X-Picsart-Ratelimit-Reset-Time': '9' }, 9_000],
    ['a 429 without a time: a minute', 429, {}, 60_000],
    ['a 429 with nonsense: a minute', 429, { 'Retry-After': 'soon' }, 60_000],
    ['a 429 with centuries: a day', 429, { 'Retry-After': '99999999999' }, 86_400_000],
    ['a 503 with Retry-After', 503, { 'Retry-After': '120' }, 120_000],
  ])('waits after %s', async (_, status, headers, retryAfterMs) => {
    const error = await calls.refusalBy(answer(status, { message: 'slow down' }, headers));
    expect(error).toMatchObject({ outcome: 'LATER', status, retryAfterMs });
  });

  it('reads dates in Retry-After and as a reset time', async () => {
    const soon = Math.ceil(Date.now() / 1000) + 30;
    const errors = [
      await calls.refusalBy(answer(503, '', { 'Retry-After': new Date(soon * 1000).toUTCString() })),
      await calls.refusalBy(answer(429, '', { 'X-Picsart-Ratelimit-Reset-Time': soon })),
    ];
    for (const { outcome, retryAfterMs } of errors) {
      expect(outcome).toBe('LATER');
      expect(retryAfterMs).toBeGreaterThan(25_000);
      expect(retryAfterMs).toBeLessThanOrEqual(31_000);
    }
  });

  it('reads the older form of the limit', async () => {
    const fault = {
      faultstring: 'Rate limit quota violation',
      detail: { errorcode: 'policies.ratelimit.QuotaViolation' },
    };
    await expect(calls.refusalBy(answer(429, { fault }))).resolves.toMatchObject({
      outcome: 'LATER',
      retryAfterMs: 60_000,
    });
  });
});

describe('picsart submissions refused', () => {
  it.each<[number, object | string, string, string]>([
    [400, { code: 400, message: 'Bad', detail: 'type is unknown' }, 'UPSTREAM_REJECTED', 'type is unknown'],
    [401, { detail: 'Invalid key' }, 'UPSTREAM_AUTH', 'Invalid key'],
    [402, { message: 'Payment Required' }, 'UPSTREAM_CREDITS', 'Payment Required'],
    [403, {}, 'FORBIDDEN', '403'],
    [403, { detail: 'The prompt violates our policy' }, 'FORBIDDEN', 'policy'],
    [403, { detail: 'Your subscription has ended' }, 'UPSTREAM_AUTH', 'subscription'],
    [403, { detail: 'Not enough credits' }, 'UPSTREAM_CREDITS', 'credits'],
    [404, { detail: 'no such model' }, 'NOT_FOUND', 'no such model'],
    [405, '', 'UPSTREAM_REJECTED', '405'],
    [406, '', 'UPSTREAM_REJECTED', '406'],
    [409, { error: { message: 'conflict' } }, 'UPSTREAM_REJECTED', 'conflict'],
    [413, '<html>too large</html>', 'UPSTREAM_REJECTED', '413'],
    [415, '', 'UPSTREAM_REJECTED', '415'],
    [422, { detail: 'Too few images: 4' }, 'UPSTREAM_REJECTED', 'Too few images: 4'],
    [422, { detail: [{ loc: ['type'], msg: 'not a type' }] }, 'UPSTREAM_REJECTED', 'not a type'],
    [422, { detail: 'Failed to download image: 404' }, 'PHOTO_UNREACHABLE', 'Failed to download image'],
    [422, { detail: 'Image URL is not accessible' }, 'PHOTO_UNREACHABLE', 'not accessible'],
    [422, { detail: 'url https://p.example/1?signature=a gave 429' }, 'PHOTO_UNREACHABLE', 'gave 429'],
    [422, { detail: 'url /1?expires=2&signature=a gave 429' }, 'PHOTO_UNREACHABLE', 'gave 429'],
    [431, '', 'UPSTREAM_REJECTED', '431'],
  ])('maps a %i: %j', async (status, body, refusal, says) => {
    const error = await calls.refusalBy(answer(status, body));
    expect(error).toMatchObject({ outcome: 'REFUSED', status, refusal });
    expect(error.message).toContain(says);
    expect(error.message).not.toContain('signature');
  });

  it('treats a refusal with a truncated body as a refusal', async () => {
    const error = await calls.refusalBy(truncated(422, { detail: 'whatever it was, it was refused' }));
    expect(error).toMatchObject({ outcome: 'REFUSED', status: 422 });
  });

  it.each([
    ['as it is', 'https://me.example/upstream/photos/1.jpg?expires=1&signature=secret'],
    ['with escaped slashes', 'https:\\/\\/me.example\\/upstream\\/photos\\/1.jpg?expires=1&signature=secret'],
  ])('never includes the signed address of a photo that the upstream quotes, %s', async (_, url) => {
    const error = await calls.refusalBy(answer(500, `{"detail": "unknown", "input": ["${url}"]}`));
    expect(error.evidence).toContain('"input": ["[address]"]');
    expect(error.message).not.toContain('secret');
  });

  it('never includes the key, even if the upstream quotes it', async () => {
    const error = await calls.refusalBy(answer(401, { detail: `The key ${apiKey} is not valid` }));
    expect(error.message).toContain('is not valid');
    expect(`${error.message} ${error.evidence}`).not.toContain(apiKey);
  });
});
