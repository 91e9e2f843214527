import type { Listener } from '../core/push-source';
import { encodeEventCursor, incompleteSnapshot, type StoredEvent } from '../events/event';
import type { Followed, Following } from '../events/follow';
import type { EventSubscription } from '../events/subscription';
import type { PacedKind } from '../jobs/pace';
import type { EstimateReceiver, PacedChange, Tick } from '../jobs/progress-ticks';
import {
  activityCursorOf,
  activityIn,
  isJobActivity,
  typenameOf,
  type ActivityEntry,
  type ActivityItem,
  type ActivityRow,
  type JobActivity,
  type JobPast,
} from './activity-change';
import { ActivityEstimates, endedJobIn, estimatedJobs, type EstimateSource } from './activity-estimates';

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
  readonly estimates: EstimateSource | null;
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
  private readonly estimates: ActivityEstimates | null;
  private readonly start: Pick<ActivityStart, 'ownerStreamId' | 'head' | 'hasGap'>;
  /** Jobs whose estimates begin when the subscriber has caught up. */
  private present: readonly JobActivity[] = [];

  constructor(
    private readonly subscription: EventSubscription,
    { ownerStreamId, position, head, hasGap, isSnapshot, present }: ActivityStart,
    private readonly options: ActivityOptions,
  ) {
    this.estimates = options.estimates && new ActivityEstimates(options.estimates, this);
    // Without the present jobs, which are needed only at the beginning.
    this.start = { ownerStreamId, head, hasGap };
    this.cursor = encodeEventCursor(ownerStreamId, position);
    this.catchUpAt = isSnapshot ? position : head;
    const matching = present.filter(options.matches);
    if (isSnapshot) this.beginWithSnapshot(present, matching);
    else this.present = estimatedJobs(jobsIn(matching));
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

  onEstimate(tick: Tick<JobPast, ActivityRow>, kind: PacedKind): void {
    this.listener?.onItem(estimateOf(tick.at(this.cursor), kind));
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
    for (const { item } of matching) this.send({ item, cursor, isSnapshot: true, occurredAt: null });
    for (const job of estimatedJobs(jobsIn(matching))) this.estimates?.receive(job);
    if (this.catchUpAt === head) return;
    this.included = new Map(jobsIn(present).map(({ past, sequence }) => [past.id, sequence]));
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
    const sent = isJobActivity(item) && this.estimates ? this.estimates.receive(item) : item;
    const ended = endedJobIn(item.past);
    if (ended !== null) this.forget(ended);
    this.send({ item: sent, cursor: this.cursor, isSnapshot: false, occurredAt: event.createdAt });
  }

  private send(item: Item): void {
    // A listener is attached only when no item waits.
    if (this.listener) this.listener.onItem(item);
    else this.waiting.push(item);
  }

  private catchUp(): void {
    this.catchUpAt = null;
    for (const item of this.present) this.estimates?.receive(item);
    this.present = [];
    const at = new Date(this.options.nowMs());
    const item: ActivityItem = { past: { typename: 'CaughtUp', hasGap: this.start.hasGap, at }, row: null };
    this.send({ item, cursor: this.cursor, isSnapshot: false, occurredAt: at });
  }

  private forget(jobId: string): void {
    this.present = this.present.filter(({ past }) => past.id !== jobId);
    this.estimates?.forget(jobId);
  }

  private finish(): void {
    this.listener = null;
    this.estimates?.finish();
  }
}

function jobsIn(entries: readonly ActivityEntry[]): JobActivity[] {
  return entries.map(({ item }) => item).filter(isJobActivity);
}

const estimates = new WeakMap<object, Item>();

/** What is sent for an estimate: the same object for all subscribers with the same cursor. */
function estimateOf(tick: Followed<PacedChange<JobPast, ActivityRow>>, kind: PacedKind): Item {
  const known = estimates.get(tick);
  if (known) return known;
  const { past, job, sequence } = tick.item;
  // A subscription to the job itself may have made the estimate, without the type.
  const estimated = { ...past, typename: typenameOf(kind) } as JobPast;
  const change: Item = { ...tick, item: { past: estimated, row: null, job, sequence } };
  estimates.set(tick, change);
  return change;
}
