import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { download, DownloadError, type DownloadOptions } from '../../src/upstream/download';
import { Downloads, type ResultAnswer } from '../../src/upstream/downloads';
import { createGuard, maxUrlLength } from '../../src/upstream/guard';
import { listening, stopped } from '../support/servers';
import { startFileHost, type FileHost } from './file-host';

/** The content of a file, and its content type. */
async function fetched(
  url: string,
  options: DownloadOptions,
): Promise<{ contentType?: string; text: string }> {
  const { contentType, bytes } = await download(url, options);
  return { contentType, text: await textOf(bytes) };
}

async function textOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks).toString('latin1');
}

/** The error of a download. */
async function failure(work: Promise<unknown>): Promise<DownloadError> {
  const error = await work.then(
    () => null,
    (failed: unknown) => failed,
  );
  if (error instanceof DownloadError) return error;
  throw new Error('It did not fail as a download does.', { cause: error });
}

const notFetched = 'The photo could not be fetched from its URL.';

describe('a download', () => {
  let files: FileHost;
  let secret: Server;
  let secretPort: number;
  let secretVisits = 0;
  let options: DownloadOptions;

  beforeAll(async () => {
    files = await startFileHost();
    secret = createHttpServer((_, response) => response.end('secret')).on(
      'connection',
      () => (secretVisits += 1),
    );
    secretPort = await listening(secret);
    options = { guard: createGuard({ allow: [files.host] }), maxBytes: 4000, timeoutMs: 5000 };
  });

  afterAll(async () => {
    await files.stop();
    await stopped(secret);
  });

  const at = (path: string): string => `http://${files.host}${path}`;

  it('returns the file and its content type', async () => {
    expect(await fetched(at('/photo.jpg'), options)).toEqual({ contentType: 'image/jpeg', text: 'a photo' });
    await files.untilAlone();
  });

  it('accepts a URL as long as signed URLs are', async () => {
    const url = `${at('/photo.jpg')}?signature=`.padEnd(maxUrlLength, 'x');
    expect(await fetched(url, options)).toMatchObject({ text: 'a photo' });
  });

  it('requests uncompressed bytes and sends no other information', async () => {
    expect(JSON.parse((await fetched(at('/headers'), options)).text)).toEqual({
      host: files.host,
      connection: 'close',
      accept: 'image/*',
      'accept-encoding': 'identity',
      'user-agent': 'Likeness',
    });
    expect((await fetched(at('/identity'), options)).text).toBe('plain');
  });

  it.each([
    { path: '/missing', status: 404 },
    { path: '/gone', status: 410 },
    { path: '/forbidden', status: 403 },
    { path: '/broken', status: 500 },
    { path: '/partial', status: 206 },
    { path: '/empty', status: 204 },
    { path: '/round', status: 302 },
  ])('reports status $status', async ({ path, status }) => {
    const error = await failure(fetched(at(path), options));
    expect(error).toMatchObject({ kind: 'STATUS', status, message: notFetched });
    await files.untilAlone();
  });

  it.each(['/switching', '/gzip', '/cut', '/reset', '/headerless', '/long-header'])(
    'is unreachable at %s, and keeps the cause',
    async (path) => {
      const error = await failure(fetched(at(path), options));
      expect(error).toMatchObject({ kind: 'UNREACHABLE', message: notFetched });
      expect(error.cause).toHaveProperty('stack');
      await files.untilAlone();
    },
  );

  it.each(['/large', '/endless'])('is aborted when it exceeds the size limit: %s', async (path) => {
    const error = await failure(fetched(at(path), options));
    expect(error).toMatchObject({ kind: 'TOO_LARGE', message: 'The photo is larger than 0.004 MB.' });
    await files.untilAlone();
  });

  it.each(['/silent', '/drip'])('has a fixed time limit: %s', async (path) => {
    const started = performance.now();
    const error = await failure(fetched(at(path), { ...options, timeoutMs: 300 }));
    expect(error).toMatchObject({ kind: 'UNREACHABLE', cause: new Error('It took longer than 300 ms.') });
    expect(performance.now() - started).toBeLessThan(15_000);
    await files.untilAlone();
  });

  it('closes the connection of a file that is not read', async () => {
    const { bytes } = await download(at('/endless'), { ...options, timeoutMs: 2_000 });
    await files.untilAlone();
    expect(await failure(textOf(bytes))).toMatchObject({ kind: 'UNREACHABLE' });
  });

  it('closes the connection when the reader leaves', async () => {
    const { bytes } = await download(at('/endless'), { ...options, maxBytes: 1e9 });
    for await (const chunk of bytes) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    await files.untilAlone();
  });

  it.each(['/silent', '/drip'])('ends with the reason of its signal: %s', async (path) => {
    const stop = new AbortController();
    const reason = new Error('shutting down');
    const work = fetched(at(path), { ...options, signal: stop.signal });
    setTimeout(() => {
      stop.abort(reason);
    }, 50);
    await expect(work).rejects.toBe(reason);
    await expect(fetched(at('/photo.jpg'), { ...options, signal: stop.signal })).rejects.toBe(reason);
    await files.untilAlone();
  });

  it('follows redirects up to the limit', async () => {
    const twice = files.redirectTo(files.redirectTo('/photo.jpg'));
    expect((await fetched(twice, { ...options, redirects: 2 })).text).toBe('a photo');
    expect(await failure(fetched(twice, { ...options, redirects: 1 }))).toMatchObject({ status: 302 });
    const before = files.visits.length;
    expect(await failure(fetched(at('/round'), { ...options, redirects: 3 }))).toMatchObject({ status: 302 });
    expect(files.visits.length - before).toBe(4);
    await files.untilAlone();
  });

  it.each([
    { target: 'http://127.0.0.1:SECRET/' },
    { target: '//127.0.0.1:SECRET/' },
    { target: 'http://2130706433:SECRET/' },
    { target: 'http://[::ffff:127.0.0.1]:SECRET/' },
    { target: 'http://169.254.169.254/latest/meta-data/' },
    { target: 'http://localhost/' },
    { target: 'file:///etc/passwd' },
    { target: 'http://[' },
  ])('does not follow a redirect to $target, and reveals nothing about it', async ({ target }) => {
    const url = files.redirectTo(target.replace('SECRET', String(secretPort)));
    const error = await failure(fetched(url, { ...options, redirects: 3 }));
    expect(error).toMatchObject({ kind: 'UNREACHABLE', message: notFetched });
    expect(secretVisits).toBe(0);
  });

  it('reports a URL that is itself unusable', async () => {
    const error = await failure(fetched(`http://127.0.0.1:${secretPort}/`, options));
    expect(error).toMatchObject({
      kind: 'REFUSED_ADDRESS',
      message: 'The address cannot be used: it must be a public http or https URL.',
    });
    expect(secretVisits).toBe(0);
  });

  it('fails alike for private, unknown, closed, missing, non-HTTP and non-TLS targets', async () => {
    const closed = createTcpServer();
    const closedPort = await listening(closed);
    await stopped(closed);
    const mail = createTcpServer((socket) =>
      socket
        .on('error', () => undefined)
        .resume()
        .end('220 ready\r\n'),
    );
    const mailPort = await listening(mail);
    const guard = createGuard({
      allow: [`127.0.0.1:${closedPort}`, `127.0.0.1:${mailPort}`, files.host],
      resolve: (name) =>
        name.startsWith('unknown')
          ? Promise.reject(new Error('ENOTFOUND'))
          : Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
    });
    const urls = [
      'http://inside.example.com/',
      'http://unknown.example.com/',
      `http://127.0.0.1:${closedPort}/`,
      at('/missing'),
      `http://127.0.0.1:${mailPort}/`,
      `https://127.0.0.1:${mailPort}/`,
      at('/photo.jpg').replace('http:', 'https:'),
    ];
    const errors = await Promise.all(urls.map((url) => failure(fetched(url, { ...options, guard }))));
    expect(errors.map(({ message }) => message)).toEqual(urls.map(() => notFetched));
    await stopped(mail);
  });
});

describe('downloads', () => {
  it('follow redirects for photos only, and trust hosts for results only', async () => {
    const files = await startFileHost();
    const at = (path: string): string => `http://${files.host}${path}`;
    const url = at('/photo.jpg');
    const limits = { maxBytes: 100, timeoutMs: 5000 };
    const host = { trustsHost: () => false, correlationIdOf: () => 'id of an answer' };
    const allowed = new Downloads(createGuard({ allow: [files.host] }), host);
    const trusting = new Downloads(createGuard({ allow: [] }), {
      ...host,
      trustsHost: (hostname) => hostname === '127.0.0.1',
    });
    try {
      expect(await textOf((await allowed.photo(files.redirectTo(url), limits)).bytes)).toBe('a photo');
      expect(await textOf((await trusting.result(url, limits)).bytes)).toBe('a photo');
      expect(await failure(trusting.result(files.redirectTo(url), limits))).toMatchObject({
        status: 302,
        message: 'The picture could not be fetched from its URL.',
      });
      expect(await failure(trusting.photo(url, limits))).toMatchObject({ kind: 'REFUSED_ADDRESS' });
      const begun: ResultAnswer[] = [];
      const onAnswer = (answer: ResultAnswer): unknown => begun.push(answer);
      for (const path of ['/photo.jpg', '/gone', '/large', '/cut', '/reset']) {
        await trusting
          .result(at(path), { ...limits, onAnswer })
          .then(({ bytes }) => textOf(bytes))
          .catch(() => undefined);
      }
      expect(begun.map(({ httpStatus }) => httpStatus)).toEqual([200, 410, 200, 200]);
      expect(begun[1]).toEqual({ httpStatus: 410, correlationId: 'id of an answer' });
    } finally {
      await files.stop();
    }
  });
});
