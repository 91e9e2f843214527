import { createServer, type Server } from 'node:http';
import { facePhoto } from './pictures';
import { listening, stopped } from './servers';

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
  private port = 0;

  private constructor(private readonly server: Server) {
    server.on('request', (request, response) => {
      const path = (request.url ?? '/').split('?')[0]!;
      this.fetched.push(path);
      const { status, type, body } = this.pages.get(path) ?? notThere;
      response.writeHead(status, { 'content-type': type, 'content-length': body.length }).end(body);
    });
  }

  static async start(): Promise<PhotoHost> {
    const host = new PhotoHost(createServer());
    host.port = await listening(host.server);
    return host;
  }

  /** Serves content under a path and returns its URL. */
  put(path: string, body: Buffer | string, type = 'image/jpeg', status = 200): string {
    this.pages.set(path, { status, type, body: Buffer.from(body) });
    return `http://127.0.0.1:${this.port}${path}`;
  }

  /** URLs of so many photos of heads, with a background of the hue. */
  async heads(count: number, hue: number): Promise<string[]> {
    return Promise.all(
      Array.from({ length: count }, async (_, index) =>
        this.put(`/${hue}/${index}.jpg`, await headPhoto(hue, index)),
      ),
    );
  }

  stop(): Promise<void> {
    return stopped(this.server);
  }
}

const notThere: Page = { status: 404, type: 'text/plain', body: Buffer.from('not there') };

/** A square photo of a face with a saturated background. */
export function headPhoto(hue: number, index: number): Promise<Buffer> {
  return facePhoto(index, { width: 512, height: 512, background: `hsl(${hue}, 70%, 45%)` });
}
