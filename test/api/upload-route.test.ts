import { DomainError } from '../../src/core/errors';
import { uploadRoute, type ReceiveUpload, type Upload } from '../../src/http/files/upload-route';
import { RawConnection, send } from '../support/raw-client';
import { startTinyGateway, type TinyGateway } from '../support/tiny-gateway';
import { until } from '../support/until';

const maxBytes = 1_000_000;

/** Accepts up to 1 MB, and rejects what it is configured to reject. */
async function receive(upload: Upload): ReturnType<ReceiveUpload> {
  refuseUnread(upload);
  let size = 0;
  for await (const chunk of upload.bytes) {
    size += chunk.length;
    if (size > maxBytes) throw new DomainError('PHOTO_TOO_LARGE', 'Too large.');
  }
  if (upload.contentType === 'image/gif') throw new DomainError('PHOTO_TYPE_UNSUPPORTED', 'JPEG or PNG.');
  return { status: upload.photoId === 'again' ? 200 : 201, photo: { id: upload.photoId, byteSize: size } };
}

function refuseUnread({ query, byteSize }: Upload): void {
  if (query.get('signature') !== 'right')
    throw new DomainError('INVALID_SIGNATURE', 'The address was changed.');
  if (query.has('late')) throw new DomainError('UPLOAD_URL_EXPIRED', 'Ask for a new address.');
  if ((byteSize ?? 0) > maxBytes)
    throw new DomainError('PHOTO_TOO_LARGE', 'Too large.', { details: { maxBytes } });
}

describe('the upload route', () => {
  let gateway: TinyGateway;
  beforeAll(async () => {
    gateway = await startTinyGateway({ routes: [uploadRoute(receive)] });
  });
  afterAll(() => gateway.stop());

  const put = (path: string, body: Buffer | string, headers = {}): ReturnType<typeof send> =>
    send(`${gateway.url}/uploads/${path}`, { method: 'PUT', headers }, body);

  it('passes the bytes on and responds with the photo', async () => {
    const { status, text } = await put('one?signature=right', Buffer.alloc(700_000));
    expect(status).toBe(201);
    expect(JSON.parse(text)).toEqual({ id: 'one', byteSize: 700_000 });
    expect((await put('again?signature=right', 'x')).status).toBe(200);
    expect(JSON.parse((await put('two?signature=right', '')).text)).toEqual({ id: 'two', byteSize: 0 });
  });

  it.each([
    ['a wrong signature', 'one?signature=wrong', {}, 403, 'INVALID_SIGNATURE'],
    ['an address whose time is over', 'one?signature=right&late', {}, 410, 'UPLOAD_URL_EXPIRED'],
    ['another type', 'one?signature=right', { 'content-type': 'image/gif' }, 415, 'PHOTO_TYPE_UNSUPPORTED'],
  ])('rejects %s with a JSON error', async (_what, path, headers, status, code) => {
    const answer = await put(path, Buffer.alloc(200_000), headers);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toMatchObject({ code });
    expect(JSON.stringify(gateway.log)).not.toContain('signature=');
  });

  it.each([
    ['announced', {}],
    ['announced, on a connection that is not kept', { connection: 'close' }],
    ['unannounced', { 'transfer-encoding': 'chunked' }],
  ])(
    'responds to an upload of 60 MB, %s, before its end, and the client receives the reason',
    async (_what, headers) => {
      const { status, text } = await put('one?signature=right', Buffer.alloc(60_000_000), headers);
      expect(status).toBe(413);
      expect(JSON.parse(text)).toMatchObject({ code: 'PHOTO_TOO_LARGE' });
    },
  );

  it('returns the reason to a fetch that sends 60 MB', async () => {
    const response = await fetch(`${gateway.url}/uploads/one?signature=right`, {
      method: 'PUT',
      body: Buffer.alloc(60_000_000),
    });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ code: 'PHOTO_TOO_LARGE', maxBytes });
  });

  it('rejects a client that sends Expect: 100-continue before the body', async () => {
    const connection = await RawConnection.open(gateway.port);
    const head = (length: number): string =>
      `PUT /uploads/one?signature=right HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\n\r\n`;
    connection.socket.write(head(5));
    await until(() => connection.text.includes('100 Continue'));
    connection.socket.write('hello');
    await until(() => connection.text.includes('201 Created'));
    connection.text = '';
    connection.socket.write(head(60_000_000));
    await until(() => connection.text.includes('PHOTO_TOO_LARGE'));
    expect(connection.text).not.toContain('100 Continue');
    connection.socket.destroy();
  });

  it('continues when a client disconnects during an upload', async () => {
    const connection = await RawConnection.open(gateway.port);
    connection.socket.write(
      'PUT /uploads/one?signature=right HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500000\r\n\r\nsome',
    );
    connection.socket.end();
    connection.socket.destroy();
    await until(() => gateway.log.some(({ aborted, path }) => aborted === true && path === '/uploads/one'));
    expect((await put('one?signature=right', 'x')).status).toBe(201);
    expect(gateway.log.filter(({ level }) => level === 50)).toEqual([]);
  });
});
