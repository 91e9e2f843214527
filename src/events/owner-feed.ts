import { backoffMs, pause } from '../core/clock';
import type { Logger } from '../core/logger';
import { Pacing } from '../core/pacing';
import type { Transactions } from '../core/sql';
import type { EventReader } from './event-page.repository';
import { EventFeed } from './feed';
import { numberEvents } from './owner-numbers.repository';
import {
  findOwnersBehind,
  forgetRestoredStreams,
  ownerStreamsOf,
  readOwnerPages,
} from './owner-stream.repository';
import type { EventSubscription } from './subscription';
import type { Wakeups } from './wakeups';

/** Options of {@link OwnerFeed}. */
export interface OwnerFeedOptions {
  database: Transactions;
  wakeups: Pick<Wakeups, 'onStreams' | 'onReconnect'>;
  logger: Logger;
  /** See `EventFeedOptions.sweepMs`. */
  sweepMs?: number;
}

/** The delays between tries of the check after a reconnect, in milliseconds. */
const firstPauseMs = 200;
const maxPauseMs = 5_000;

/** Reads the streams of owners: events are numbered when they are read. */
function ownerReader(database: Transactions): EventReader {
  return {
    read: async (places, limit) => {
      // Events of held streams are found by the next check of all followed streams.
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
  private isStarted = false;
  private checking: Promise<void> | null = null;
  private readonly stopping = new AbortController();

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

  /**
   * Checks whether the database was restored from another server, then starts listening for wake-ups. Further calls have no
   * effect.
   */
  async start(): Promise<void> {
    if (this.isStarted) return;
    this.isStarted = true;
    await this.forgetRestored();
    this.feed.start();
  }

  /** Ends all subscriptions permanently. Clients can resume with their cursors. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.feed.stop();
    await this.finding;
    await this.checking;
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
    const { wakeups } = this.options;
    const unsubscribe = wakeups.onStreams((ids) => {
      if (this.feed.subscriberCount === 0) return;
      if (ids === 'all') listener(ids);
      else {
        for (const id of ids) this.woken.add(id);
        this.finding ??= this.findOwners(listener);
      }
    });
    const ignoreReconnects = wakeups.onReconnect(() => {
      this.checking ??= this.checkUntilDone(() => listener('all'));
    });
    return () => {
      unsubscribe();
      ignoreReconnects();
    };
  }

  /** Repeats the check while the database is unavailable: it may just have been switched to another server. */
  private async checkUntilDone(onRestored: () => void): Promise<void> {
    const { signal } = this.stopping;
    for (let tries = 1; !signal.aborted; tries += 1) {
      try {
        if (await this.forgetRestored()) onRestored();
        break;
      } catch (error) {
        this.options.logger.debug({ err: error }, 'checking the streams of owners failed; repeating');
        await pause(backoffMs(tries, firstPauseMs, maxPauseMs), signal);
      }
    }
    this.checking = null;
  }

  private async forgetRestored(): Promise<boolean> {
    const isRestored = await forgetRestoredStreams(this.options.database);
    if (isRestored)
      this.options.logger.warn(
        'the database was restored from another server; clients of activity begin again',
      );
    return isRestored;
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
