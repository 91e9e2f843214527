import { aheadOfThisJob, notOfThisJob } from '../core/event-cursor';
import type { NodeKind } from '../core/ids';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { decodeEventCursor, type StoredEvent } from '../events/event';
import type { Positioned } from '../events/event-log.repository';
import type { EventFeed } from '../events/feed';
import { PresentRows } from '../events/present-rows';
import type { EventSubscription } from '../events/subscription';
import { findOwnedJobs } from './job-row.repository';
import type { JobKind, JobRow } from './job.kind';
import { hasEnded } from './job.subscription';

/** What is waited for. */
export interface AwaitedJob {
  readonly kind: NodeKind;
  readonly id: string;
  /** The last cursor that the client has seen. Null: changes after the call count. */
  readonly after: string | null;
}

/** The next change of a job. */
export interface NextChange {
  /**
   * Resolves when the job has changed or was deleted, after {@link stop}, or if later changes cannot be observed. Never
   * rejects.
   */
  readonly happened: Promise<void>;
  /** Releases all resources. */
  stop(): void;
}

/** Waits for changes of jobs: the same changes as `trainingProgress` and `generationProgress` send, without estimates. */
export class JobWaits {
  private readonly kinds: ReadonlyMap<NodeKind, { kind: JobKind; rows: PresentRows<JobRow & Positioned> }>;

  constructor(
    sql: Sql,
    private readonly feed: Pick<EventFeed, 'subscribe'>,
    kinds: readonly JobKind[],
  ) {
    this.kinds = new Map(
      kinds.map((kind) => {
        const rows = new PresentRows((keys) => findOwnedJobs(sql, kind, keys), { maxRetries: 0 });
        return [kind.node, { kind, rows }];
      }),
    );
  }

  /**
   * Reads the job and subscribes to its changes.
   * @returns null if there is nothing to wait for: the owner has no such job, or it has ended
   * @throws DomainError INVALID_CURSOR, SERVICE_UNAVAILABLE
   */
  async open({ owner }: Viewer, { kind: node, id, after }: AwaitedJob): Promise<NextChange | null> {
    const { kind, rows } = this.kinds.get(node)!;
    const found = await rows.find({ owner, id });
    if (!found) return null;
    const streamId = kind.streamOf(found);
    const place = after === null ? found.sequence : decodeEventCursor(after, streamId, notOfThisJob);
    if (place > found.sequence) throw aheadOfThisJob();
    if (hasEnded(kind, found.status)) return null;
    const isChange = (event: StoredEvent): boolean =>
      event.subjectId === id && (event.kind === kind.eventKind || event.kind === 'DELETED');
    const events = this.feed.subscribe(streamId, place);
    return { happened: untilFirst(events, isChange), stop: () => void events.return() };
  }
}

async function untilFirst(
  events: EventSubscription,
  isChange: (event: StoredEvent) => boolean,
): Promise<void> {
  try {
    for await (const event of events) if (isChange(event)) return;
  } catch {
    // Events after the position have been pruned: whether one of them was a change is unknown.
  }
}
