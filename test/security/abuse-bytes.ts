/** Raw bytes sent over a connection, and the status of the response; the connection is closed afterwards. */
export const abusiveBytes: readonly { what: string; bytes: string; status: number }[] = [
  {
    what: 'an upload that wanders',
    bytes: 'PUT /uploads/..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    status: 403,
  },
  { what: 'no HTTP', bytes: 'hello\r\n\r\n', status: 400 },
  { what: 'the greeting of TLS', bytes: '\u0016\u0003\u0001\u0002\u0000\u0001', status: 400 },
  {
    what: 'two lengths',
    bytes: 'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
    status: 400,
  },
  {
    what: 'a length and chunks',
    bytes:
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    status: 400,
  },
  {
    what: 'an invalid length',
    bytes: 'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n',
    status: 400,
  },
  {
    what: 'a header with a null byte',
    bytes: 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: \u0000\r\n\r\n',
    status: 400,
  },
  { what: 'a path with a line break', bytes: 'GET /healthz\u0001 HTTP/1.1\r\nHost: x\r\n\r\n', status: 400 },
  { what: 'no host', bytes: 'GET /healthz HTTP/1.1\r\n\r\n', status: 400 },
  {
    what: 'headers of 20 kB',
    bytes: `GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`,
    status: 431,
  },
  {
    what: 'a thousand headers',
    bytes: `GET /healthz HTTP/1.1\r\nHost: x\r\n${Array.from({ length: 1_000 }, (_, index) => `X-${index}: aaaaaaaaaaaaaaaa\r\n`).join('')}\r\n`,
    status: 431,
  },
  { what: 'a path of 20 kB', bytes: `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, status: 431 },
  {
    what: 'a socket of an old version',
    bytes:
      'GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 7\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    status: 400,
  },
  {
    what: 'a socket somewhere else',
    bytes:
      'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    status: 404,
  },
  {
    what: 'a socket of another site',
    bytes:
      'GET /graphql HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    status: 403,
  },
];
