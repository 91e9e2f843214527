import { backoffMs, pause } from '../core/clock';
import type { Logger } from '../core/logger';
import { levelOf } from '../core/outage';
import { Pacing } from '../core/pacing';
import { Turns, type Steps } from '../core/turns';
import type { EventPage, EventReader, Place } from './event-page.repository';
import { chunks } from './wake';

/** Sends a page to subscriptions, one in each step. Does not throw. */
type PageReceiver = (page: EventPage) => Steps;

interface Wanted extends Place {
  readonly receivers: PageReceiver[];
}

/** Maximum numbers per statement: of positions that are compared, and of positions from which events are read. */
const maxCompared = 1_000;
const maxPlacesPerStatement = 500;
/** Limits the memory for the result of one statement. */
const maxEventsPerStatement = 2_000;
const minEventsPerPage = 4;
const maxEventsPerPage = 500;
const firstPauseMs = 100;
const maxPauseMs = 2_000;

const gone: EventPage = { events: [], head: null, isEnded: true };

/**
 * Reads events for a process, one statement at a time. Requests made while a statement runs are combined into the next
 * one, and requests for the same position share one read. While pages are delivered, which takes several turns of the
 * event loop, the next ones are read. While the database is unavailable, reads are retried with backoff up to 2 s.
 */
export class EventPages {
  private readonly wanted = new Map<string, Wanted>();
  private reading: Promise<void> | null = null;
  private delivering: Promise<void> = Promise.resolve();
  private readonly turns = new Turns();
  private readonly pacing = new Pacing();
  private readonly abort = new AbortController();

  constructor(
    private readonly reader: EventReader,
    private readonly logger: Logger,
  ) {}

  /**
   * Reads the events after a position: at most 500, fewer if many positions are read together. Pages are delivered in
   * the order in which they were read.
   */
  read(streamId: string, after: number, receive: PageReceiver): void {
    const key = `${streamId} ${after}`;
    const known = this.wanted.get(key);
    if (known) known.receivers.push(receive);
    else this.wanted.set(key, { streamId, after, receivers: [receive] });
    this.reading ??= this.readAll();
  }

  /** Returns the streams that do not end at the given positions, or no longer exist. Never rejects. */
  async behind(places: readonly Place[]): Promise<string[]> {
    const ids: string[] = [];
    for (const chunk of chunks(places, maxCompared)) {
      ids.push(...((await this.retryUntilStopped(() => this.reader.behind(chunk))) ?? []));
    }
    return ids;
  }

  /** Stops reading and delivers to pending reads as if their stream no longer existed. */
  async stop(): Promise<void> {
    this.abort.abort();
    await this.reading;
    await this.delivering;
  }

  private async readAll(): Promise<void> {
    // Requests of the same event loop turn are read together.
    await Promise.resolve();
    while (this.wanted.size > 0) {
      this.pacing.start();
      const batch = this.takeBatch();
      const pages = await this.retryUntilStopped(() => this.readBatch(batch));
      // At most two batches are in memory.
      await this.delivering;
      this.delivering = this.turns.run(this.deliver(batch, pages ?? []));
      const waiting = this.wanted.size;
      if (waiting > 0 && waiting < maxPlacesPerStatement) await this.pacing.untilNext();
    }
    this.reading = null;
  }

  private *deliver(batch: readonly Wanted[], pages: readonly (EventPage | undefined)[]): Steps {
    for (const [place, { receivers }] of batch.entries()) {
      for (const receive of receivers) yield* receive(pages[place] ?? gone);
    }
  }

  private takeBatch(): Wanted[] {
    const batch: Wanted[] = [];
    for (const [key, wanted] of this.wanted) {
      if (batch.length === maxPlacesPerStatement) break;
      batch.push(wanted);
      this.wanted.delete(key);
    }
    return batch;
  }

  /** Retries until the read succeeds; null if it was stopped. */
  private async retryUntilStopped<T>(read: () => Promise<T>): Promise<T | null> {
    const { signal } = this.abort;
    for (let failures = 0; !signal.aborted;) {
      try {
        return await read();
      } catch (error) {
        failures += 1;
        // Repeated failures of one outage are logged at debug.
        this.logger[failures === 1 ? levelOf(error, 'warn') : 'debug'](
          { err: error },
          'reading events failed; retrying',
        );
        await pause(backoffMs(failures, firstPauseMs, maxPauseMs), signal);
      }
    }
    return null;
  }

  private async readBatch(batch: readonly Wanted[]): Promise<(EventPage | undefined)[]> {
    const share = Math.floor(maxEventsPerStatement / batch.length);
    const limit = Math.min(maxEventsPerPage, Math.max(minEventsPerPage, share));
    return this.reader.read(batch, limit);
  }
}
