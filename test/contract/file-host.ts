import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connectionsOf, listening, stopped } from '../support/servers';
import { until } from '../support/until';

/** The responses of the host by path. */
const answers: Record<string, (response: ServerResponse, request: IncomingMessage) => void> = {
  '/photo.jpg': (response) => response.writeHead(200, { 'content-type': 'image/jpeg' }).end('a photo'),
  '/headers': (response, request) => response.end(JSON.stringify(request.headers)),
  '/gone': (response) => response.writeHead(410).end('no'),
  '/forbidden': (response) => response.writeHead(403).end('no'),
  '/broken': (response) => response.writeHead(500).end('no'),
  '/partial': (response) => response.writeHead(206).end('half'),
  '/empty': (response) => response.writeHead(204).end(),
  '/switching': ({ socket }) =>
    socket!.end('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
  '/gzip': (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('bomb'),
  '/identity': (response) => response.writeHead(200, { 'content-encoding': 'Identity' }).end('plain'),
  '/large': (response) => response.writeHead(200, { 'content-length': 5000 }).end(Buffer.alloc(5000)),
  '/endless': (response) => {
    const write = (): void => {
      while (response.write(Buffer.alloc(1000)));
      response.once('drain', write);
    };
    write();
  },
  '/drip': (response) => {
    const timer = setInterval(() => response.write('x'), 20);
    response.on('close', () => {
      clearInterval(timer);
    });
  },
  '/silent': () => undefined,
  '/cut': (response) => {
    response.writeHead(200, { 'content-length': 3000 }).write('the beginning');
    setImmediate(() => response.destroy());
  },
  '/reset': (response) => {
    response.socket!.resetAndDestroy();
  },
  '/headerless': (response) => response.socket!.end('this is no HTTP\r\n\r\n'),
  '/long-header': (response) => response.writeHead(200, { 'x-long': 'x'.repeat(20_000) }).end('photo'),
  '/round': (response) => response.writeHead(302, { location: '/round' }).end(),
};

/** A file host with a specific behaviour per path; unknown paths return 404. */
export interface FileHost {
  /** `127.0.0.1:port` */
  host: string;
  /** The requested paths, in order. */
  visits: string[];
  /** The URL of `/to?<target>`, which redirects to the target. */
  redirectTo(target: string): string;
  /** Returns once all connections are closed. */
  untilAlone(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a file host. */
export async function startFileHost(): Promise<FileHost> {
  const visits: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    visits.push(path);
    const answer = answers[path.replace(/\?signature=.*/, '')];
    if (path.startsWith('/to?'))
      response.writeHead(302, { location: decodeURIComponent(path.slice(4)) }).end();
    else if (answer) answer(response, request);
    else response.writeHead(404).end();
  });
  const host = `127.0.0.1:${await listening(server)}`;
  return {
    host,
    visits,
    redirectTo: (target) => `http://${host}/to?${encodeURIComponent(target)}`,
    untilAlone: () => until(() => connectionsOf(server).size === 0),
    stop: () => stopped(server),
  };
}
