import { backoffMs, pause } from '../core/clock';
import type { Logger } from '../core/logger';
import type { Sql } from '../core/sql';
import type { EventKind } from './event.entity';
import type { StoredEvent } from './stored-event';
import { chunks } from './wake';

/** What a stream holds after a place, as one statement saw it. */
export interface EventPage {
  /** The first events after the place, in order; empty only if there are none. */
  readonly events: readonly StoredEvent[];
  /** The last number that the stream has given; null if there is no such stream (any more). */
  readonly head: number | null;
  /** Whether nothing will ever follow the head. */
  readonly isEnded: boolean;
}

/** A place in a stream. */
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

const placesPerStatement = 1_000;
/** Bounds what a statement brings into memory, however many places it is asked for. */
const eventsPerStatement = 4_000;
const minEventsPerPage = 4;
const maxEventsPerPage = 500;
const firstPauseMs = 100;
const maxPauseMs = 2_000;

const gone: EventPage = { events: [], head: null, isEnded: true };

/**
 * Reads events for a whole process, one statement at a time. What is asked for while a statement runs goes into the
 * next one together, and the same place is read once, whoever wants it. While the database cannot be read, readers
 * wait and it tries again, every 2 s at most.
 */
export class EventPages {
  private readonly wanted = new Map<string, Wanted>();
  private reading: Promise<void> | null = null;
  private readonly abort = new AbortController();

  constructor(
    private readonly sql: Sql,
    private readonly logger: Logger,
  ) {}

  /** The events after a place: at most 500, fewer where many places are read at once. Never rejects. */
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

  /** Those of the streams that hold more than is known of them, or are gone. Never rejects. */
  async behind(places: readonly Place[]): Promise<string[]> {
    const ids: string[] = [];
    for (const chunk of chunks(places, placesPerStatement)) {
      const rows = await this.patiently(() =>
        this.sql.rows<{ id: string }>(behindStatement, parametersOf(chunk)),
      );
      for (const row of rows ?? []) ids.push(row.id);
    }
    return ids;
  }

  /** Lets go of whoever still waits, with the page of a stream that is gone. */
  async stop(): Promise<void> {
    this.abort.abort();
    await this.reading;
  }

  private async readAll(): Promise<void> {
    // What is asked for in the same turn is read together.
    await Promise.resolve();
    while (this.wanted.size > 0) {
      const batch = this.takeBatch();
      const pages = await this.patiently(() => this.readBatch(batch));
      batch.forEach((wanted, place) => {
        wanted.resolve(pages?.[place] ?? gone);
      });
    }
    this.reading = null;
  }

  private takeBatch(): Wanted[] {
    const batch: Wanted[] = [];
    for (const [key, wanted] of this.wanted) {
      if (batch.length === placesPerStatement) break;
      batch.push(wanted);
      this.wanted.delete(key);
    }
    return batch;
  }

  /** Reads until it works; null once it is stopped. */
  private async patiently<T>(read: () => Promise<T>): Promise<T | null> {
    const { signal } = this.abort;
    for (let failures = 0; !signal.aborted;) {
      try {
        return await read();
      } catch (error) {
        failures += 1;
        // Once an outage: the tries after the first say nothing new.
        this.logger[failures === 1 ? 'warn' : 'debug']({ err: error }, 'Events cannot be read; trying again');
        await pause(backoffMs(failures, firstPauseMs, maxPauseMs), signal);
      }
    }
    return null;
  }

  private async readBatch(batch: readonly Wanted[]): Promise<(EventPage | undefined)[]> {
    const share = Math.floor(eventsPerStatement / batch.length);
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

// float8 holds every whole number up to 2^53 and arrives as a number, which bigint does not.
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
