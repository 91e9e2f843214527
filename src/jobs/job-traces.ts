import { LRUCache } from 'lru-cache';
import {
  currentTraceparent,
  isTracing,
  linkTraceOf,
  traced,
  traceparentOf,
  type Span,
} from '../core/tracing';
import { loggedId } from './job-log';
import type { JobKind, JobRow } from './job.kind';

/** The traces of requests that created or retried jobs in this process, so that their work continues them. */
const traces = new LRUCache<string, string>({ max: 10_000 });

/**
 * Continues the present trace in the work on a job. Work in other processes is in one trace that the id of the job names, to
 * which the present span has a link.
 */
export function noteTrace({ id }: Pick<JobRow, 'id'>): void {
  const traceparent = currentTraceparent();
  if (traceparent === null) return;
  traces.set(id, traceparent);
  linkTraceOf(id);
}

/** Runs work on a job in a span of the trace of the request that asked for it, or of the trace that its id names. */
export function tracedJob<Result>(
  name: string,
  kind: Pick<JobKind, 'node'>,
  row: JobRow,
  work: (span: Span) => Result,
): Result {
  if (!isTracing()) return traced(name, {}, work);
  const attributes = { 'likeness.job_id': loggedId(kind, row), 'likeness.attempt': row.attempt };
  return traced(name, attributes, work, { parent: traces.get(row.id) ?? traceparentOf(row.id) });
}
