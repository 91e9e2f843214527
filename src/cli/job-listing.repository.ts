import { toGlobalId } from '../core/ids';
import { snakeName, type Sql } from '../core/sql';
import type { JobKind } from '../jobs/job.kind';
import { SubmissionEntity } from '../jobs/submission.entity';
import type { Cell } from './printout';
import { CommandError } from './shell';

export interface JobListOptions {
  owner?: string;
  status?: string;
  limit: string;
  json?: boolean;
}

const maxListed = 1_000;

/** A job's row with its global id, without the lease. */
export type JobFacts = Record<string, Cell>;

/** Lists jobs, newest first. Prompts and names are private to the owner and not read. */
export async function listJobs(sql: Sql, kind: JobKind, options: JobListOptions): Promise<JobFacts[]> {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > maxListed) {
    throw new CommandError(`--limit must be a whole number from 1 to ${maxListed}.`);
  }
  const rows = await sql.rows<JobFacts>(
    `SELECT ${columns[kind.table]} FROM ${kind.table}
      WHERE ($1::text IS NULL OR owner = $1) AND ($2::text IS NULL OR status = $2)
      ORDER BY id DESC LIMIT $3`,
    [options.owner ?? null, options.status ?? null, limit],
  );
  return rows.map((row) => factsOf(kind, row));
}

/** Lists jobs of these kinds, newest first; with a status, those of the kinds that have it. */
export async function listAllJobs(
  sql: Sql,
  kinds: readonly JobKind[],
  options: JobListOptions,
): Promise<JobFacts[]> {
  const known = kinds.filter(({ moves }) => options.status === undefined || options.status in moves);
  const lists = await Promise.all(known.map((kind) => listJobs(sql, kind, options)));
  return lists
    .flat()
    .sort((one, other) => (other.createdAt as Date).getTime() - (one.createdAt as Date).getTime())
    .slice(0, Number(options.limit));
}

/** Returns a job. */
export async function readJobFacts(sql: Sql, kind: JobKind, id: string): Promise<JobFacts> {
  const [row] = await sql.rows<JobFacts>(`SELECT ${columns[kind.table]} FROM ${kind.table} WHERE id = $1`, [
    id,
  ]);
  if (!row) throw new CommandError(`There is no ${kind.noun} with this id.`);
  return factsOf(kind, row);
}

/** Returns the paid calls of a job, oldest first. */
export async function submissionsOf(sql: Sql, kind: JobKind, id: string): Promise<SubmissionEntity[]> {
  return sql.entities(
    SubmissionEntity,
    `SELECT * FROM submissions WHERE ${kind.noun}_id = $1 ORDER BY attempt`,
    [id],
  );
}

/** SQL: why a queued job is not submitted, if submissions of its account are paused. */
const waitsFor = (table: JobKind['table']): string =>
  `CASE WHEN status = 'QUEUED' THEN (SELECT 'submissions are paused: ' || string_agg(DISTINCT submit_pause_reason, ', ')
     FROM upstream_accounts a WHERE a.provider = ${table}.provider AND submit_pause_reason IS NOT NULL) END AS "waitsFor"`;

const columnsOf = (...properties: string[]): string =>
  properties.map((name) => `${snakeName(name)} AS "${name}"`).join(', ');

const common = [
  ...['id', 'owner', 'provider', 'status', 'progress', 'attempt', 'polls', 'tries', 'failureCode'],
  ...['failureMessage', 'lastError', 'providerRef', 'dueAt', 'deadlineAt', 'createdAt', 'submittedAt'],
  'updatedAt',
];

const columns = {
  models: `${columnsOf(...common)}, ${waitsFor('models')}, ${columnsOf('type', 'photoCount', 'readyAt')}`,
  generations: `${columnsOf(...common)}, ${waitsFor('generations')},
    ${columnsOf('wanted', 'modelId', 'completedAt', 'resultsExpireAt')},
    (SELECT count(*)::int FROM avatars WHERE generation_id = generations.id AND status = 'STORED') AS stored`,
} as const;

function factsOf(kind: JobKind, facts: JobFacts): JobFacts {
  const modelId = typeof facts.modelId === 'string' ? toGlobalId('AvatarModel', facts.modelId) : null;
  return {
    ...facts,
    id: toGlobalId(kind.node, facts.id as string),
    ...(kind.node === 'Generation' && { modelId }),
  };
}
