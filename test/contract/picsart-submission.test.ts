import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { UpstreamError } from '../../src/upstream/provider';
import {
  answer,
  dripped,
  endless,
  FakeUpstream,
  gzipped,
  raw,
  reset,
  silence,
  truncated,
  type Script,
} from '../support/fake-upstream';
import { failureOf, PicsartCalls, providerAt, timeoutMs } from '../support/picsart-calls';

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

describe('picsart submissions accepted', () => {
  it.each([
    ['202 with the id', answer(202, { model_id: 'm-1', status: 'ACCEPTED' })],
    ['201', answer(201, { model_id: 'm-1' })],
    ['200', answer(200, { model_id: 'm-1' })],
    ['status success with an id and no data', answer(202, { status: 'success', model_id: 'm-1' })],
    ['the id below data', answer(202, { data: { model_id: 'm-1' } })],
    ['a compressed answer', gzipped(202, '{"model_id":"m-1"}')],
    [
      'chunks',
      raw('HTTP/1.1 202 A\r\ntransfer-encoding: chunked\r\n\r\n12\r\n{"model_id":"m-1"}\r\n0\r\n\r\n'),
    ],
    [
      'an interim 103',
      raw('HTTP/1.1 103 E\r\n\r\nHTTP/1.1 202 A\r\ncontent-length: 18\r\n\r\n{"model_id":"m-1"}'),
    ],
  ])('accepts %s', async (_, script) => {
    calls.upstream.next(script);
    await expect(calls.train()).resolves.toMatchObject({ ref: 'm-1' });
  });

  it('returns the status, credits, rate limit and correlation id, also with errors', async () => {
    const headers = {
      'X-Picsart-Correlation-Id': 'c-77',
      'X-Picsart-Ratelimit-Limit': 500,
      'X-Picsart-Ratelimit-Available': 499,
      'X-Picsart-Ratelimit-Reset-Time': 60,
      'X-Picsart-Credit-Available': 1234,
    };
    const notice = {
      correlationId: 'c-77',
      rateLimit: { limit: 500, available: 499, resetSeconds: 60 },
      creditsAvailable: 1234,
    };
    calls.upstream.next(answer(202, { model_id: 'm-1' }, headers));
    await expect(calls.train()).resolves.toEqual({ ref: 'm-1', notice: { ...notice, httpStatus: 202 } });
    await expect(calls.trainingBy(answer(200, { status: 'ACCEPTED' }, headers))).resolves.toMatchObject({
      notice,
    });
    await expect(calls.refusalBy(answer(402, {}, headers))).resolves.toMatchObject({ notice });
  });

  it('omits missing and non-numeric values', async () => {
    calls.upstream.next(answer(202, { model_id: 'm-1' }, { 'X-Picsart-Credit-Available': 'plenty' }));
    const { notice } = await calls.train();
    expect(notice).toEqual({
      ...{ httpStatus: 202, correlationId: undefined, rateLimit: undefined, creditsAvailable: undefined },
    });
  });
});

describe('picsart submissions whose outcome is unknown', () => {
  it.each<[string, Script, string?]>([
    ['500', answer(500, { detail: 'boom' }), 'boom'],
    ['501', answer(501)],
    [
      '502 with a page',
      answer(502, '<html>Bad gateway</html>', { 'content-type': 'text/html' }),
      'Bad gateway',
    ],
    ['503 without a time', answer(503, { detail: 'down' }), 'down'],
    ['504', answer(504)],
    ['408', answer(408)],
    ['a redirect', answer(307, '', { location: 'http://127.0.0.1:1/inside' })],
    ['a redirect for good', answer(301, '', { location: '/elsewhere' })],
    ['a page instead of JSON', answer(200, '<html>Hello</html>'), 'Hello'],
    ['malformed JSON', answer(202, '{"model_id": "m-1"'), 'm-1'],
    ['a JSON list', answer(202, [{ model_id: 'm-1' }]), 'm-1'],
    ['JSON null', answer(202, 'null')],
    ['nothing', answer(202)],
    ['204', raw('HTTP/1.1 204 None\r\n\r\n')],
    ['half an answer', truncated(202, { model_id: 'm-1', status: 'ACCEPTED' }), 'model_id'],
    ['no id', answer(202, { status: 'ACCEPTED' }), 'ACCEPTED'],
    ['another envelope', answer(202, { result: { id: 'm-1' } }), 'm-1'],
    ['an id that is a number', answer(202, { model_id: 17 }), '17'],
    ['an id that is null', answer(202, { model_id: null })],
    ['an empty id', answer(202, { model_id: '' })],
    ['an id of 201 characters', answer(202, { model_id: 'x'.repeat(201) }), 'xxx'],
    ['an id with a control character', answer(202, { model_id: 'm\u0000 1' })],
    ['an id that is not a path segment', answer(202, { model_id: '..' })],
    ['more than 1 MB', endless(), 'HTTP 200'],
    ['a gzip bomb', gzipped(202, ' '.repeat(50_000_000)), 'too-large'],
    ['a broken gzip', answer(202, 'no gzip', { 'content-encoding': 'gzip' }), 'encoding'],
    ['an unknown encoding', answer(202, '{"model_id":"m-1"}', { 'content-encoding': 'zzz' }), 'encoding'],
    ['an unknown status', answer(777)],
    ['a byte now and then', dripped(202, { model_id: 'm-1', filler: 'x'.repeat(1_000) }, 20), 'timeout'],
  ])('treats %s as unknown, with the response as evidence', async (_, script, evidence = 'HTTP ') => {
    const error = await calls.refusalBy(script);
    expect(error.outcome).toBe('UNKNOWN');
    expect(error.evidence).toContain(evidence);
    expect(error.evidence).not.toContain('\0');
    expect(Buffer.byteLength(error.evidence!)).toBeLessThanOrEqual(8_192);
    expect(calls.upstream.requests).toHaveLength(1);
  });

  it.each<[string, Script]>([
    ['a reset after the request was written', reset()],
    ['the end of the connection without an answer', raw('')],
    ['something that is not HTTP', raw('hello\r\n\r\n')],
    ['half a status line', raw('HTTP/1.1 20')],
    ['headers without end', raw(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(40_000)}`)],
    ['silence', silence()],
  ])('treats %s as unknown and does not send it again', async (_, script) => {
    calls.upstream.next(script, answer(202, { model_id: 'm-2' }));
    const error = await failureOf(calls.train);
    expect(error).toMatchObject({ outcome: 'UNKNOWN', evidence: undefined });
    expect(calls.upstream.requests).toHaveLength(1);
  });

  it('truncates evidence to 8 kB', async () => {
    const { evidence } = await calls.refusalBy(answer(500, 'é'.repeat(300_000)));
    expect(Buffer.byteLength(evidence!)).toBeGreaterThan(7_900);
    expect(Buffer.byteLength(evidence!)).toBeLessThanOrEqual(8_192);
  });

  it('ends within the total deadline, even against a body that never pauses', async () => {
    for (const script of [silence(), dripped(202, { filler: 'x'.repeat(1_000) }, 10)]) {
      const startedMs = Date.now();
      await calls.refusalBy(script);
      expect(Date.now() - startedMs).toBeGreaterThanOrEqual(timeoutMs - 5);
      expect(Date.now() - startedMs).toBeLessThan(timeoutMs + 700);
    }
  });

  it('distinguishes calls aborted before and after they were written', async () => {
    const gone = new AbortController();
    calls.upstream.next(() => {
      gone.abort();
    });
    const train = () => calls.provider.train({ type: 'DOG', photoUrls: [] }, gone.signal);
    await expect(failureOf(train)).resolves.toMatchObject({ outcome: 'UNKNOWN' });
    await expect(failureOf(train)).resolves.toMatchObject({ outcome: 'NOT_SENT' });
    expect(calls.upstream.requests).toHaveLength(1);
  });

  it('treats generations and instant avatars alike, with their own id field', async () => {
    calls.upstream.next(answer(202, { model_id: 'm-1' }), answer(500), reset());
    await expect(failureOf(calls.generate)).resolves.toMatchObject({ outcome: 'UNKNOWN', status: 202 });
    await expect(failureOf(calls.instant)).resolves.toMatchObject({ outcome: 'UNKNOWN', status: 500 });
    await expect(failureOf(calls.instant)).resolves.toMatchObject({ outcome: 'UNKNOWN', status: undefined });
  });
});

describe('picsart submissions surely not sent', () => {
  async function failureAt(baseUrl: string): Promise<UpstreamError> {
    const other = providerAt(baseUrl);
    const error = await failureOf(() =>
      other.train({ type: 'CAT', photoUrls: [] }, new AbortController().signal),
    );
    await other.stop();
    return error;
  }

  it('detects a refused connection', async () => {
    const gone = await FakeUpstream.start();
    const { url } = gone;
    await gone.stop();
    await expect(failureAt(url)).resolves.toMatchObject({ outcome: 'NOT_SENT' });
  });

  it('detects an unknown host name, and does not repeat it', async () => {
    const error = await failureAt('http://nowhere.invalid');
    expect(error.outcome).toBe('NOT_SENT');
    expect(error.message).not.toContain('nowhere');
  });

  it('detects a failed TLS handshake', async () => {
    const error = await failureAt(calls.upstream.url.replace('http:', 'https:'));
    expect(error.outcome).toBe('NOT_SENT');
    expect(calls.upstream.requests).toHaveLength(0);
  });

  it('detects a TLS handshake without response', async () => {
    const sockets: Socket[] = [];
    const mute = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    await new Promise((resolve) => mute.once('listening', resolve));
    const error = await failureAt(`https://127.0.0.1:${(mute.address() as AddressInfo).port}`);
    expect(error.outcome).toBe('NOT_SENT');
    for (const socket of sockets) socket.destroy();
    mute.close();
  });
});
