import type { EventKind } from './event.entity';

/** A stored event. All subscribers of a process share one object, so it must not be modified. */
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
}

/** Whether this is the last event of its stream: the stream's subject was deleted. */
export function endsStream(event: StoredEvent): boolean {
  return event.kind === 'DELETED' && event.subjectId === event.streamId;
}

/** Whether the event's content was erased; tombstones are not sent to subscribers. */
export function isTombstone(event: StoredEvent): boolean {
  return event.kind === 'DELETED' && event.payload.erased === true;
}
