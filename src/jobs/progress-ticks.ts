import type { Listener } from '../core/push-source';
import type { DatabaseClock } from '../database/database-clock';
import type { Followed, Following } from '../events/follow';
import type { Change } from '../events/present-changes';
import type { JobRow } from './job.kind';
import { shownAt, shownProgress, type PacedKind, type ShownJob } from './pace';

/** The properties of a change that its progress depends on. */
export type PacedPayload = Pick<
  JobRow,
  'status' | 'progress' | 'submittedAt' | 'pace' | 'estimatedReadyAt' | 'attempt'
>;

/** A change of a job, as it is shown. */
export interface PacedChange<Payload, Row> extends Change<Payload & ShownJob, Row> {
  /** As it was stored. */
  readonly job: PacedPayload;
  /** The position in the stream. */
  readonly sequence: number;
}

/** How often progress is estimated for subscribers, in milliseconds. */
const tickMs = 1_000;
/** The maximum step between two estimates, in percent, for example after the process was stopped for a while. */
const maxStep = 10;

/** Receives the estimates of a job. */
interface TickListener<Payload, Row> {
  onTick(tick: Tick<Payload, Row>): void;
}

/** An estimate; subscribers at the same cursor share what is sent. */
class Tick<Payload, Row> {
  private readonly changes = new Map<string, Followed<PacedChange<Payload, Row>>>();

  constructor(
    readonly item: PacedChange<Payload, Row>,
    private readonly occurredAt: Date,
  ) {}

  at(cursor: string): Followed<PacedChange<Payload, Row>> {
    const known = this.changes.get(cursor);
    if (known) return known;
    // What is shared is identified by its item.
    const change = { item: { ...this.item }, cursor, isSnapshot: false, occurredAt: this.occurredAt };
    this.changes.set(cursor, change);
    return change;
  }
}

/** A job that is followed in this process. */
class FollowedProgress<Payload, Row> {
  readonly listeners = new Set<TickListener<Payload, Row>>();
  /** The latest change that any subscriber has received. */
  latest: PacedChange<Payload, Row> | null = null;
  /** The highest progress that was estimated in the attempt. */
  private shown = 0;
  private readonly raised = new WeakMap<object, PacedChange<Payload, Row>>();

  constructor(
    readonly id: string,
    private readonly kind: PacedKind,
  ) {}

  /** Takes a change that a subscriber receives. */
  receive(item: PacedChange<Payload, Row>): void {
    const { latest } = this;
    if (latest && item.sequence < latest.sequence) return;
    if (!continues(latest, item)) this.shown = 0;
    if (item.sequence !== latest?.sequence) this.latest = item;
  }

  /** The estimate at a time; null if the whole percent has not changed. */
  estimate(nowMs: number): Tick<Payload, Row> | null {
    const { latest, kind } = this;
    if (!latest?.job.pace || this.listeners.size === 0) return null;
    const before = Math.max(this.shown, latest.job.progress);
    const progress = Math.min(shownProgress(kind, latest.job, nowMs), before + maxStep);
    if (progress <= before) return null;
    this.shown = progress;
    const past = { ...latest.past, ...shownAt(kind, latest.job, nowMs), progress, isEstimate: true };
    const item: PacedChange<Payload, Row> = { ...latest, past, row: null };
    return new Tick(item, new Date(nowMs));
  }

  /** The change with the progress of an estimate that was sent before: the same object for all subscribers. */
  raise(item: PacedChange<Payload, Row>, progress: number): PacedChange<Payload, Row> {
    const known = this.raised.get(item);
    if (known?.past.progress === progress) return known;
    const raised = { ...item, past: { ...item.past, progress } };
    this.raised.set(item, raised);
    return raised;
  }
}

/** Whether the progress of a change is not less than that of the one before: a job that is retried begins again. */
function continues(before: { job: PacedPayload } | null, { job }: { job: PacedPayload }): boolean {
  return job.attempt === before?.job.attempt && job.status !== 'QUEUED';
}

/**
 * Sends estimated progress between the changes of jobs: at most once a second for each job, computed once for all
 * subscribers of the process.
 */
export class ProgressTicks {
  private readonly jobs = new Map<string, FollowedProgress<unknown, unknown>>();
  private timer: NodeJS.Timeout | null = null;

  constructor(readonly clock: Pick<DatabaseClock, 'nowMs'>) {}

  /**
   * Adds estimates to the changes of a job.
   * @param start - what the subscriber knows already: its cursor, and the change at which it is; null: it gets one
   */
  add<Payload, Row>(
    kind: PacedKind,
    id: string,
    following: Following<PacedChange<Payload, Row>>,
    start: TickStart<Payload, Row> | null,
  ): Following<PacedChange<Payload, Row>> {
    return new TickedFollowing(
      following,
      () => this.join(kind, id),
      (job) => this.leave(job),
      start,
    );
  }

  private join<Payload, Row>(kind: PacedKind, id: string): FollowedProgress<Payload, Row> {
    const known = this.jobs.get(id) ?? new FollowedProgress(id, kind);
    this.jobs.set(id, known);
    this.timer ??= setInterval(() => this.tick(), tickMs).unref();
    // All subscribers of an id have the same kind.
    return known as FollowedProgress<Payload, Row>;
  }

  private leave(job: Pick<FollowedProgress<never, never>, 'id' | 'listeners'>): void {
    if (job.listeners.size > 0) return;
    this.jobs.delete(job.id);
    if (this.jobs.size > 0) return;
    clearInterval(this.timer ?? undefined);
    this.timer = null;
  }

  private tick(): void {
    const nowMs = this.clock.nowMs();
    for (const job of this.jobs.values()) {
      const tick = job.estimate(nowMs);
      if (tick) for (const listener of job.listeners) listener.onTick(tick);
    }
  }
}

/** Where a subscriber resumes that has received all changes. */
export interface TickStart<Payload, Row> {
  readonly cursor: string;
  readonly item: PacedChange<Payload, Row>;
}

/** The changes of a job for one subscriber, with estimates while it reads them immediately. */
class TickedFollowing<Payload, Row>
  implements
    Following<PacedChange<Payload, Row>>,
    Listener<Followed<PacedChange<Payload, Row>>>,
    TickListener<Payload, Row>
{
  private readonly job: FollowedProgress<Payload, Row>;
  private listener: Listener<Followed<PacedChange<Payload, Row>>> | null = null;
  private cursor = '';
  /** The change that the subscriber has received last, as it was stored. */
  private last: PacedChange<Payload, Row> | null = null;
  /** The highest estimate that it has received since the attempt began. */
  private estimated = 0;
  private isOver = false;

  constructor(
    private readonly following: Following<PacedChange<Payload, Row>>,
    join: () => FollowedProgress<Payload, Row>,
    private readonly leave: (job: FollowedProgress<Payload, Row>) => void,
    start: TickStart<Payload, Row> | null,
  ) {
    this.job = join();
    this.job.listeners.add(this);
    if (start) this.note(start.cursor, start.item);
  }

  attach(listener: Listener<Followed<PacedChange<Payload, Row>>>): boolean {
    if (!this.following.attach(this)) return false;
    this.listener = listener;
    return true;
  }

  detach(): void {
    this.listener = null;
    this.following.detach();
  }

  onItem(change: Followed<PacedChange<Payload, Row>>): void {
    this.listener?.onItem(this.receive(change));
  }

  onEnd(failure: unknown): void {
    const { listener } = this;
    this.finish();
    listener?.onEnd(failure);
  }

  /** An estimate is only for a subscriber that has received the change from which it continues. */
  onTick(tick: Tick<Payload, Row>): void {
    const { listener, last } = this;
    const { progress } = tick.item.past;
    if (!listener || !last || stateOf(last) !== stateOf(tick.item)) return;
    if (progress <= Math.max(this.estimated, last.past.progress)) return;
    this.estimated = progress;
    listener.onItem(tick.at(this.cursor));
  }

  async next(): Promise<IteratorResult<Followed<PacedChange<Payload, Row>>, undefined>> {
    try {
      const result = await this.following.next();
      if (!result.done) return { done: false, value: this.receive(result.value) };
    } catch (error) {
      this.finish();
      throw error;
    }
    this.finish();
    return { done: true, value: undefined };
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.finish();
    return this.following.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** What is sent for a change: never less than an estimate that this subscriber has received. */
  private receive(change: Followed<PacedChange<Payload, Row>>): Followed<PacedChange<Payload, Row>> {
    const { item } = change;
    this.note(change.cursor, item);
    return item.past.progress < this.estimated
      ? { ...change, item: this.job.raise(item, this.estimated) }
      : change;
  }

  private note(cursor: string, item: PacedChange<Payload, Row>): void {
    if (!continues(this.last, item)) this.estimated = 0;
    this.cursor = cursor;
    this.last = item;
    this.job.receive(item);
  }

  private finish(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.listener = null;
    this.job.listeners.delete(this);
    this.leave(this.job);
  }
}

/** Identifies the stored state of a job. */
function stateOf({ job }: { job: PacedPayload }): string {
  const { status, attempt, progress, pace } = job;
  return [status, attempt, progress, pace?.atMs, pace?.reached].join(' ');
}
