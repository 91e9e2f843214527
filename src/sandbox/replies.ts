import type { ServerResponse } from 'node:http';

/** Response headers. */
export type Headers = Readonly<Record<string, string>>;

/** A response before common headers and faults are added. */
export interface Reply {
  readonly status: number;
  readonly body: object | Buffer;
  readonly headers?: Headers;
}

/** An error response in Picsart's format. Can be thrown anywhere while a request is handled. */
export class ErrorReply extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
    readonly headers: Headers = {},
  ) {
    super(detail);
  }

  get reply(): Reply {
    return {
      status: this.status,
      body: { code: this.status, message: titles.get(this.status) ?? 'Error', detail: this.detail },
      headers: this.headers,
    };
  }
}

const titles: ReadonlyMap<number, string> = new Map([
  [400, 'Bad Request'],
  [401, 'Unauthorized'],
  [402, 'Payment Required'],
  [404, 'Not Found'],
  [405, 'Method Not Allowed'],
  [406, 'Not Acceptable'],
  [413, 'Payload Too Large'],
  [415, 'Unsupported Media Type'],
  [422, 'Unprocessable Entity'],
  [429, 'Too Many Requests'],
  [500, 'Internal Server Error'],
  [503, 'Service Unavailable'],
]);

/** Sends a reply. */
export function send(response: ServerResponse, reply: Reply, headers: Headers): void {
  response.end(begin(response, reply, headers));
}

/** Writes the head of a reply, and returns its body. */
export function begin(response: ServerResponse, reply: Reply, headers: Headers): Buffer {
  const isJson = !Buffer.isBuffer(reply.body);
  const bytes = Buffer.isBuffer(reply.body) ? reply.body : Buffer.from(JSON.stringify(reply.body));
  response.writeHead(reply.status, {
    ...headers,
    'content-type': isJson ? 'application/json' : 'application/octet-stream',
    ...reply.headers,
    'content-length': bytes.length,
  });
  return bytes;
}
