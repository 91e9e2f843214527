import { notFound, type DomainError } from '../core/errors';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { decodeEventCursor, oncePerEvent, type PayloadCodec, type StoredEvent } from '../events/event';
import type { Positioned, StreamPosition } from '../events/event-log.repository';
import type { EventFeed } from '../events/feed';
import { follow } from '../events/follow';
import { withPresent, type PresentChange } from '../events/present-changes';
import { PresentRows, type OwnedKey } from '../events/present-rows';
import { findJobsInStreams, findOwnedJobs } from './job-row.repository';
import type { JobKind, JobRow } from './job.kind';
import { shownAt, shownProgress, type ShownJob } from './pace';
import type { PacedChange, PacedPayload, ProgressTicks } from './progress-ticks';
import { TickedFollowing } from './ticked-following';

/** A change of a job, with the job as it is when the change is sent; null if the subscriber does not select it. */
export type JobChange<Payload, Row> = PresentChange<Payload & ShownJob, (Row & Positioned) | null>;

/** What a subscriber follows. */
export interface FollowedJob {
  readonly id: string;
  /** The last cursor received: the stream resumes after it, without the current state. Null: none. */
  readonly after: string | null;
  /** Whether the job is read for each change. */
  readonly readsJob: boolean;
}

/** The value that is sent for a change. */
export type ShowChange<Payload, Row, Shown> = (change: JobChange<Payload, Row>) => Shown;

/** The streams of `trainingProgress` and `generationProgress`. */
export class JobSubscriptions<Payload extends PacedPayload, Row extends JobRow & Payload> {
  private readonly opened: PresentRows<Row & StreamPosition>;
  private readonly rows: PresentRows<Row & Positioned>;
  private readonly changeIn: (event: StoredEvent) => PacedChange<Payload, Row & Positioned>;

  constructor(
    sql: Sql,
    private readonly feed: EventFeed,
    private readonly kind: JobKind<Row>,
    codec: PayloadCodec<Payload>,
    private readonly ticks: ProgressTicks,
  ) {
    this.changeIn = oncePerEvent(({ payload, createdAt, sequence }) => {
      const job = codec.read(payload);
      return { past: { ...job, ...shownAt(kind, job, createdAt.getTime()) }, row: null, job, sequence };
    });
    this.opened = new PresentRows((keys) => findJobsInStreams(sql, kind, keys), { maxRetries: 0 });
    this.rows = new PresentRows((keys) => findOwnedJobs(sql, kind, keys));
  }

  /**
   * Sends the job's current state, then every change until it has ended.
   * @throws DomainError NOT_FOUND, also when the job is deleted during the stream; INVALID_CURSOR
   */
  async follow<Shown>(
    { owner }: Viewer,
    { id, after, readsJob }: FollowedJob,
    show: ShowChange<Payload, Row, Shown>,
  ): Promise<AsyncIterableIterator<Shown>> {
    const { kind } = this;
    const found = await this.opened.find({ owner, id });
    if (!found) throw deletedJob(kind.noun);
    const following = await follow<PacedChange<Payload, Row & Positioned>>(this.feed, {
      ...{ streamId: kind.streamOf(found), subjectId: id, after },
      present: () =>
        Promise.resolve({
          sequence: found.sequence,
          oldest: found.oldest,
          items: [this.presentOf(found)],
          ended: hasEnded(kind, found.status),
        }),
      read: this.readerOf(id),
      isLast: this.isLast,
    });
    const start =
      after !== null && decodeEventCursor(after, kind.streamOf(found)) === found.sequence
        ? { cursor: after, item: this.presentOf(found) }
        : null;
    const ticked = new TickedFollowing(this.ticks, { kind, id }, following, start);
    return withPresent(ticked, { find: readsJob ? this.finderOf({ owner, id }) : readNothing, show });
  }

  private presentOf(row: Row & Positioned): PacedChange<Payload, Row & Positioned> {
    const progress = shownProgress(this.kind, row, row.now);
    const past = { ...row, ...shownAt(this.kind, row, row.now), progress };
    return { past, row, job: row, sequence: row.sequence };
  }

  private readonly isLast = ({ past }: PacedChange<Payload, Row & Positioned>): boolean =>
    hasEnded(this.kind, past.status);

  // The functions are created here, because those of `follow` would keep the job that it has read.
  private readerOf(id: string): (event: StoredEvent) => PacedChange<Payload, Row & Positioned> | null {
    const { kind } = this;
    return (event) => {
      refuseDeleted(event, kind.noun, id);
      return event.kind === kind.eventKind && event.subjectId === id ? this.changeIn(event) : null;
    };
  }

  private finderOf(key: OwnedKey): () => Promise<(Row & Positioned) | null> {
    return async () => {
      const job = await this.rows.find(key);
      if (!job) throw deletedJob(this.kind.noun);
      return job;
    };
  }
}

const readNothing = (): null => null;

/** Whether a job in this state moves only by a request or a late result. */
export function hasEnded({ unfinished }: Pick<JobKind, 'unfinished'>, status: string): boolean {
  return !unfinished.includes(status);
}

/**
 * Ends a stream when its job is deleted, or the model of its generation.
 * @param field - the path of the job's id in the arguments
 */
export function refuseDeleted(
  event: StoredEvent,
  noun: JobKind['noun'],
  id: string,
  field = `${noun}Id`,
): void {
  const isWhole = event.subjectId === event.streamId || event.subjectId === id;
  if (event.kind === 'DELETED' && isWhole) throw deletedJob(noun, field);
}

/** The error of a subscription to a job that does not exist. */
export function deletedJob(noun: JobKind['noun'], field = `${noun}Id`): DomainError {
  return notFound(noun, field);
}
