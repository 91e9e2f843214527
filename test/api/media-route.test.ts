import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { notFound } from '../../src/core/errors';
import { mediaRoute, type FindMedia } from '../../src/http/files/media-route';
import { partOf, type OpenObject, type RangeRequest } from '../../src/storage/media-store';
import { RawConnection, send } from '../support/raw-client';
import { startTinyGateway, type TinyGateway } from '../support/tiny-gateway';
import { until } from '../support/until';

const picture = Buffer.from(Array.from({ length: 1_000 }, (_, index) => index % 251));
const etag = `"${createHash('sha256').update(picture).digest('hex')}"`;

describe('the media route', () => {
  let gateway: TinyGateway;
  let opened: Readable[] = [];

  const find: FindMedia = async ({ params, query }) => {
    if (query.get('signature') !== 'right') throw notFound('picture');
    const isEndless = params.id === 'endless';
    const byteSize = isEndless ? 10_000_000_000 : picture.length;
    const open = async (range?: RangeRequest): Promise<OpenObject> => {
      const part = partOf(byteSize, range);
      const stream = isEndless
        ? new Readable({ read: () => stream.push(Buffer.alloc(65_536)) })
        : Readable.from(part ? [picture.subarray(part.start, part.end + 1)] : []);
      opened.push(stream);
      return { byteSize, part, stream };
    };
    return {
      contentType: 'image/png',
      etag,
      cacheControl: 'private, max-age=3600, immutable',
      fileName: `${params.id}-${params.variant}"\r\n.png`,
      open,
      ...(params.id === 'elsewhere' && {
        link: ({ contentDisposition }) =>
          Promise.resolve(
            params.variant === 'only-here'
              ? null
              : { url: `https://cdn.example/?${contentDisposition.split(';')[0]}`, validMs: 300_000 },
          ),
      }),
    };
  };
  beforeAll(async () => {
    gateway = await startTinyGateway({ routes: [mediaRoute('/media/avatars/:id/:variant', find)] });
  });
  beforeEach(() => (opened = []));
  afterEach(() => {
    // Each request opens at most one file, and closes it.
    expect(opened.map(({ destroyed }) => destroyed)).toEqual(opened.map(() => true));
  });
  afterAll(() => gateway.stop(100));

  const get = (headers = {}, method = 'GET'): ReturnType<typeof send> =>
    send(`${gateway.url}/media/avatars/a1/original?signature=right`, { method, headers: { ...headers } });

  it('sends readers of a whole or a part to another place, which is not opened', async () => {
    const at = (variant: string, headers = {}, method = 'GET'): ReturnType<typeof send> =>
      send(`${gateway.url}/media/avatars/elsewhere/${variant}?signature=right`, { method, headers });
    for (const headers of [{}, { range: 'bytes=0-9' }]) {
      const answer = await at('original', headers);
      expect([answer.status, answer.headers.location]).toEqual([302, 'https://cdn.example/?inline']);
      expect(answer.headers['cache-control']).toBe('private, max-age=240');
    }
    expect(opened).toEqual([]);
    expect((await at('original', { 'if-none-match': etag })).status).toBe(304);
    expect((await at('original', {}, 'HEAD')).status).toBe(200);
    expect((await at('only-here')).status).toBe(200);
  });

  it('serves a picture with headers for privacy and safety', async () => {
    const response = await fetch(`${gateway.url}/media/avatars/a1/original?signature=right`);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(picture);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'image/png',
      'content-length': '1000',
      etag,
      'accept-ranges': 'bytes',
      'cache-control': 'private, max-age=3600, immutable',
      'content-security-policy': "sandbox; default-src 'none'",
      'content-disposition': 'inline; filename="a1-original___.png"',
      'cross-origin-resource-policy': 'cross-origin',
      'x-content-type-options': 'nosniff',
    });
  });

  it.each([
    ['bytes=0-9', 206, 'bytes 0-9/1000', 10],
    ['bytes=990-', 206, 'bytes 990-999/1000', 10],
    ['bytes=-5', 206, 'bytes 995-999/1000', 5],
    ['bytes=-5000', 206, 'bytes 0-999/1000', 1000],
    ['bytes=900-5000', 206, 'bytes 900-999/1000', 100],
    ['bytes=0-0', 206, 'bytes 0-0/1000', 1],
    ['bytes=1000-', 416, 'bytes */1000', null],
    ['bytes=-0', 416, 'bytes */1000', null],
    ['bytes=9-5', 200, undefined, 1000],
    ['bytes=0-1,5-6', 200, undefined, 1000],
    ['bytes=-', 200, undefined, 1000],
    ['lines=0-9', 200, undefined, 1000],
  ])('answers the range %s', async (range, status, contentRange, length) => {
    const response = await fetch(`${gateway.url}/media/avatars/a1/original?signature=right`, {
      headers: { range },
    });
    expect([response.status, opened.length]).toEqual([status, 1]);
    expect(response.headers.get('content-range') ?? undefined).toBe(contentRange);
    const bytes = Buffer.from(await response.arrayBuffer());
    const start = Number(/^bytes (\d+)/.exec(contentRange ?? '')?.[1] ?? 0);
    const expected = length === null ? bytes : picture.subarray(start, start + length);
    expect(bytes).toEqual(expected);
  });

  it('returns the whole file if the client has a part of another version', async () => {
    expect((await get({ range: 'bytes=0-9', 'if-range': etag })).status).toBe(206);
    expect((await get({ range: 'bytes=0-9', 'if-range': '"another"' })).status).toBe(200);
  });

  it.each([etag, `W/${etag}`, `"another", ${etag}`, '*'])(
    'answers 304 to a client that has the file: %s',
    async (known) => {
      const { status, text, headers } = await get({ 'if-none-match': known });
      expect({ status, text, opened: opened.length }).toEqual({ status: 304, text: '', opened: 1 });
      expect(headers.etag).toBe(etag);
    },
  );

  it('returns the file to a client with another version', async () => {
    expect((await get({ 'if-none-match': '"another"' })).status).toBe(200);
  });

  it('answers HEAD with headers only', async () => {
    const { status, text, headers } = await get({}, 'HEAD');
    expect({ status, text, opened: opened.length }).toEqual({ status: 200, text: '', opened: 1 });
    expect(headers).toMatchObject({ 'content-length': '1000', 'content-type': 'image/png' });
  });

  it('answers missing or unsigned files with JSON errors', async () => {
    const { status, text } = await send(`${gateway.url}/media/avatars/a1/original?signature=wrong`);
    expect(status).toBe(404);
    expect(JSON.parse(text)).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('stops reading when the client leaves', async () => {
    const connection = await RawConnection.open(gateway.port);
    connection.socket.write(
      'GET /media/avatars/endless/original?signature=right HTTP/1.1\r\nHost: localhost\r\n\r\n',
    );
    await until(() => connection.text.length > 100_000);
    connection.socket.destroy();
    await until(() => opened.every((stream) => stream.destroyed));
    expect(opened).toHaveLength(1);
    expect(gateway.log.filter(({ level }) => level === 50)).toEqual([]);
  });
});
