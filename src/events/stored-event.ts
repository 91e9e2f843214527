import type { EventKind } from './event.entity';

/** An event as it is kept. One object is handed to all subscribers of a process: never change it. */
export interface StoredEvent {
  readonly streamId: string;
  /** 1, 2, 3 … within the stream, without gaps. */
  readonly sequence: number;
  readonly kind: EventKind;
  readonly subjectId: string;
  readonly generationId: string | null;
  readonly payload: Readonly<Record<string, unknown>>;
  /** When it was appended, by the database's clock; the sequence, not this, is the order. */
  readonly createdAt: Date;
}

/** Whether nothing can follow: the stream's own subject was deleted. */
export function endsStream(event: StoredEvent): boolean {
  return event.kind === 'DELETED' && event.subjectId === event.streamId;
}

/** Whether this is only the place of an event whose content was erased; subscribers are not told of it. */
export function isTombstone(event: StoredEvent): boolean {
  return event.kind === 'DELETED' && event.payload.erased === true;
}
