import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';

/** The content of a path. */
interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: Buffer;
}

/** A web server with photos for an upstream to fetch. */
export class PhotoHost {
  /** The fetched paths in order. */
  readonly fetched: string[] = [];
  private readonly pages = new Map<string, Page>();

  private constructor(private readonly server: Server) {
    server.on('request', (request, response) => {
      const path = (request.url ?? '/').split('?')[0]!;
      this.fetched.push(path);
      const { status, type, body } = this.pages.get(path) ?? notThere;
      response.writeHead(status, { 'content-type': type, 'content-length': body.length }).end(body);
    });
  }

  static async start(): Promise<PhotoHost> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new PhotoHost(server);
  }

  /** Serves content under a path and returns its URL. */
  put(path: string, body: Buffer | string, type = 'image/jpeg', status = 200): string {
    this.pages.set(path, { status, type, body: Buffer.from(body) });
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}${path}`;
  }

  /** URLs of so many photos of heads, with a background of the hue. */
  async heads(count: number, hue: number): Promise<string[]> {
    return Promise.all(
      Array.from({ length: count }, async (_, index) =>
        this.put(`/${hue}/${index}.jpg`, await headPhoto(hue, index)),
      ),
    );
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}

const notThere: Page = { status: 404, type: 'text/plain', body: Buffer.from('not there') };

/** A portrait-like photo: a head with eyes, at a different position in each photo. */
export async function headPhoto(hue: number, index: number): Promise<Buffer> {
  const x = 240 + (index % 5) * 8;
  const y = 230 + (index % 3) * 10;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="512" height="512">
    <rect width="512" height="512" fill="hsl(${hue},70%,45%)"/>
    <ellipse cx="${x}" cy="512" rx="190" ry="130" fill="hsl(${hue},40%,20%)"/>
    <ellipse cx="${x}" cy="${y}" rx="120" ry="155" fill="#e0b090"/>
    <circle cx="${x - 45}" cy="${y - 25}" r="14" fill="#222"/><circle cx="${x + 45}" cy="${y - 25}" r="14" fill="#222"/>
    <path d="M${x - 50} ${y + 70}Q${x} ${y + 105} ${x + 50} ${y + 70}" stroke="#822" stroke-width="10" fill="none"/>
  </svg>`;
  return sharp(Buffer.from(svg)).jpeg().toBuffer();
}
