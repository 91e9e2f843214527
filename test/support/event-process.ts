import { newId } from '../../src/core/ids';
import { createLogger } from '../../src/core/logger';
import type { Sql, Transactions } from '../../src/core/sql';
import type { StoredEvent } from '../../src/events/event';
import { appendEvents, openStream, type NewEvent } from '../../src/events/event-log.repository';
import { streamReader } from '../../src/events/event-page.repository';
import { EventFeed } from '../../src/events/feed';
import { Wakeups } from '../../src/events/wakeups';
import type { TestDatabase } from './database';

/** The event services of a gateway process: pool, wake-ups and feed. */
export class EventProcess {
  readonly wakeups: Wakeups;
  readonly feed: EventFeed;
  /** The number of statements that the feed has started. */
  reads = 0;
  /** The number of them that PostgreSQL has answered. */
  answers = 0;
  private held: Promise<void> = Promise.resolve();

  private constructor(
    readonly database: Transactions,
    url: string | null,
    sweepMs: number,
  ) {
    const logger = createLogger('silent');
    this.wakeups = new Wakeups({ url, logger });
    const reader = streamReader(this.countingSql());
    this.feed = new EventFeed({ reader, wakeups: this.wakeups, logger, sweepMs });
  }

  /**
   * @param sweepMs - an hour unless the sweep is tested
   * @param notifies - whether processes notify each other; otherwise they poll
   */
  static async start(database: TestDatabase, sweepMs = 3_600_000, notifies = true): Promise<EventProcess> {
    const process = new EventProcess(await database.pool(), notifies ? database.url : null, sweepMs);
    await process.wakeups.start();
    process.feed.start();
    return process;
  }

  /** A stream with no events. */
  async openStream(): Promise<string> {
    const streamId = newId();
    await openStream(this.database, streamId, 'local');
    return streamId;
  }

  /** Appends events and wakes subscribers, as a state transition does. */
  async publish(events: readonly NewEvent[]): Promise<void> {
    await this.database.transaction((sql) => appendEvents(sql, events));
    this.wakeups.announce({ streams: [...new Set(events.map((event) => event.streamId))] });
  }

  /** {@link publish}, returning when the feed has been woken. */
  async publishAndWake(events: readonly NewEvent[]): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      const end = this.wakeups.onStreams(() => {
        end();
        resolve();
      });
    });
    await this.publish(events);
    await woken;
  }

  /**
   * Withholds the responses of PostgreSQL from the feed.
   * @returns a function that releases them
   */
  holdAnswers(): () => void {
    let release: () => void = () => undefined;
    this.held = new Promise((resolve) => (release = resolve));
    return release;
  }

  /** Throws if a subscription is still open. */
  assertAllClosed(): void {
    const { subscriberCount } = this.feed;
    if (subscriberCount > 0) throw new Error(`${subscriberCount} subscriptions were left open.`);
  }

  async stop(): Promise<void> {
    await this.feed.stop();
    await this.wakeups.stop();
  }

  private countingSql(): Sql {
    return {
      engine: this.database.engine,
      entities: (...statement) => this.database.entities(...statement),
      rows: async <Row>(text: string, parameters?: readonly unknown[]) => {
        this.reads += 1;
        const rows = await this.database.rows<Row>(text, parameters);
        this.answers += 1;
        await this.held;
        return rows;
      },
    };
  }
}

/** An event with the number `n`. */
export function change(streamId: string, n: number): NewEvent {
  return { streamId, kind: 'MODEL', subjectId: streamId, payload: { n } };
}

/** Events with the numbers `first` to `last`. */
export function changes(streamId: string, first: number, last: number): NewEvent[] {
  return Array.from({ length: last - first + 1 }, (_, index) => change(streamId, first + index));
}

/** Takes the next so many items; fewer if the stream ends before. */
export async function take<T>(from: AsyncIterator<T, undefined>, count: number): Promise<T[]> {
  const taken: T[] = [];
  while (taken.length < count) {
    const { value, done } = await from.next();
    if (done) break;
    taken.push(value);
  }
  return taken;
}

/** The numbers from `first` to `last`. */
export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** The sequences of events. */
export function sequencesOf(events: readonly StoredEvent[]): number[] {
  return events.map((event) => event.sequence);
}
