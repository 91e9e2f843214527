import { backoffMs, pause } from '../core/clock';
import type { Logger } from '../core/logger';
import type { Sql } from '../core/sql';
import { findBehind, readPages, type EventPage, type Place } from './event-page.repository';
import { chunks } from './wake';

interface Wanted extends Place {
  readonly page: Promise<EventPage>;
  resolve(page: EventPage): void;
}

const maxPlacesPerStatement = 1_000;
/** Limits the memory for the result of one statement. */
const maxEventsPerStatement = 4_000;
const minEventsPerPage = 4;
const maxEventsPerPage = 500;
const firstPauseMs = 100;
const maxPauseMs = 2_000;

const gone: EventPage = { events: [], head: null, isEnded: true };

/**
 * Reads events for a process, one statement at a time. Requests made while a statement runs are combined into the next
 * one, and requests for the same position share one read. While the database is unavailable, reads are retried with
 * backoff up to 2 s.
 */
export class EventPages {
  private readonly wanted = new Map<string, Wanted>();
  private reading: Promise<void> | null = null;
  private readonly abort = new AbortController();

  constructor(
    private readonly sql: Sql,
    private readonly logger: Logger,
  ) {}

  /** Reads the events after a position: at most 500, fewer if many positions are read together. Never rejects. */
  read(streamId: string, after: number): Promise<EventPage> {
    const key = `${streamId} ${after}`;
    const known = this.wanted.get(key);
    if (known) return known.page;
    let resolve: Wanted['resolve'] = () => undefined;
    const page = new Promise<EventPage>((settle) => (resolve = settle));
    this.wanted.set(key, { streamId, after, page, resolve });
    this.reading ??= this.readAll();
    return page;
  }

  /** Returns the streams that have events after the given positions or no longer exist. Never rejects. */
  async behind(places: readonly Place[]): Promise<string[]> {
    const ids: string[] = [];
    for (const chunk of chunks(places, maxPlacesPerStatement)) {
      ids.push(...((await this.retryUntilStopped(() => findBehind(this.sql, chunk))) ?? []));
    }
    return ids;
  }

  /** Stops reading and resolves pending reads as if their stream no longer existed. */
  async stop(): Promise<void> {
    this.abort.abort();
    await this.reading;
  }

  private async readAll(): Promise<void> {
    // Requests of the same event loop turn are read together.
    await Promise.resolve();
    while (this.wanted.size > 0) {
      const batch = this.takeBatch();
      const pages = await this.retryUntilStopped(() => this.readBatch(batch));
      batch.forEach((wanted, place) => {
        wanted.resolve(pages?.[place] ?? gone);
      });
    }
    this.reading = null;
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
        this.logger[failures === 1 ? 'warn' : 'debug']({ err: error }, 'reading events failed; retrying');
        await pause(backoffMs(failures, firstPauseMs, maxPauseMs), signal);
      }
    }
    return null;
  }

  private async readBatch(batch: readonly Wanted[]): Promise<(EventPage | undefined)[]> {
    const share = Math.floor(maxEventsPerStatement / batch.length);
    const limit = Math.min(maxEventsPerPage, Math.max(minEventsPerPage, share));
    return readPages(this.sql, batch, limit);
  }
}
