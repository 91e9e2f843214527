import type { Sql } from '../core/sql';
import type { JobKind, JobRow } from './job.kind';
import type { ReadJob } from './job.repository';

/** Whose deadline counts as overdue: the configured provider, and the time that a poll in flight may take. */
export interface OverdueLimits {
  provider: string;
  marginMs: number;
}

const maxOverdue = 100;

/** Locks jobs whose deadline has passed and that no other process has locked, at most 100 per state. */
export function lockOverdue<Row extends JobRow>(
  sql: Sql,
  { entity, table, running }: JobKind<Row>,
  { provider, marginMs }: OverdueLimits,
): Promise<ReadJob<Row>[]> {
  const conditions = overdueConditions(running);
  const ids = conditions.map(
    (where) => `(SELECT id FROM ${table} WHERE due_at IS NOT NULL AND ${where} LIMIT ${maxOverdue})`,
  );
  return sql.entities<Row, { readAt: Date }>(
    entity,
    `SELECT *, now() AS "readAt" FROM ${table}
      WHERE id = ANY(ARRAY(${ids.join(' UNION ALL ')})) AND due_at IS NOT NULL AND (${conditions.join(' OR ')})
        FOR UPDATE SKIP LOCKED`,
    [provider, marginMs],
  );
}

/**
 * SQL conditions for overdue rows; $1 is the configured provider, $2 the margin. Rows of other providers are
 * included once they are due, since no other worker handles them.
 */
function overdueConditions(running: string): string[] {
  const margin = `$2 * interval '1 ms'`;
  const isForeign = `provider <> $1 AND due_at <= now() - ${margin}`;
  return [
    `status = 'QUEUED' AND deadline_at <= now()`,
    `status = '${running}' AND deadline_at <= now() - ${margin}`,
    ...['SUBMITTING', 'UNCERTAIN', 'FAILED'].map((status) => `status = '${status}' AND ${isForeign}`),
  ];
}
