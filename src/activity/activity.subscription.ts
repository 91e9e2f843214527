import { writeTransaction } from '../accounts/write-admission.repository';
import { BatchQueue } from '../core/batch-queue';
import type { Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { cursorAhead, decodeEventCursor, encodeEventCursor, incompleteSnapshot } from '../events/event';
import type { OwnerFeed } from '../events/owner-feed';
import {
  createOwnerStream,
  openOwnerStreams,
  type OpenedStream,
  type OwnerStream,
} from '../events/owner-stream.repository';
import { withPresent, type PresentChange } from '../events/present-changes';
import { PresentRows, type OwnedKey } from '../events/present-rows';
import type { AvatarEntity } from '../generations/avatar.entity';
import type { AvatarService } from '../generations/avatar.service';
import { generationKind, type PresentGeneration } from '../generations/generation.kind';
import { findOwnedJobs, findUnfinishedJobs } from '../jobs/job-row.repository';
import type { ProgressTicks } from '../jobs/progress-ticks';
import { modelKind, type PresentModel } from '../models/model.kind';
import type { NoticeEntity } from '../notices/notice.entity';
import type { NoticeService } from '../notices/notice.service';
import {
  presentGeneration,
  presentModel,
  type ActivityEntry,
  type ActivityKind,
  type ActivityPast,
  type ActivityRow,
} from './activity-change';
import { EstimateCounts } from './activity-estimates';
import { ActivityFollowing, type ActivityStart } from './activity-following';

/** The maximum number of unfinished models, and of unfinished generations, that are sent first. */
const maxPresentJobs = 500;
/** Limits the memory for the result of one statement. */
const maxOwnersPerRead = 20;

/** What a subscriber wants to receive. */
export interface FollowedActivity {
  /** The last cursor received. Null: none. */
  readonly after: string | null;
  /** Null: all kinds. */
  readonly kinds: readonly ActivityKind[] | null;
  /** The UUIDs of models, with their generations and avatars. Null: also those without a model. */
  readonly modelIds: readonly string[] | null;
  readonly estimates: boolean;
  /** The types of objects that are read for each change. */
  readonly reads: ReadonlySet<ActivityKind>;
}

/** A change with its object. */
export type PresentActivity = PresentChange<ActivityPast, ActivityRow | null>;

/** What {@link ActivitySubscriptions} uses. */
export interface ActivityDeps {
  database: Transactions;
  feed: OwnerFeed;
  ticks: ProgressTicks;
  avatars: Pick<AvatarService, 'findOwned'>;
  notices: Pick<NoticeService, 'findOwned'>;
}

/** The stream of `activity`. */
export class ActivitySubscriptions {
  private readonly models: PresentRows<PresentModel>;
  private readonly generations: PresentRows<PresentGeneration>;
  private readonly avatars: PresentRows<AvatarEntity>;
  private readonly notices: PresentRows<NoticeEntity>;
  private readonly opened: BatchQueue<string, OpenedStream | null>;
  private readonly unfinished: BatchQueue<string, readonly ActivityEntry[]>;
  private readonly estimateCounts = new EstimateCounts();

  constructor(private readonly deps: ActivityDeps) {
    const { database, avatars, notices } = deps;
    this.models = new PresentRows((keys) => findOwnedJobs(database, modelKind, keys));
    this.generations = new PresentRows((keys) => findOwnedJobs(database, generationKind, keys));
    this.avatars = new PresentRows((keys) => avatars.findOwned(keys));
    this.notices = new PresentRows((keys) => notices.findOwned(keys));
    this.opened = new BatchQueue((owners) => this.openAll(owners));
    this.unfinished = new BatchQueue((owners) => this.findUnfinished(owners));
  }

  /** The cursor after everything that was committed before this call. */
  async cursor(viewer: Viewer): Promise<string> {
    const { id, sequence } = await this.open(viewer);
    return encodeEventCursor(id, sequence);
  }

  /**
   * Sends the owner's unfinished jobs or, with a cursor, each change since; then each change.
   * @throws DomainError INVALID_CURSOR
   */
  async follow<Shown>(
    viewer: Viewer,
    { after, kinds, modelIds, estimates, reads }: FollowedActivity,
    show: (activity: PresentActivity) => Shown,
  ): Promise<AsyncIterableIterator<Shown>> {
    const { ticks, feed } = this.deps;
    const start = await this.startAt(viewer, after, estimates);
    const { ownerStreamId, position } = start;
    const models = modelIds && new Set(modelIds);
    const following = new ActivityFollowing(feed.subscribe(ownerStreamId, position), start, {
      matches: ({ kind, streamId }) =>
        (kinds === null || kinds.includes(kind)) &&
        (models === null || (kind !== 'NOTICE' && models.has(streamId))),
      estimates: estimates ? { ticks, counts: this.estimateCounts, owner: viewer.owner } : null,
      nowMs: () => ticks.clock.nowMs(),
    });
    return withPresent<ActivityPast, ActivityRow, ActivityRow | null, Shown>(following, {
      find: (past) => this.find(viewer.owner, past, reads),
      show,
    });
  }

  private async startAt(viewer: Viewer, after: string | null, estimates: boolean): Promise<ActivityStart> {
    const { id, sequence, oldest } = await this.open(viewer);
    const place = after === null ? incompleteSnapshot : decodeEventCursor(after, id);
    if (place > sequence) throw cursorAhead();
    if (place === incompleteSnapshot || place + 1 < oldest)
      return this.startWithJobs(viewer, id, sequence, after !== null);
    const present = estimates ? await this.unfinished.load(viewer.owner) : [];
    const at = { ownerStreamId: id, position: place, head: sequence };
    return { ...at, present, isSnapshot: false, hasGap: false };
  }

  private async startWithJobs(
    viewer: Viewer,
    ownerStreamId: string,
    position: number,
    hasGap: boolean,
  ): Promise<ActivityStart> {
    const present = await this.unfinished.load(viewer.owner);
    const { sequence: head } = await this.open(viewer);
    return { ownerStreamId, position, head, present, isSnapshot: true, hasGap };
  }

  /** The owner's stream, in which every event that was committed before this call has a number. */
  private async open(viewer: Viewer): Promise<OwnerStream> {
    const { owner } = viewer;
    let stream = await this.opened.load(owner);
    if (!stream) {
      await writeTransaction(this.deps.database, viewer, (sql) => createOwnerStream(sql, owner));
      stream = (await this.opened.load(owner))!;
    }
    if (stream.held) throw stream.held;
    return stream;
  }

  private async openAll(owners: readonly string[]): Promise<(OpenedStream | null)[]> {
    const streams = await openOwnerStreams(this.deps.database, [...new Set(owners)]);
    const byOwner = new Map(streams.map((stream) => [stream.owner, stream]));
    return owners.map((owner) => byOwner.get(owner) ?? null);
  }

  /**
   * The unfinished jobs of each owner, the oldest first: models, then generations. All subscribers of an owner share the
   * objects.
   */
  private async findUnfinished(given: readonly string[]): Promise<(readonly ActivityEntry[])[]> {
    const owners = [...new Set(given)];
    const found = new Map<string, ActivityEntry[]>(owners.map((owner) => [owner, []]));
    for (let at = 0; at < owners.length; at += maxOwnersPerRead)
      await this.readUnfinished(owners.slice(at, at + maxOwnersPerRead), found);
    return given.map((owner) => found.get(owner)!);
  }

  private async readUnfinished(
    owners: readonly string[],
    found: ReadonlyMap<string, ActivityEntry[]>,
  ): Promise<void> {
    const { database } = this.deps;
    const [models, generations] = await Promise.all([
      findUnfinishedJobs(database, modelKind, owners, maxPresentJobs),
      findUnfinishedJobs(database, generationKind, owners, maxPresentJobs),
    ]);
    for (const row of models) found.get(row.owner)!.push(presentModel(row, row.now));
    for (const row of generations) found.get(row.owner)!.push(presentGeneration(row, row.now));
  }

  /** The object as it is; null if it is not read, or was deleted. Undefined for a notice that was deleted: it is not sent. */
  private find(
    owner: string,
    past: ActivityPast,
    reads: ReadonlySet<ActivityKind>,
  ): ActivityRow | null | Promise<ActivityRow | null | undefined> {
    switch (past.typename) {
      case 'ModelChanged':
        return reads.has('MODEL') ? this.models.find(keyOf(owner, past)) : null;
      case 'GenerationChanged':
        return reads.has('GENERATION') ? this.generations.find(keyOf(owner, past)) : null;
      case 'AvatarCreated':
      case 'AvatarChanged':
        return reads.has('AVATAR') ? this.avatars.find(keyOf(owner, past)) : null;
      case 'NoticeCreated':
        return this.notices.find(keyOf(owner, past)).then((notice) => notice ?? undefined);
      default:
        return null;
    }
  }
}

function keyOf(owner: string, { id }: { id: string }): OwnedKey {
  return { owner, id };
}
