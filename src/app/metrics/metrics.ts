import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Logger } from '../../core/logger';
import type { CostlyReads, Sql } from '../../core/sql';
import type { CallKind, UpstreamBudget } from '../../upstream/budget.repository';
import { DatabaseGauges } from './database-gauges';
import { createJobMetrics, type JobMetrics } from './job-metrics';
import { gaugesOfProcess, type ProcessSources } from './process-gauges';
import { createRequestMetrics, type RequestMetrics } from './request-metrics';
import { createUpstreamMetrics, type UpstreamMetrics } from './upstream-metrics';

/** The metrics of this process, in Prometheus' text format. */
export interface Metrics extends JobMetrics, RequestMetrics, UpstreamMetrics {
  readonly contentType: string;
  /** Also answers while the database does not: without the values that are in the database. */
  metrics(): Promise<string>;
  /** Adds the values of the database, and of the parts that use it. */
  connect(sources: MetricsSources): void;
  /** Adds values that parts of the process hold in memory. */
  readProcess(sources: Partial<ProcessSources>): void;
}

/** What has values on each scrape. */
export interface MetricsSources extends Pick<ProcessSources, 'decoding' | 'replica'> {
  readonly database: Sql & { poolState: ProcessSources['pool'] };
  readonly costlyReads: CostlyReads;
  /** The account of the request budget. */
  readonly account: string;
  readonly budget: Pick<UpstreamBudget, 'bucket'>;
}

/** How often the delay of the event loop is measured, in milliseconds. Each measurement wakes an idle process. */
const eventLoopSampleMs = 100;

/** Creates the metrics of this process. */
export function createMetrics(logger: Logger): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: eventLoopSampleMs });
  const sources: Partial<ProcessSources> = {};
  gaugesOfProcess(registry, sources);
  let database: DatabaseGauges | null = null;
  return {
    ...createJobMetrics(registry, logger),
    ...createRequestMetrics(registry),
    ...createUpstreamMetrics(registry),
    contentType: registry.contentType,
    metrics: async () => {
      await database?.refresh();
      return registry.metrics();
    },
    connect: ({ database: sql, costlyReads, replica, decoding, account, budget }) => {
      const buckets = { account, bucket: (kind: CallKind) => budget.bucket(kind) };
      database = new DatabaseGauges(registry, costlyReads, buckets);
      Object.assign(sources, { decoding, replica, pool: () => sql.poolState() });
    },
    readProcess: (more) => void Object.assign(sources, more),
  };
}
