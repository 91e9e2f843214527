import type { Listener } from '../core/push-source';
import type { Followed, Following } from '../events/follow';
import type { PacedKind } from './pace';
import type { EstimatedJob, EstimateReceiver, PacedChange, ProgressTicks, Tick } from './progress-ticks';

/** Where a subscriber resumes that has received all changes. */
export interface TickStart<Payload, Row> {
  readonly cursor: string;
  readonly item: PacedChange<Payload, Row>;
}

/** The changes of a job for one subscriber, with estimates while it reads them immediately. */
export class TickedFollowing<Payload, Row>
  implements
    Following<PacedChange<Payload, Row>>,
    Listener<Followed<PacedChange<Payload, Row>>>,
    EstimateReceiver<Payload, Row>
{
  private readonly job: EstimatedJob<Payload, Row>;
  private listener: Listener<Followed<PacedChange<Payload, Row>>> | null = null;
  private cursor = '';
  private isOver = false;

  /** @param start - what the subscriber knows already: its cursor, and the change at which it is; null: it gets one */
  constructor(
    ticks: ProgressTicks,
    { kind, id }: { kind: PacedKind; id: string },
    private readonly following: Following<PacedChange<Payload, Row>>,
    start: TickStart<Payload, Row> | null,
  ) {
    this.job = ticks.follow(kind, id, this);
    if (!start) return;
    this.cursor = start.cursor;
    this.job.note(start.item);
  }

  get isReady(): boolean {
    return this.listener !== null;
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

  onEstimate(tick: Tick<Payload, Row>): void {
    this.listener?.onItem(tick.at(this.cursor));
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

  private receive(change: Followed<PacedChange<Payload, Row>>): Followed<PacedChange<Payload, Row>> {
    this.cursor = change.cursor;
    const item = this.job.receive(change.item);
    return item === change.item ? change : { ...change, item };
  }

  private finish(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.listener = null;
    this.job.finish();
  }
}
