import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import { listening, stopped } from './servers';

/** Headers of Swift with the effect of a header of S3. */
const swiftHeaders = ['x-object-manifest', 'x-symlink-target', 'x-copy-from'];

/** In front of an S3 server; refuses presigned requests with headers that are not signed, as AWS does. */
export class StrictProxy {
  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(target: string): Promise<StrictProxy> {
    const server = createServer((incoming, response) => {
      if (hasUnsigned(incoming)) {
        incoming.resume();
        response.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>');
        return;
      }
      const { method } = incoming;
      // Swift sends a body after HEAD, so that its connections cannot be used again and end with an error.
      const headers = { ...incoming.headers, connection: 'close' };
      const outgoing = request(
        new URL(incoming.url!, target),
        { method, headers, agent: false },
        (answer) => {
          response.writeHead(answer.statusCode!, answer.headers);
          answer.pipe(response);
        },
      );
      outgoing.on('error', () => response.headersSent || response.destroy());
      incoming.pipe(outgoing);
    });
    return new StrictProxy(server, `http://127.0.0.1:${await listening(server)}`);
  }

  stop(): Promise<void> {
    return stopped(this.server);
  }
}

function hasUnsigned({ url, headers }: IncomingMessage): boolean {
  const signed = new URL(url!, 'http://bucket').searchParams.get('X-Amz-SignedHeaders');
  if (signed === null) return false;
  return Object.keys(headers).some(
    (name) => (name.startsWith('x-amz-') || swiftHeaders.includes(name)) && !signed.split(';').includes(name),
  );
}
