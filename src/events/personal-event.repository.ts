import { inBatches } from '../core/iterators';
import type { Person } from '../core/person';
import type { Sql } from '../core/sql';
import type { EventKind } from './event.entity';

/** A stored event, as exported to its owner. */
export interface ExportedEvent {
  streamId: string;
  /** The sequence number within the stream. */
  sequence: string;
  kind: EventKind;
  payload: Record<string, unknown>;
  createdAt: Date;
}

/**
 * Anonymizes ended streams, which contain only a DELETED event. Run it after the subjects of a person's streams have been
 * deleted; repeat it until it returns 0.
 * @param newOwner - replaces the owner
 * @returns the number of anonymized streams, at most `limit`
 */
export async function disownEndedStreams(
  sql: Sql,
  { owner }: Person,
  newOwner: string,
  limit: number,
): Promise<number> {
  const disowned = await sql.rows(
    `UPDATE streams SET owner = $2
      WHERE id IN (SELECT id FROM streams WHERE owner = $1 AND ended_at IS NOT NULL ORDER BY id LIMIT $3 FOR UPDATE)
     RETURNING id`,
    [owner, newOwner, limit],
  );
  return disowned.length;
}

/** All stored events of a person, ordered by stream and sequence. */
export function eventsOf(sql: Sql, { owner, until }: Person): AsyncGenerator<ExportedEvent> {
  return inBatches<ExportedEvent>((last, limit) =>
    sql.rows(
      `SELECT e.stream_id AS "streamId", e.sequence, e.kind, e.payload, e.created_at AS "createdAt"
         FROM streams s JOIN events e ON e.stream_id = s.id
        WHERE s.owner = $1 AND e.created_at <= $2
          AND ($3::uuid IS NULL OR (s.id >= $3 AND (e.stream_id, e.sequence) > ($3, $4::bigint)))
        ORDER BY e.stream_id, e.sequence LIMIT $5`,
      [owner, until, last?.streamId ?? null, last?.sequence ?? null, limit],
    ),
  );
}
