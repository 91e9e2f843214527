import { isCreatedIn, type CreatedRange } from '../core/list-conditions';
import type { Sql } from '../core/sql';
import { makeDue } from './webhook.repository';

/** Which deliveries to replay: by ids, or by the time of their creation. */
export type ReplaySelection = { readonly ids: readonly string[] } | { readonly created: CreatedRange };

/** The path of the span of time in the input. */
export const createdField = 'input.select.created';

/** A selection by time skips deliveries that were replayed within these times, so that a call can be repeated. */
const skippedMs = { failed: 600_000, others: 3_600_000 };

/** Maximum number of deliveries that a selection by time counts. */
const maxCounted = 100_000;

/** What {@link replayDeliveries} found. */
export interface Replayed {
  /** Those of the given ids that exist; by time: none. */
  readonly matched: readonly string[];
  /** How many were selected; by time, at most 100,000 are counted. */
  readonly matchedCount: number;
  readonly changedCount: number;
  /** Whether further ones can be replayed. */
  readonly hasMore: boolean;
}

/**
 * Makes delivered and failed deliveries of a locked webhook pending again, at most `limit`: first those that were never
 * replayed, the oldest first, so that repeated calls come to the end of a range however long they take.
 */
export async function replayDeliveries(
  sql: Sql,
  webhookId: string,
  selection: ReplaySelection,
  limit: number,
): Promise<Replayed> {
  const { text, values } = selectionOf(selection);
  const selected = `SELECT id FROM webhook_deliveries WHERE webhook_id = $1 AND ${text}`;
  const [counted] = await sql.rows<{ count: number; ids: string[] | null }>(
    `SELECT count(*)::int AS count, array_agg(id) FILTER (WHERE $${values.length + 2}) AS ids
       FROM (${selected} LIMIT ${maxCounted}) selected`,
    [webhookId, ...values, 'ids' in selection],
  );
  const found = await sql.rows<{ id: string }>(
    `${selected} AND status <> 'PENDING' ORDER BY replayed_at NULLS FIRST, number LIMIT ${Math.max(limit, 0) + 1}`,
    [webhookId, ...values],
  );
  const ids = found.slice(0, Math.max(limit, 0)).map(({ id }) => id);
  const changed = await sql.rows(
    `UPDATE webhook_deliveries
        SET status = 'PENDING', next_attempt_at = now(), tries = 0, failing_since = NULL, failed_at = NULL, replayed_at = now()
      WHERE id = ANY($1) AND status <> 'PENDING' RETURNING 1`,
    [ids],
  );
  await makeDue(sql, webhookId);
  return {
    matched: counted!.ids ?? [],
    matchedCount: counted!.count,
    changedCount: changed.length,
    hasMore: found.length > changed.length,
  };
}

function selectionOf(selection: ReplaySelection): { text: string; values: unknown[] } {
  if ('ids' in selection) return { text: 'id = ANY($2::uuid[])', values: [selection.ids] };
  const values: unknown[] = [skippedMs.failed, skippedMs.others];
  const conditions = isCreatedIn(selection.created, createdField).map((condition) => {
    if (!('text' in condition)) throw new TypeError('Not a condition on the time.');
    values.push(condition.value);
    return condition.text.replace('?', `$${values.length + 1}`);
  });
  // Those that arrived are skipped for longer; otherwise the first ones would be repeated before the last.
  const skipped = `(CASE WHEN status = 'FAILED' THEN $2::int ELSE $3::int END) * interval '1 ms'`;
  const isNew = `(replayed_at IS NULL OR replayed_at < now() - ${skipped})`;
  return { text: [isNew, ...conditions].join(' AND '), values };
}
