import { backoffMs, pause } from '../core/clock';
import type { Logger } from '../core/logger';
import type { Sql } from '../core/sql';
import type { EventKind } from './event.entity';
import type { StoredEvent } from './stored-event';
import { chunks } from './wake';

/** A page of a stream, read in one statement. */
export interface EventPage {
  /** The first events after the position, in order; empty only if there are none. */
  readonly events: readonly StoredEvent[];
  /** The last sequence number of the stream; null if the stream does not exist. */
  readonly head: number | null;
  /** Whether the stream has ended at its head. */
  readonly isEnded: boolean;
}

/** A position in a stream. */
export interface Place {
  streamId: string;
  /** The sequence of the last event before it. */
  after: number;
}

interface Wanted extends Place {
  readonly page: Promise<EventPage>;
  resolve(page: EventPage): void;
}

interface PageRow {
  place: number;
  head: number | null;
  is_ended: boolean;
  sequence: number | null;
  kind: EventKind;
  subject_id: string;
  generation_id: string | null;
  payload: Record<string, unknown>;
  created_at: Date;
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
      const rows = await this.retryUntilStopped(() =>
        this.sql.rows<{ id: string }>(behindStatement, parametersOf(chunk)),
      );
      for (const row of rows ?? []) ids.push(row.id);
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
    const rows = await this.sql.rows<PageRow>(pageStatement, [...parametersOf(batch), limit]);
    const pages: ({ events: StoredEvent[]; head: number | null; isEnded: boolean } | undefined)[] = [];
    for (const row of rows) {
      const page = (pages[row.place] ??= { events: [], head: row.head, isEnded: row.is_ended });
      if (row.sequence !== null) page.events.push(eventOf(batch[row.place]!.streamId, row.sequence, row));
    }
    return pages;
  }
}

function parametersOf(places: readonly Place[]): [string[], number[]] {
  return [places.map(({ streamId }) => streamId), places.map(({ after }) => after)];
}

function eventOf(streamId: string, sequence: number, row: PageRow): StoredEvent {
  return {
    streamId,
    sequence,
    kind: row.kind,
    subjectId: row.subject_id,
    generationId: row.generation_id,
    payload: row.payload,
    createdAt: row.created_at,
  };
}

// The driver returns float8 as a number, bigint as text. float8 represents integers up to 2^53 exactly.
const pageStatement = `
  SELECT f.place::int - 1 AS place, s.sequence::float8 AS head, (s.id IS NULL OR s.ended_at IS NOT NULL) AS is_ended,
         e.sequence::float8 AS sequence, e.kind, e.subject_id, e.generation_id, e.payload, e.created_at
    FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS f (stream_id, after, place)
    LEFT JOIN streams s ON s.id = f.stream_id
    LEFT JOIN LATERAL (
           SELECT * FROM events WHERE stream_id = f.stream_id AND sequence > f.after ORDER BY sequence LIMIT $3
         ) e ON true
   ORDER BY f.place, e.sequence`;

const behindStatement = `
  SELECT f.stream_id AS id
    FROM unnest($1::uuid[], $2::bigint[]) AS f (stream_id, after)
    LEFT JOIN streams s ON s.id = f.stream_id
   WHERE s.id IS NULL OR s.sequence > f.after`;
