import { createClient, type Client } from 'graphql-ws';
import WebSocket from 'ws';
import type { JobState, StreamEvent, StreamLog } from './history';

const fields = 'cursor isSnapshot';
const job = 'id attempt';
const ends: readonly string[] = ['READY', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED'];

/** A received item, with the field aliases of the queries below. */
type Item = Pick<StreamEvent, 'cursor' | 'isSnapshot'> &
  (
    | { avatar: { id: string } }
    | (Pick<JobState, 'status' | 'progress'> & { job: Pick<JobState, 'id' | 'attempt'> })
  );

/** Options of a {@link Listener}. */
export interface ListenerOptions {
  owner: string;
  token: string | null;
  /** A model or a generation. */
  subject: string;
  /** Avatars of a model, or the progress of the subject. */
  kind: StreamLog['kind'];
  /** The last received cursor; null: it starts with a snapshot. */
  after: string | null;
  /** Returns the URL of an available gateway, for each connection. */
  gateway: () => string;
  /** After how many items of one connection it disconnects. @defaultValue never */
  maxItems?: () => number;
}

/** A socket that is terminated while it connects emits an error after graphql-ws has removed its own handlers. */
class TerminableSocket extends WebSocket {
  constructor(url: string, protocols: string) {
    super(url, protocols);
    this.on('error', () => undefined);
  }
}

/** A client that follows one subscription, disconnects at random, and resumes with its last cursor at any gateway. */
export class Listener {
  /** The received events in order. */
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

  /** Disconnects and does not reconnect. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.client?.terminate();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.isStopped && !this.log.isComplete) {
      this.connections += 1;
      await this.connect();
      // Delays the next connection attempt if no gateway responds.
      await new Promise((resume) => setTimeout(resume, 20));
    }
  }

  /** Returns when the connection has ended for any reason. */
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
            // Items after the disconnect are not received.
            if (left === 0 || !data) return;
            this.receive(data.item);
            left -= 1;
            if (left === 0) client.terminate();
          },
          error: () => {
            ended();
          },
          complete: () => {
            // A gateway that stops completes its subscriptions too: only a final state means that no events follow.
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
