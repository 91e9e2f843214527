import type { DatabaseClock } from '../database/database-clock';
import type { Followed } from '../events/follow';
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

/** A stored state of a job. The subscribers that have received it share the object. */
interface KnownState {
  /** Identifies the state; equal for equal ones. */
  readonly key: string;
  readonly job: PacedPayload;
}

/** Receives the estimates of a job. */
interface TickListener<Payload, Row> {
  onTick(tick: Tick<Payload, Row>): void;
}

/** An estimate; subscribers at the same cursor share what is sent. */
export class Tick<Payload, Row> {
  private readonly changes = new Map<string, Followed<PacedChange<Payload, Row>>>();

  /** @param stateKey - identifies the state that it continues */
  constructor(
    readonly item: PacedChange<Payload, Row>,
    readonly stateKey: string,
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
  /** The latest change that any subscriber has received, without its row. */
  private latest: PacedChange<Payload, Row> | null = null;
  private state: KnownState | null = null;
  /** The highest progress that was estimated in the attempt. */
  private shown = 0;
  private readonly raised = new WeakMap<object, PacedChange<Payload, Row>>();

  constructor(
    readonly id: string,
    readonly kind: PacedKind,
  ) {}

  /** Takes a change that a subscriber receives. */
  receive(item: PacedChange<Payload, Row>): KnownState {
    const { latest, state } = this;
    if (latest && state && item.sequence === latest.sequence) return state;
    const received = { key: stateOf(item), job: item.job };
    if (latest && item.sequence < latest.sequence) return received;
    if (!continues(state, received)) this.shown = 0;
    this.latest = { ...item, row: null };
    this.state = received;
    return received;
  }

  /** The estimate at a time; null if the whole percent has not changed. */
  estimate(nowMs: number): Tick<Payload, Row> | null {
    const { latest, state, kind } = this;
    if (!latest?.job.pace || !state || this.listeners.size === 0) return null;
    const before = Math.max(this.shown, latest.job.progress);
    const progress = Math.min(shownProgress(kind, latest.job, nowMs), before + maxStep);
    if (progress <= before) return null;
    this.shown = progress;
    const past = { ...latest.past, ...shownAt(kind, latest.job, nowMs), progress, isEstimate: true };
    return new Tick({ ...latest, past }, state.key, new Date(nowMs));
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

  /** Begins to send the estimates of a job to a subscriber. */
  follow<Payload, Row>(
    kind: PacedKind,
    id: string,
    receiver: EstimateReceiver<Payload, Row>,
  ): EstimatedJob<Payload, Row> {
    return new EstimatedJob(this.join(kind, id), this.leave, receiver);
  }

  private join<Payload, Row>(kind: PacedKind, id: string): FollowedProgress<Payload, Row> {
    const known = this.jobs.get(id) ?? new FollowedProgress(id, kind);
    this.jobs.set(id, known);
    this.timer ??= setInterval(() => this.tick(), tickMs).unref();
    // All subscribers of an id have the same kind.
    return known as FollowedProgress<Payload, Row>;
  }

  /** One function for all jobs of all subscribers. */
  private readonly leave = ({
    id,
    listeners,
  }: {
    readonly id: string;
    readonly listeners: ReadonlySet<unknown>;
  }): void => {
    if (listeners.size > 0) return;
    this.jobs.delete(id);
    if (this.jobs.size > 0) return;
    clearInterval(this.timer ?? undefined);
    this.timer = null;
  };

  private tick(): void {
    const nowMs = this.clock.nowMs();
    for (const job of this.jobs.values()) {
      const tick = job.estimate(nowMs);
      if (tick) for (const listener of job.listeners) listener.onTick(tick);
    }
  }
}

/** A subscriber that receives estimates. */
export interface EstimateReceiver<Payload, Row> {
  /** Whether it takes estimates now: while it reads its changes immediately. */
  readonly isReady: boolean;
  onEstimate(tick: Tick<Payload, Row>, kind: PacedKind): void;
}

/** The progress of a job that one subscriber has received. */
export class EstimatedJob<Payload, Row> implements TickListener<Payload, Row> {
  /** The state that the subscriber has received last. */
  private last: KnownState | null = null;
  /** The progress that was sent with it. */
  private progress = 0;
  /** The highest estimate that it has received since the attempt began. */
  private estimated = 0;

  constructor(
    private readonly job: FollowedProgress<Payload, Row>,
    private readonly leave: (job: { readonly id: string; readonly listeners: ReadonlySet<unknown> }) => void,
    private readonly receiver: EstimateReceiver<Payload, Row>,
  ) {
    job.listeners.add(this);
  }

  /** An estimate is only for a subscriber that has received the change from which it continues. */
  onTick(tick: Tick<Payload, Row>): void {
    const { receiver, last } = this;
    const { progress } = tick.item.past;
    if (!receiver.isReady || last?.key !== tick.stateKey) return;
    if (progress <= Math.max(this.estimated, this.progress)) return;
    this.estimated = progress;
    receiver.onEstimate(tick, this.job.kind);
  }

  /** What is sent for a change: never less than an estimate that this subscriber has received. */
  receive(item: PacedChange<Payload, Row>): PacedChange<Payload, Row> {
    this.note(item);
    return item.past.progress < this.estimated ? this.job.raise(item, this.estimated) : item;
  }

  /** Takes a change that the subscriber knows. */
  note(item: PacedChange<Payload, Row>): void {
    if (!continues(this.last, item)) this.estimated = 0;
    this.last = this.job.receive(item);
    this.progress = item.past.progress;
  }

  /** Sends no further estimates. */
  finish(): void {
    this.job.listeners.delete(this);
    this.leave(this.job);
  }
}

/** Identifies the stored state of a job. */
function stateOf({ job }: { job: PacedPayload }): string {
  const { status, attempt, progress, pace } = job;
  return [status, attempt, progress, pace?.atMs, pace?.reached].join(' ');
}
