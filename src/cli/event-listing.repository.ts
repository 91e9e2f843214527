import { toGlobalId } from '../core/ids';
import type { Sql } from '../core/sql';

/** An event without names and prompts, which are private to the owner. */
export interface EventFacts {
  /** The stream and the number in it. */
  readonly key: string;
  readonly at: Date;
  readonly owner: string | null;
  readonly kind: string;
  /** The global id of what changed. */
  readonly id: string;
  readonly status: string | null;
  readonly progress: number | null;
  readonly failureCode: string | null;
}

type Row = Omit<EventFacts, 'id'> & { subjectId: string; streamId: string; generationId: string | null };

/** Reads the latest events, oldest first. */
export async function readEvents(
  sql: Sql,
  { owner, sinceMs }: { owner: string | null; sinceMs: number },
): Promise<EventFacts[]> {
  const rows = await sql.rows<Row>(
    `SELECT e.stream_id || ':' || e.sequence AS key, e.created_at AS at, s.owner, e.kind, e.subject_id AS "subjectId",
            e.stream_id AS "streamId", e.generation_id AS "generationId",
            e.payload->>'status' AS status, (e.payload->>'progress')::int AS progress, e.payload->>'failureCode' AS "failureCode"
       FROM events e JOIN streams s ON s.id = e.stream_id
      WHERE e.created_at >= now() - $1 * interval '1 ms' AND ($2::text IS NULL OR s.owner = $2)
      ORDER BY e.created_at, e.stream_id, e.sequence`,
    [sinceMs, owner],
  );
  return rows.map(({ subjectId, streamId, generationId, ...event }) => ({
    ...event,
    id: toGlobalId(nodeOf(event.kind, { subjectId, streamId, generationId }), subjectId),
  }));
}

/** What an event is about; a deletion names only ids. */
function nodeOf(
  kind: string,
  { subjectId, streamId, generationId }: Pick<Row, 'subjectId' | 'streamId' | 'generationId'>,
): 'AvatarModel' | 'Generation' | 'Avatar' {
  if (kind === 'AVATAR' || kind === 'AVATAR_CHANGED') return 'Avatar';
  if (kind === 'MODEL') return 'AvatarModel';
  if (kind === 'GENERATION' || subjectId === generationId) return 'Generation';
  return subjectId === streamId ? 'AvatarModel' : 'Avatar';
}
