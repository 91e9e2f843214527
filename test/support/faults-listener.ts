import { createClient, type Client } from 'graphql-ws';
import WebSocket from 'ws';
import type { JobState, StreamEvent, StreamLog } from './history';

const fields = 'cursor isSnapshot';
const job = 'id attempt';
const ends: readonly string[] = ['READY', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED'];

/** A received item, by the names that the queries below give its parts. */
type Item = Pick<StreamEvent, 'cursor' | 'isSnapshot'> &
  (
    | { avatar: { id: string } }
    | (Pick<JobState, 'status' | 'progress'> & { job: Pick<JobState, 'id' | 'attempt'> })
  );

/** What a {@link Listener} listens to. */
export interface ListenerOptions {
  owner: string;
  token: string | null;
  /** A model or a generation. */
  subject: string;
  /** Avatars of a model, or the progress of the subject. */
  kind: StreamLog['kind'];
  /** The last cursor that it has seen; null: it begins with the present state. */
  after: string | null;
  /** Where a gateway is now that can be connected to; asked at each connection. */
  gateway: () => string;
  /** When it leaves in the middle, after how many items of one connection. @defaultValue never */
  maxItems?: () => number;
}

/** A socket that is terminated while it connects emits an error after graphql-ws has removed its own handlers. */
class TerminableSocket extends WebSocket {
  constructor(url: string, protocols: string) {
    super(url, protocols);
    this.on('error', () => undefined);
  }
}

/** A client that follows one subscription, leaves at random, and comes back with its last cursor to any gateway. */
export class Listener {
  /** What it received, in order. */
  readonly log: StreamLog;
  connections = 0;
  private cursor: string | null;
  private isStopped = false;
  private client: Client | null = null;
  private readonly running: Promise<void>;

  constructor(private readonly options: ListenerOptions) {
    const { owner, subject, kind, after } = options;
    this.log = { owner, subject, kind, start: after, events: [], isComplete: false };
    this.cursor = after;
    this.running = this.run();
  }

  /** Leaves for good. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.client?.terminate();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.isStopped && !this.log.isComplete) {
      this.connections += 1;
      await this.connect();
      // If no gateway answers, it tries again a little later.
      await new Promise((resume) => setTimeout(resume, 20));
    }
  }

  /** Returns when the connection has ended, in whatever way. */
  private async connect(): Promise<void> {
    let left = this.options.maxItems?.() ?? Infinity;
    const { token, subject } = this.options;
    await new Promise<void>((ended) => {
      const client = createClient({
        url: `${this.options.gateway().replace('http', 'ws')}/graphql`,
        webSocketImpl: TerminableSocket,
        connectionParams: token === null ? undefined : { authorization: `Bearer ${token}` },
        lazy: true,
        retryAttempts: 0,
        onNonLazyError: () => undefined,
      });
      this.client = client;
      client.subscribe<{ item: Item }>(
        { query: queryOf(this.log), variables: { id: subject, after: this.cursor } },
        {
          next: ({ data }) => {
            // What comes after it has left is not received.
            if (left === 0 || !data) return;
            this.receive(data.item);
            left -= 1;
            if (left === 0) client.terminate();
          },
          error: () => {
            ended();
          },
          complete: () => {
            // A gateway that stops completes its subscriptions too: only after an end is there nothing more.
            this.log.isComplete = ends.includes(this.log.events.at(-1)?.state?.status ?? '');
            ended();
          },
        },
      );
    });
    void this.client?.dispose();
  }

  private receive(item: Item): void {
    const { cursor, isSnapshot } = item;
    const id = 'avatar' in item ? item.avatar.id : item.job.id;
    const state = 'avatar' in item ? null : { ...item.job, status: item.status, progress: item.progress };
    this.log.events.push({ cursor, isSnapshot, id, state });
    this.cursor = cursor;
  }
}

function queryOf({ subject, kind }: StreamLog): string {
  if (kind === 'avatars') {
    return `subscription ($id: ID!, $after: String) {
      item: avatarCompleted(modelId: $id, after: $after) { avatar { id } ${fields} } }`;
  }
  const isModel = subject.startsWith('model_');
  return `subscription ($id: ID!, $after: String) {
    item: ${isModel ? 'trainingProgress(modelId' : 'generationProgress(generationId'}: $id, after: $after) {
      job: ${isModel ? 'model' : 'generation'} { ${job} } status progress ${fields} } }`;
}
