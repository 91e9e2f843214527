import type { Listener } from '../core/push-source';
import { encodeEventCursor, incompleteSnapshot, type StoredEvent } from '../events/event';
import type { Followed, Following } from '../events/follow';
import type { EventSubscription } from '../events/subscription';
import { hasEnded } from '../jobs/job.subscription';
import type {
  EstimatedJob,
  EstimateReceiver,
  PacedChange,
  ProgressTicks,
  Tick,
} from '../jobs/progress-ticks';
import {
  activityCursorOf,
  activityIn,
  isJobActivity,
  jobKindOf,
  type ActivityEntry,
  type ActivityItem,
  type ActivityRow,
  type JobActivity,
  type JobPast,
} from './activity-change';

type Item = Followed<ActivityItem>;

/** Where a subscription to an owner's activity starts. */
export interface ActivityStart {
  readonly ownerStreamId: string;
  /** The last event that the client has received, or that is older than the present jobs. */
  readonly position: number;
  /** The last event when the present jobs had been read. */
  readonly head: number;
  /** The unfinished jobs, the oldest first. */
  readonly present: readonly ActivityEntry[];
  /** Whether the present jobs are sent, instead of the events since the client's cursor. */
  readonly isSnapshot: boolean;
  /** Whether the cursor of the client was too old. */
  readonly hasGap: boolean;
}

/** What a subscriber receives. */
export interface ActivityOptions {
  readonly matches: (activity: ActivityEntry) => boolean;
  /** Null: it receives no estimates. */
  readonly ticks: ProgressTicks | null;
  readonly nowMs: () => number;
}

const done: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * The activity of an owner for one subscriber: the present jobs or the events since its cursor, `CaughtUp`, then each event,
 * with estimates of unfinished jobs while the subscriber reads them immediately.
 */
export class ActivityFollowing
  implements Following<ActivityItem>, Listener<StoredEvent>, EstimateReceiver<JobPast, ActivityRow>
{
  private listener: Listener<Item> | null = null;
  /** Items that wait for `next()`. */
  private waiting: Item[] = [];
  private cursor: string;
  /** The position at which `CaughtUp` is sent; null once it was. */
  private catchUpAt: number | null;
  /** The positions in their streams up to which the snapshot includes jobs, by id; null once all later events follow. */
  private included: Map<string, number> | null = null;
  private readonly jobs = new Map<string, EstimatedJob<JobPast, ActivityRow>>();
  /** Jobs whose estimates begin when the subscriber has caught up. */
  private present: readonly JobActivity[] = [];

  constructor(
    private readonly subscription: EventSubscription,
    private readonly start: Pick<ActivityStart, 'ownerStreamId' | 'head' | 'hasGap'>,
    { position, isSnapshot, present }: Pick<ActivityStart, 'position' | 'isSnapshot' | 'present'>,
    private readonly options: ActivityOptions,
  ) {
    this.cursor = encodeEventCursor(start.ownerStreamId, position);
    this.catchUpAt = isSnapshot ? position : start.head;
    const matching = present.filter(options.matches);
    if (isSnapshot) this.beginWithSnapshot(present, matching);
    else this.present = matching.map(({ item }) => item).filter(isJobActivity);
    if (position >= this.catchUpAt) this.catchUp();
  }

  get isReady(): boolean {
    return this.listener !== null;
  }

  attach(listener: Listener<Item>): boolean {
    if (this.waiting.length > 0 || !this.subscription.attach(this)) return false;
    this.listener = listener;
    return true;
  }

  detach(): void {
    this.listener = null;
    this.subscription.detach();
  }

  onItem(event: StoredEvent): void {
    this.receive(event);
  }

  onEnd(failure: unknown): void {
    const { listener } = this;
    this.finish();
    listener?.onEnd(failure);
  }

  onEstimate(tick: Tick<JobPast, ActivityRow>, last: PacedChange<JobPast, ActivityRow>): void {
    this.listener?.onItem(estimateOf(tick.at(this.cursor), last));
  }

  async next(): Promise<IteratorResult<Item, undefined>> {
    try {
      for (;;) {
        const item = this.waiting.shift();
        if (item) return { value: item, done: false };
        const { value: event } = await this.subscription.next();
        if (!event) break;
        this.receive(event);
      }
    } catch (error) {
      this.finish();
      throw error;
    }
    this.finish();
    return done;
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.finish();
    this.waiting = [];
    return this.subscription.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private beginWithSnapshot(present: readonly ActivityEntry[], matching: readonly ActivityEntry[]): void {
    const { ownerStreamId, head } = this.start;
    // Until the last item, resuming sends a new snapshot.
    const cursor = encodeEventCursor(ownerStreamId, incompleteSnapshot);
    for (const { item } of matching) {
      if (isJobActivity(item)) this.estimate(item);
      this.send({ item, cursor, isSnapshot: true, occurredAt: null });
    }
    if (this.catchUpAt === head) return;
    this.included = new Map(
      present.flatMap(({ item }) => (isJobActivity(item) ? [[item.past.id, item.sequence]] : [])),
    );
  }

  private receive(event: StoredEvent): void {
    this.cursor = activityCursorOf(event);
    const activity = activityIn(event);
    if (activity && !this.isIncluded(event) && this.options.matches(activity))
      this.sendActivity(event, activity);
    if (this.catchUpAt !== null && event.sequence >= this.catchUpAt) this.catchUp();
  }

  /** Whether the snapshot includes the event of a job, which was committed before it was read, but numbered later. */
  private isIncluded({ sequence, subjectId, origin }: StoredEvent): boolean {
    if (this.included && sequence > this.start.head) this.included = null;
    return origin !== undefined && origin.sequence <= (this.included?.get(subjectId) ?? 0);
  }

  private sendActivity(event: StoredEvent, { item }: ActivityEntry): void {
    const sent = isJobActivity(item) ? this.estimate(item) : item;
    if ('id' in item.past && item.past.typename.endsWith('Deleted')) this.forget(item.past.id);
    this.send({ item: sent, cursor: this.cursor, isSnapshot: false, occurredAt: event.createdAt });
  }

  private send(item: Item): void {
    if (this.listener && this.waiting.length === 0) this.listener.onItem(item);
    else this.waiting.push(item);
  }

  private catchUp(): void {
    this.catchUpAt = null;
    for (const item of this.present) if (!this.jobs.has(item.past.id)) this.estimate(item);
    this.present = [];
    const at = new Date(this.options.nowMs());
    const item: ActivityItem = { past: { typename: 'CaughtUp', hasGap: this.start.hasGap, at }, row: null };
    this.send({ item, cursor: this.cursor, isSnapshot: false, occurredAt: at });
  }

  /** Begins, continues or ends the estimates of a job. Returns what is sent for the change. */
  private estimate(item: JobActivity): ActivityItem {
    const { ticks } = this.options;
    if (!ticks) return item;
    const { id, status } = item.past;
    const kind = jobKindOf(item.past);
    const job = this.jobs.get(id) ?? ticks.follow<JobPast, ActivityRow>(kind, id, this);
    this.jobs.set(id, job);
    const sent = job.receive(item);
    if (hasEnded(kind, status)) this.forget(id);
    return sent;
  }

  private forget(jobId: string): void {
    this.present = this.present.filter(({ past }) => past.id !== jobId);
    this.jobs.get(jobId)?.finish();
    this.jobs.delete(jobId);
  }

  private finish(): void {
    this.listener = null;
    for (const job of this.jobs.values()) job.finish();
    this.jobs.clear();
  }
}

const estimates = new WeakMap<object, Item>();

/** What is sent for an estimate: the same object for all subscribers with the same cursor. */
function estimateOf(
  tick: Followed<PacedChange<JobPast, ActivityRow>>,
  { past, job, sequence }: JobActivity,
): Item {
  const known = estimates.get(tick);
  if (known) return known;
  // A subscription to the job itself may have made the estimate, without the type.
  const estimated = { ...past, ...tick.item.past, typename: past.typename } as JobPast;
  const change: Item = { ...tick, item: { past: estimated, row: null, job, sequence } };
  estimates.set(tick, change);
  return change;
}
