import type { Sql } from '../core/sql';
import { sequenceColumn, type Positioned } from '../events/event-log.repository';
import type { OwnedKey } from '../events/present-rows';
import type { JobKind, JobRow } from './job.kind';

/** SQL: the columns of a job as its owner sees it: those of its row, and {@link Positioned}. */
export function jobColumns({ table, streamColumn }: Pick<JobKind, 'table' | 'streamColumn'>): string {
  return `${table}.*, ${sequenceColumn(streamColumn)}`;
}

/** The jobs of several owners, in any order. */
export function findOwnedJobs<Row extends JobRow>(
  sql: Sql,
  kind: JobKind<Row>,
  keys: readonly OwnedKey[],
): Promise<(Row & Positioned)[]> {
  const { entity, table } = kind;
  return sql.entities<Row, Positioned>(
    entity,
    `SELECT ${jobColumns(kind)}
       FROM unnest($1::uuid[], $2::text[]) AS k (id, owner) JOIN ${table} ON ${table}.id = k.id AND ${table}.owner = k.owner`,
    [keys.map(({ id }) => id), keys.map(({ owner }) => owner)],
  );
}
