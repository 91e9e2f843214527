import { decodeEventCursor } from '../../src/events/event';
import { activityCursor, isCaughtUp, type ActivityNews } from './activity';
import { uuidOf, type Client } from './client';
import type { Environment } from './environment';
import { Feed } from './feed';

/** The maximum number of changes of one connection. */
const maxChanges = 30;

const changesIn = (feed: Feed<ActivityNews>): ActivityNews[] =>
  feed.messages.filter((item) => !isCaughtUp(item));

/** A client of `activity` that disconnects at random and resumes with its last cursor. */
export class ActivityFollower {
  connections = 0;
  /** What earlier connections have received. */
  private readonly before: ActivityNews[] = [];
  private feed: Feed<ActivityNews> | null = null;
  private maxChanges = 0;
  private isStopped = false;
  private readonly running: Promise<void>;

  /**
   * @param connect - subscribes after a cursor
   * @param start - the cursor to begin with
   */
  constructor(
    private readonly connect: (after: string) => Feed<ActivityNews>,
    private readonly start: string,
  ) {
    this.running = this.run();
  }

  /** The received changes in their order. */
  get changes(): readonly ActivityNews[] {
    // Changes after the disconnect are not received.
    return [...this.before, ...(this.feed ? changesIn(this.feed).slice(0, this.maxChanges) : [])];
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.feed?.drop();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.isStopped) {
      this.connections += 1;
      this.maxChanges = 1 + Math.floor(Math.random() * maxChanges);
      const feed = this.connect(this.before.at(-1)?.cursor ?? this.start);
      this.feed = feed;
      const isFull = (): boolean => feed.end !== null || changesIn(feed).length >= this.maxChanges;
      await feed.until(isFull, Infinity);
      feed.drop();
      this.before.push(...changesIn(feed).slice(0, this.maxChanges));
      this.feed = null;
      // Delays the next connection attempt if no gateway responds.
      await new Promise((resume) => setTimeout(resume, 20));
    }
  }
}

/** Subscribes to `activity` at a gateway, and receives ids and statuses only. */
export function followIds(url: string, { token }: Client, after: string): Feed<ActivityNews> {
  const query = `subscription ($after: String) { activity(after: $after, estimates: false) { cursor isSnapshot isEstimate change {
    type: __typename ... on ModelChanged { modelId modelStatus: status }
    ... on GenerationChanged { generationId generationStatus: status } ... on AvatarCreated { avatarId }
    ... on AvatarChanged { avatarId } ... on NoticeCreated { notice { id } } } } }`;
  return Feed.open<ActivityNews>('WebSocket', url, { query, variables: { after } }, { token });
}

/** A change as its number among the events of its owner, the UUID of what has changed, and the status of a job after it. */
export type NumberedChange = readonly [number: number, subject: string | undefined, status: string | null];

/** The events of an owner after a cursor, to compare followers with. */
export class OwnerEvents {
  private readonly streamId: string;

  private constructor(
    private readonly environment: Environment,
    /** `viewer.activityCursor` at the beginning. */
    readonly start: string,
  ) {
    this.streamId = Buffer.from(start, 'base64url').toString('hex', 0, 16);
  }

  /** Those after now. */
  static async of(environment: Environment, client: Client): Promise<OwnerEvents> {
    return new OwnerEvents(environment, await activityCursor(client));
  }

  /** The changes that a follower has received. */
  received(changes: readonly ActivityNews[]): NumberedChange[] {
    return changes.map(({ cursor, change }) => {
      const id = change.avatarId ?? change.generationId ?? change.modelId ?? change.notice?.id;
      const status = change.modelStatus ?? change.generationStatus ?? null;
      return [decodeEventCursor(cursor, this.streamId), id === undefined ? undefined : uuidOf(id), status];
    });
  }

  /**
   * What each follower must have received once, in this order. `viewer.activityCursor` numbers the latest events.
   * @throws Error if a number is missing
   */
  async stored(): Promise<NumberedChange[]> {
    const first = decodeEventCursor(this.start, this.streamId);
    const rows = await this.environment.rows<{ sequence: string; subject: string; status: string | null }>(
      `SELECT o.sequence, e.subject_id AS subject,
              CASE WHEN e.kind IN ('MODEL', 'GENERATION') THEN e.payload ->> 'status' END AS status
         FROM owner_events o JOIN events e ON e.stream_id = o.stream_id AND e.sequence = o.stream_sequence
        WHERE o.owner_stream_id = $1 AND o.sequence > $2 ORDER BY o.sequence`,
      [this.streamId, first],
    );
    return rows.map(({ sequence, subject, status }, index) => {
      if (Number(sequence) !== first + 1 + index) throw new Error(`Event ${first + 1 + index} is missing.`);
      return [Number(sequence), subject, status];
    });
  }
}
