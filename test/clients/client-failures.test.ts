import { once } from 'node:events';
import { openAsBlob } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket, WebSocketServer } from 'ws';
import {
  createClient,
  PhotoUnreadableError,
  type ClientOptions,
  type LikenessClient,
} from '../../src/client/index.ts';
import { failureOf } from '../support/client-module';

interface Message {
  id: string;
  type: string;
}

/** What the server does with a subscription. */
let onSubscribe: (socket: WebSocket, message: Message) => void;
let server: WebSocketServer;
let client: LikenessClient;

beforeEach(async () => {
  server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  server.on('connection', (socket) => {
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as Message;
      if (message.type === 'connection_init') socket.send('{"type":"connection_ack"}');
      if (message.type === 'subscribe') onSubscribe(socket, message);
    });
  });
});
afterEach(async () => {
  await client.close();
  for (const socket of server.clients) socket.terminate();
  await new Promise((resolve) => server.close(resolve));
});

const connect = (options: Partial<ClientOptions> = {}): LikenessClient => {
  const { port } = server.address() as AddressInfo;
  return (client = createClient({ url: `http://127.0.0.1:${port}`, webSocketImpl: WebSocket, ...options }));
};

const sendEvent = (socket: WebSocket, { id }: Message): void =>
  socket.send(JSON.stringify({ id, type: 'next', payload: { data: { activity: { cursor: '1' } } } }));

describe('the socket of likeness/client', () => {
  it('is lost when the server closes it normally, so that connecting again is delayed', async () => {
    onSubscribe = (socket) => socket.close(1000);
    const events = connect().watch({ activity: {} }, { retryForMs: 0 });
    expect(await failureOf(events.next())).toMatchObject({ code: 'CONNECTION_FAILED' });
  });

  it('is opened again at once for a subscription that begins while the unused one is closed', async () => {
    onSubscribe = sendEvent;
    let onClose = (): void => undefined;
    const closing = new Promise<void>((resolve) => (onClose = resolve));
    const webSocketImpl = class extends WebSocket {
      override close(...reason: [number?, string?]): void {
        super.close(...reason);
        onClose();
      }
    };
    const onConnectionChange = jest.fn();
    connect({ webSocketImpl, onConnectionChange });
    const first = client.watch({ activity: {} });
    await first.next();
    await first.return!();
    await closing;
    expect(await client.watch({ activity: {} }).next()).toMatchObject({ value: { cursor: '1' } });
    expect(onConnectionChange).not.toHaveBeenCalled();
  });
});

describe('an iteration of likeness/client', () => {
  it('leaves nothing at its signal if it is left before it begins', async () => {
    const { signal } = new AbortController();
    const added = jest.spyOn(signal, 'addEventListener');
    const removed = jest.spyOn(signal, 'removeEventListener');
    await connect().watch({ activity: {} }, { signal }).return!();
    expect(removed.mock.calls.map(([, listener]) => listener)).toEqual(
      added.mock.calls.map(([, listener]) => listener),
    );
  });
});

describe('a call of likeness/client', () => {
  it('is repeated when the rate limit is exceeded, without a report that the server is away', async () => {
    const limited = { message: 'Too many.', extensions: { code: 'RATE_LIMITED', retryAfterSeconds: 0 } };
    const answers = [{ errors: [limited] }, { data: { viewer: { owner: 'anna' } } }];
    const onConnectionChange = jest.fn();
    connect({ onConnectionChange, retryDelayMs: () => 0, fetch: async () => Response.json(answers.shift()) });
    expect(await client.query('{ viewer { owner } }')).toEqual({ viewer: { owner: 'anna' } });
    expect(onConnectionChange).not.toHaveBeenCalled();
  });

  it('reports that the server is back when it answers with an error', async () => {
    const answers = [null, { errors: [{ message: 'None.', extensions: { code: 'NOT_FOUND' } }] }];
    const changes: unknown[] = [];
    connect({
      onConnectionChange: (error) => changes.push(error?.code ?? null),
      retryDelayMs: () => 0,
      fetch: async () => {
        const answer = answers.shift();
        if (answer === null) throw new TypeError('fetch failed');
        return Response.json(answer);
      },
    });
    expect(await failureOf(client.query('{ viewer { owner } }'))).toMatchObject({ code: 'NOT_FOUND' });
    expect(changes).toEqual(['CONNECTION_FAILED', null]);
  });
});

describe('an upload of likeness/client', () => {
  it('counts a photo that is refused before it is sent as sent', async () => {
    const problems = [{ code: 'PHOTO_TOO_LARGE', message: 'It is too large.' }];
    const upload = { photo: { id: 'photo_1' }, uploadUrl: 'http://127.0.0.1/1', headers: [], problems };
    connect({ fetch: async () => Response.json({ data: { payload: { uploads: [upload] } } }) });
    const progress: unknown[] = [];
    const file = new File(['a picture'], 'a.jpg', { type: 'image/jpeg' });
    const [result] = await client.upload([file], { onProgress: (step) => progress.push(step) });
    expect(result!.error).toMatchObject({ code: 'PHOTO_TOO_LARGE' });
    expect(progress).toMatchObject([{ index: 0, totalSentBytes: 9, totalByteSize: 9 }]);
  });

  it('says that a photo is to be uploaded again if a bucket refuses the URL', async () => {
    const uploadUrl = 'http://127.0.0.1/uploads/1?X-Amz-Signature=1';
    const upload = { photo: { id: 'photo_1' }, uploadUrl, headers: [], problems: [] };
    const answer = Response.json({ data: { payload: { uploads: [upload] } } });
    connect({
      fetch: async (_, { method } = {}) => (method === 'PUT' ? new Response('', { status: 403 }) : answer),
    });
    const [result] = await client.upload([new File(['a picture'], 'a.jpg', { type: 'image/jpeg' })]);
    expect(result!.error).toMatchObject({
      code: 'UPLOAD_URL_EXPIRED',
      message: expect.stringContaining('Upload the photo again.'),
    });
  });

  it('reports a file that was deleted since it was chosen, and does not repeat it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'likeness-'));
    const path = join(folder, 'a.jpg');
    await writeFile(path, 'a picture');
    const file = Object.assign(await openAsBlob(path, { type: 'image/jpeg' }), { name: 'a.jpg' });
    const upload = { photo: { id: 'photo_1' }, uploadUrl: 'http://127.0.0.1/1', headers: [], problems: [] };
    const onConnectionChange = jest.fn();
    connect({
      onConnectionChange,
      retryForMs: 0,
      fetch: async (_, init) => {
        await rm(folder, { recursive: true, force: true });
        if (init!.method === 'POST') return Response.json({ data: { payload: { uploads: [upload] } } });
        return new Response(await new Response(init!.body).text());
      },
    });
    const [result] = await client.upload([file]);
    expect(result!.error).toBeInstanceOf(PhotoUnreadableError);
    expect(onConnectionChange).not.toHaveBeenCalled();
  });
});
