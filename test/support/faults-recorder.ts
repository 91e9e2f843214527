import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { listening, stopped } from './servers';

/** A forwarded call. */
export interface RecordedCall {
  method: string;
  path: string;
  /** When it arrived, in milliseconds. */
  atMs: number;
  /** When its response started; null before. */
  answeredMs: number | null;
  status: number | null;
  /** The wait that the response imposed on all calls, in milliseconds. */
  waitMs: number;
}

/** A proxy in front of an upstream that forwards and records all calls. */
export class Recorder {
  readonly calls: RecordedCall[] = [];
  /** The status with which a call is answered instead of being forwarded; null: it is forwarded. */
  statusFor: (path: string) => number | null = () => null;
  private server: Server;
  private port = 0;

  private constructor(private readonly target: string) {
    this.server = this.make();
  }

  static async start(target: string): Promise<Recorder> {
    const recorder = new Recorder(target);
    await recorder.open();
    return recorder;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The paid calls. */
  get paid(): RecordedCall[] {
    return this.calls.filter(({ method }) => method === 'POST');
  }

  /** Calls within the wait that an earlier response imposed. */
  get early(): RecordedCall[] {
    return this.calls.filter(({ atMs, path }) =>
      this.calls.some(
        ({ answeredMs, waitMs }) =>
          !path.startsWith('/results/') &&
          answeredMs !== null &&
          atMs > answeredMs &&
          atMs < answeredMs + waitMs,
      ),
    );
  }

  /** Refuses connections until {@link open}. */
  close(): Promise<void> {
    return stopped(this.server);
  }

  async open(): Promise<void> {
    this.server = this.make();
    this.port = await listening(this.server, this.port);
  }

  private make(): Server {
    return createServer((incoming, outgoing) => {
      this.pass(incoming, outgoing);
    });
  }

  private pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method = 'GET', url: path = '/', headers } = incoming;
    const call: RecordedCall = { method, path, atMs: Date.now(), answeredMs: null, status: null, waitMs: 0 };
    this.calls.push(call);
    const status = this.statusFor(path);
    if (status !== null) {
      incoming.resume();
      outgoing.writeHead(status).end();
      return;
    }
    const passed = request(new URL(path, this.target), { method, headers, agent: false }, (answer) => {
      call.answeredMs = Date.now();
      call.status = answer.statusCode!;
      if (call.status === 429)
        call.waitMs = 1_000 * Number(answer.headers['x-picsart-ratelimit-reset-time'] ?? 0);
      outgoing.writeHead(call.status, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on('error', () => outgoing.socket?.resetAndDestroy());
    incoming.pipe(passed);
  }
}
