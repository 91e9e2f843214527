import { randomUUID } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { listening, stopped } from './servers';

/** A paid call that the avatar service holds, or has answered. */
export interface HeldCall {
  readonly images: readonly string[];
  /** Of instant avatars. */
  readonly prompt: string | undefined;
  isAnswered: boolean;
}

/** An avatar service that answers each paid call when the test says so. */
export class HoldingUpstream {
  /** The answer to polls. */
  state: object = { status: 'IN_PROGRESS' };
  /** In the order of arrival. */
  readonly calls: HeldCall[] = [];
  polls = 0;
  private readonly waiting: (() => void)[] = [];

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(): Promise<HoldingUpstream> {
    const server = createServer();
    const upstream = new HoldingUpstream(server, `http://127.0.0.1:${await listening(server)}`);
    server.on('request', (request, response) => {
      if (request.method !== 'POST') {
        upstream.polls += 1;
        return void response.end(JSON.stringify({ credits: 1_000, ...upstream.state }));
      }
      void request.toArray().then((chunks: Buffer[]) => upstream.hold(Buffer.concat(chunks), response));
    });
    return upstream;
  }

  /** Settings of a gateway that uses it. */
  get settings(): Record<string, string> {
    return {
      ...{ UPSTREAM: 'picsart', PICSART_API_KEY: 'key', PICSART_BASE_URL: this.url },
      UPSTREAM_REQUESTS_PER_MINUTE: '100000',
    };
  }

  /** The calls that are not answered. */
  get held(): readonly HeldCall[] {
    return this.calls.filter(({ isAnswered }) => !isAnswered);
  }

  /** Answers the call that has waited longest: accepted. */
  answerFirst(): void {
    this.waiting.shift()!();
  }

  stop(): Promise<void> {
    return stopped(this.server);
  }

  private hold(body: Buffer, response: ServerResponse): void {
    const { images, prompt } = JSON.parse(body.toString()) as HeldCall;
    const call = { images, prompt, isAnswered: false };
    this.calls.push(call);
    this.waiting.push(() => {
      call.isAnswered = true;
      const id = randomUUID();
      response.writeHead(202).end(JSON.stringify({ status: 'ACCEPTED', model_id: id, inference_id: id }));
    });
  }
}
