import { DomainError } from '../core/errors';
import { cursorBytes, minSequence, readEventCursor } from '../core/event-cursor';
import type { EventKind } from './event.entity';

/** A stored event. All subscribers of a process share one object, so its data must not be modified. */
export interface StoredEvent {
  readonly streamId: string;
  /** 1, 2, 3 … within the stream, without gaps. */
  readonly sequence: number;
  readonly kind: EventKind;
  readonly subjectId: string;
  readonly generationId: string | null;
  readonly payload: Readonly<Record<string, unknown>>;
  /** When it was appended, by the database's clock. Events are ordered by sequence, not by time. */
  readonly createdAt: Date;
  /** In the stream of an owner: the stream that the event was appended to, and its number there. */
  readonly origin?: { readonly streamId: string; readonly sequence: number };
  /** See {@link oncePerEvent}. */
  derived?: Derived | undefined;
}

/** A value that was read from an event, with the function that reads it. */
interface Derived {
  readonly read: object;
  readonly value: unknown;
  readonly next: Derived | undefined;
}

/**
 * Returns a function that reads something from an event once for all subscribers, which share the event. The event keeps
 * it: garbage collection takes longer for a WeakMap.
 */
export function oncePerEvent<Value extends object | string>(
  read: (event: StoredEvent) => Value,
): (event: StoredEvent) => Value {
  return (event) => {
    for (let known = event.derived; known; known = known.next) {
      if (known.read === read) return known.value as Value;
    }
    const value = read(event);
    event.derived = { read, value, next: event.derived };
    return value;
  };
}

/** Whether this is the last event of its stream: the stream's subject was deleted. */
export function endsStream(event: StoredEvent): boolean {
  return event.kind === 'DELETED' && event.subjectId === event.streamId;
}

/** Whether the event's content was erased; tombstones are not sent to subscribers. */
export function isTombstone(event: StoredEvent): boolean {
  return event.kind === 'DELETED' && event.payload.erased === true;
}

/** The sequence in cursors of incomplete snapshots: resuming from them sends a new snapshot. */
export const incompleteSnapshot = minSequence;

/**
 * An opaque cursor of 32 URL-safe characters. It contains the stream's id and the sequence, so that a cursor of one
 * stream is not valid for another.
 * @param sequence - the last event sent to the client, or {@link incompleteSnapshot}
 */
export function encodeEventCursor(streamId: string, sequence: number): string {
  const bytes = Buffer.allocUnsafe(cursorBytes);
  bytes.write(streamId.replaceAll('-', ''), 0, 'hex');
  bytes.writeBigInt64BE(BigInt(sequence), 16);
  return bytes.toString('base64url');
}

/**
 * Decodes a cursor of {@link encodeEventCursor} for the same stream.
 * @param refusal - makes the error for another text
 * @throws DomainError INVALID_CURSOR, field `after`
 */
export function decodeEventCursor(cursor: string, streamId: string, refusal = invalidCursor): number {
  const read = readEventCursor(cursor);
  if (read?.stream !== streamId.replaceAll('-', '')) throw refusal();
  return read.sequence;
}

/** The error for a cursor that does not belong to the stream. */
function invalidCursor(): DomainError {
  return new DomainError(
    'INVALID_CURSOR',
    'The cursor in `after` is not a cursor of this subscription. Send the last cursor received, or omit `after` to start with the current state.',
    { field: 'after' },
  );
}

/** The error for a position beyond the end of the stream: the database has lost events, or it is of another installation. */
export function cursorAhead(): DomainError {
  return new DomainError(
    'INVALID_CURSOR',
    'The cursor is ahead of this subscription: the server has lost events, such as in a failover of its database. Omit `after` to start with the current state.',
    { field: 'after' },
  );
}

/** Converts rows to event payloads and back. A payload has some properties of its row, with times as JSON. */
export class PayloadCodec<Payload extends object> {
  /** @param times - those of the properties that are times */
  constructor(
    readonly properties: readonly (keyof Payload & string)[],
    private readonly times: readonly (keyof Payload & string)[],
  ) {}

  /** The payload of a row. */
  write(row: Payload): Payload {
    return this.checked(Object.fromEntries(this.properties.map((name) => [name, row[name]])));
  }

  /** Reads a stored payload, with times parsed. Properties that an earlier version did not write are null. */
  read(payload: Readonly<Record<string, unknown>>): Payload {
    const values: Record<string, unknown> = {};
    for (const name of this.properties) values[name] = payload[name] ?? null;
    for (const name of this.times) {
      const time = payload[name];
      values[name] = typeof time === 'string' ? new Date(time) : null;
    }
    // Every property is set.
    return values as Payload;
  }

  private checked(payload: object): Payload {
    if (!this.isPayload(payload)) throw new TypeError('The payload of an event lacks a property.');
    return payload;
  }

  private isPayload(payload: object): payload is Payload {
    return this.properties.every((name) => Reflect.get(payload, name) !== undefined);
  }
}

/** The payload that a codec converts. */
export type PayloadOf<Codec> = Codec extends PayloadCodec<infer Payload> ? Payload : never;

/** Creates the codec for some properties of a row: first those that JSON represents, then times. */
export function payloadCodec<Row>(): <Value extends keyof Row & string, Time extends keyof Row & string>(
  values: readonly Value[],
  times: readonly Time[],
) => PayloadCodec<Pick<Row, Value | Time>> {
  return (values, times) => new PayloadCodec([...values, ...times], times);
}
