import type { Logger } from '../core/logger';
import { Pacing } from '../core/pacing';
import type { Transactions } from '../core/sql';
import type { EventReader } from './event-page.repository';
import { EventFeed } from './feed';
import { findOwnersBehind, numberEvents, ownerStreamsOf, readOwnerPages } from './owner-stream.repository';
import type { EventSubscription } from './subscription';
import type { Wakeups } from './wakeups';

/** Options of {@link OwnerFeed}. */
export interface OwnerFeedOptions {
  database: Transactions;
  wakeups: Pick<Wakeups, 'onStreams'>;
  logger: Logger;
  /** See `EventFeedOptions.sweepMs`. */
  sweepMs?: number;
}

/** Reads the streams of owners: events are numbered when they are read. */
function ownerReader(database: Transactions): EventReader {
  return {
    read: async (places, limit) => {
      await numberEvents(
        database,
        places.map(({ streamId }) => streamId),
      );
      return readOwnerPages(database, places, limit);
    },
    behind: (places) => findOwnersBehind(database, places),
  };
}

/**
 * Delivers the events of all streams of an owner, in one order, to all subscriptions of a process. Costs nothing while there
 * are no subscriptions.
 */
export class OwnerFeed {
  private readonly feed: EventFeed;
  private readonly pacing = new Pacing();
  /** Streams that were woken, until their owners are found. */
  private woken = new Set<string>();
  private finding: Promise<void> | null = null;

  constructor(private readonly options: OwnerFeedOptions) {
    const { database, logger, sweepMs } = options;
    this.feed = new EventFeed({
      reader: ownerReader(database),
      wakeups: { onStreams: (listener) => this.onOwners(listener) },
      logger,
      ...(sweepMs !== undefined && { sweepMs }),
    });
  }

  /** The number of open subscriptions. */
  get subscriberCount(): number {
    return this.feed.subscriberCount;
  }

  /** Starts listening for wake-ups. Further calls have no effect. */
  start(): void {
    this.feed.start();
  }

  /** Ends all subscriptions permanently. Clients can resume with their cursors. */
  async stop(): Promise<void> {
    await this.feed.stop();
    await this.finding;
  }

  /**
   * Subscribes to an owner's stream.
   * @param afterSequence - the last event that the subscriber has received
   */
  subscribe(ownerStreamId: string, afterSequence: number): EventSubscription {
    return this.feed.subscribe(ownerStreamId, afterSequence);
  }

  /** Calls `listener` with the streams of the owners of woken streams. */
  private onOwners(listener: (ids: readonly string[] | 'all') => void): () => void {
    return this.options.wakeups.onStreams((ids) => {
      if (this.feed.subscriberCount === 0) return;
      if (ids === 'all') listener(ids);
      else {
        for (const id of ids) this.woken.add(id);
        this.finding ??= this.findOwners(listener);
      }
    });
  }

  private async findOwners(listener: (ids: readonly string[] | 'all') => void): Promise<void> {
    while (this.woken.size > 0) {
      await this.pacing.untilNext();
      this.pacing.start();
      const ids = [...this.woken];
      this.woken.clear();
      try {
        listener(await ownerStreamsOf(this.options.database, ids));
      } catch (error) {
        // The check of all subscribed streams is repeated until the database is available.
        this.options.logger.debug({ err: error }, 'finding the owners of events failed; checking all');
        listener('all');
      }
    }
    this.finding = null;
  }
}
