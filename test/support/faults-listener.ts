import { createClient, type Client } from 'graphql-ws';
import WebSocket from 'ws';

/** What a client is told of an avatar. */
interface Told {
  avatar: { id: string };
  cursor: string;
}

const query = `subscription ($modelId: ID!, $after: String) {
  avatarCompleted(modelId: $modelId, after: $after) { avatar { id } cursor } }`;

/** What a {@link Listener} listens to. */
export interface ListenerOptions {
  modelId: string;
  /** The last cursor it has seen. */
  after: string;
  /** Where a gateway is now that can be connected to; asked at each connection. */
  gateway: () => string;
  /** When it leaves in the middle, after how many items of one connection. */
  patience: () => number;
}

/** A client that follows a model's avatars, leaves at random, and comes back with its last cursor to any gateway. */
export class Listener {
  /** Ids in the order in which it was told of them. */
  readonly heard: string[] = [];
  connections = 0;
  private cursor: string;
  private isOver = false;
  private client: Client | null = null;
  private readonly running: Promise<void>;

  constructor(private readonly options: ListenerOptions) {
    this.cursor = options.after;
    this.running = this.run();
  }

  /** Leaves for good. */
  async stop(): Promise<void> {
    this.isOver = true;
    this.client?.terminate();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.isOver) {
      this.connections += 1;
      await this.connect();
      // Whoever finds nobody there tries again a little later.
      await new Promise((resume) => setTimeout(resume, 20));
    }
  }

  /** Returns when the connection has ended, in whatever way. */
  private async connect(): Promise<void> {
    let left = this.options.patience();
    await new Promise<void>((ended) => {
      const client = createClient({
        url: `${this.options.gateway().replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        lazy: true,
        retryAttempts: 0,
        onNonLazyError: () => undefined,
      });
      this.client = client;
      client.subscribe<{ avatarCompleted: Told }>(
        { query, variables: { modelId: this.options.modelId, after: this.cursor } },
        {
          next: ({ data }) => {
            // Once it has left, it hears nothing any more.
            if (left === 0 || !data) return;
            this.heard.push(data.avatarCompleted.avatar.id);
            this.cursor = data.avatarCompleted.cursor;
            left -= 1;
            if (left === 0) client.terminate();
          },
          error: () => {
            ended();
          },
          complete: ended,
        },
      );
    });
  }
}
