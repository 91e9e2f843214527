import { toGlobalId } from '../core/ids';
import type { Sql } from '../core/sql';
import type { JobKind } from '../jobs/job.kind';
import type { Cell } from './printout';

/** An UNCERTAIN job with its paid call. `settledAt`: when it is settled without an operator. */
export type UncertainFacts = Record<string, Cell>;

/** Lists the UNCERTAIN jobs of a kind, those called first before others. */
export async function listUncertain(sql: Sql, { table, noun, node }: JobKind): Promise<UncertainFacts[]> {
  const rows = await sql.rows<UncertainFacts>(
    `SELECT j.id, j.owner, j.provider, j.attempt, s.called_at AS "calledAt", s.photos_fetched_at AS "photosFetchedAt",
            s.http_status AS "httpStatus", s.correlation_id AS "correlationId", j.due_at AS "settledAt"
       FROM ${table} j LEFT JOIN submissions s ON s.${noun}_id = j.id AND s.attempt = j.attempt
      WHERE j.status = 'UNCERTAIN' ORDER BY s.called_at`,
  );
  return rows.map((row) => ({ ...row, id: toGlobalId(node, row.id as string) }));
}
