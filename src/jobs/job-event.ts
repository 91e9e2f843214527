import type { NewEvent } from '../events/event-log.repository';
import type { JobMove } from './job-move';
import type { JobKind, JobRow } from './job.kind';

/**
 * The event with the row's current state.
 * @param keepsStatus - whether the change leaves the status as it was. The event says so, since the one before it, which
 * would show it, may be deleted by the time it is read
 */
export function eventOf<Row extends JobRow>(kind: JobKind<Row>, row: Row, keepsStatus = false): NewEvent {
  const payload = kind.payloadOf(row);
  return {
    streamId: kind.streamOf(row),
    kind: kind.eventKind,
    subjectId: row.id,
    generationId: kind.table === 'generations' ? row.id : null,
    payload: keepsStatus ? { ...payload, keepsStatus } : payload,
  };
}

/** The events of moves, in the order of the rows that they have changed. */
export function eventsOf<Row extends JobRow>(
  kind: JobKind<Row>,
  moves: readonly JobMove[],
  moved: readonly Row[],
): NewEvent[] {
  const withEvent = new Map(moves.filter((move) => move.appendsEvent).map((move) => [move.id, move]));
  return moved.flatMap((row) => {
    const move = withEvent.get(row.id);
    return move ? [eventOf(kind, row, move.set.status === undefined)] : [];
  });
}
