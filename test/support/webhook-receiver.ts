import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Webhook } from 'standardwebhooks';

/** A message that a receiver got. */
export interface ReceivedMessage {
  /** The header `webhook-id`. */
  id: string;
  type: string;
  timestamp: string;
  data: Record<string, unknown> & { id: string };
  headers: Record<string, string>;
  body: string;
  path: string;
}

/** Answers a request. */
export type Answer = (response: ServerResponse, message: ReceivedMessage) => void;

/** The settings of a gateway that may send to receivers, and soon finds events that a test has stored. */
export const receiverSettings = { WEBHOOK_URL_ALLOW: '127.0.0.1', WORK_CHECK_INTERVAL: '1s' };

/** Answers with a status. */
export function status(code: number, body = `status ${code}`): Answer {
  return (response) => response.writeHead(code).end(body);
}

/** An HTTP server that receives webhooks. */
export class WebhookReceiver {
  readonly received: ReceivedMessage[] = [];
  /** How requests are answered. */
  answer: Answer = status(200, 'thanks');
  private readonly sockets = new Set<Socket>();
  private port = 0;

  private constructor(private server: Server) {}

  static async start(): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver(createServer());
    await receiver.listen();
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`;
  }

  get types(): string[] {
    return this.received.map(({ type }) => type);
  }

  /** Messages whose signature a secret verifies; throws for the first other one. */
  verified(secret: string): unknown[] {
    const webhook = new Webhook(secret);
    return this.received.map(({ body, headers }) => webhook.verify(body, headers));
  }

  /** Starts to listen, on the same port as before. */
  async listen(): Promise<void> {
    this.server = createServer((request, response) => void this.receive(request, response));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket)).on('error', () => undefined);
    });
    await new Promise<void>((resolve) => this.server.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.server.address() as AddressInfo).port;
  }

  /** Refuses connections until {@link listen}. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const headers = request.headers as Record<string, string>;
    const message = {
      ...(JSON.parse(body) as ReceivedMessage),
      id: headers['webhook-id']!,
      headers,
      body,
      path: request.url!,
    };
    this.received.push(message);
    this.answer(response, message);
  }
}
