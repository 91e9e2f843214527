import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Attribute {
  key: string;
  value: { stringValue?: string };
}

/** A span as it was received. */
export interface SpanRecord {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  attributes: Attribute[];
  links?: { traceId: string }[];
}

/** What a receiver does instead of answering: not answer at all, answer without an end, or refuse. */
type ReceiverFault = 'hangs' | 'drips' | 'refuses';

/** A receiver of OTLP over HTTP. */
export class TraceReceiver {
  requests = 0;
  readonly spans: SpanRecord[] = [];
  /** Everything that was received. */
  text = '';
  readonly authorizations = new Set<string | undefined>();
  private readonly drips = new Set<NodeJS.Timeout>();
  private readonly server: Server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => (body += part));
    request.on('end', () => {
      this.requests += 1;
      if (this.fault === 'hangs') return;
      if (this.fault === 'drips') {
        response.writeHead(200);
        this.drips.add(setInterval(() => response.write(' '), 200));
        return;
      }
      if (this.fault === 'refuses') {
        response.writeHead(503, { 'retry-after': '60' }).end('no');
        return;
      }
      this.authorizations.add(request.headers.authorization);
      this.text += body;
      const { resourceSpans = [] } = JSON.parse(body) as {
        resourceSpans?: { scopeSpans: { spans: SpanRecord[] }[] }[];
      };
      this.spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)));
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });

  constructor(private readonly fault: ReceiverFault | null = null) {}

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const drip of this.drips) clearInterval(drip);
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
