import { inBatches, type Person } from '../core/person';
import type { Sql } from '../core/sql';
import type { EventKind } from './event.entity';

/** An event that is kept, as its owner may have it. */
export interface KeptEvent {
  streamId: string;
  /** Its number within the stream. */
  sequence: string;
  kind: EventKind;
  payload: Record<string, unknown>;
  createdAt: Date;
}

/**
 * Takes the owner's name from streams that have ended: all that is left in them is that something was deleted. Run after
 * the subjects of a person's streams have been deleted, again until it finds none.
 * @param newOwner - whom they belong to from now on
 * @returns how many it were, at most `limit`
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

/** All events of a person that are kept, each stream's in their order. */
export function eventsOf(sql: Sql, { owner, until }: Person): AsyncGenerator<KeptEvent> {
  return inBatches<KeptEvent>((last, limit) =>
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
