import { isOver } from './client';
import { Feed } from './feed';
import type { JobState, StreamEvent, StreamLog } from './history';

const fields = 'cursor isSnapshot';
const job = 'id attempt';

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

/** A client that follows one subscription, disconnects at random, and resumes with its last cursor at any gateway. */
export class Listener {
  /** The received events in order. */
  readonly log: StreamLog;
  connections = 0;
  private cursor: string | null;
  private isStopped = false;
  private feed: Feed<Item> | null = null;
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
    this.feed?.drop();
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
    const { token, subject, gateway } = this.options;
    const operation = { query: queryOf(this.log), variables: { id: subject, after: this.cursor } };
    const onMessage = (item: Item): void => {
      // Items after the disconnect are not received.
      if (left === 0) return;
      this.receive(item);
      left -= 1;
      if (left === 0) feed.drop();
    };
    const feed = Feed.open<Item>('WebSocket', gateway(), operation, { token, onMessage });
    this.feed = feed;
    const { how } = await feed.ended(Infinity);
    // A gateway that stops completes its subscriptions too: only a final state means that no events follow.
    this.log.isComplete = how === 'complete' && isOver(this.log.events.at(-1)?.state ?? null);
  }

  private receive(item: Item): void {
    const { cursor, isSnapshot } = item;
    const id = 'avatar' in item ? item.avatar.id : item.job.id;
    const state = 'avatar' in item ? null : { ...item.job, status: item.status, progress: item.progress };
    const estimates = (this.feed?.estimates ?? []).map(progressOf);
    this.log.events.push({ cursor, isSnapshot, id, state, estimates });
    this.cursor = cursor;
  }
}

const progressOf = (item: Item): number => ('progress' in item ? item.progress : 0);

function queryOf({ subject, kind }: StreamLog): string {
  if (kind === 'avatars') {
    return `subscription ($id: ID!, $after: String) {
      item: avatarCompleted(select: { modelId: $id }, after: $after) { avatar { id } ${fields} } }`;
  }
  const isModel = subject.startsWith('model_');
  return `subscription ($id: ID!, $after: String) {
    item: ${isModel ? 'trainingProgress(modelId' : 'generationProgress(generationId'}: $id, after: $after) {
      job: ${isModel ? 'model' : 'generation'} { ${job} } status progress isEstimate ${fields} } }`;
}
