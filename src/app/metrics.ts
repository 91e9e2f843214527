import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { Logger } from '../core/logger';
import type { Sql } from '../core/sql';
import type { RenditionOutcome } from '../generations/avatar-renditions';
import { countPauses, countJobsByState, sumMoney } from '../operator/overview.repository';
import type { ReadOutcome } from '../reads/planned-reads';
import { createWebhookMetrics, type WebhookMetrics } from './webhooks';

/** The metrics registry and its counters. */
export interface Metrics extends WebhookMetrics {
  registry: Registry;
  /** The upstream returned an unknown status. */
  unknownWord: (word: string) => void;
  /** A job has ended before, in or after the interval in which 8 of 10 are expected to. */
  expectedEnd: (work: string, outcome: string) => void;
  /** An operation used a deprecated element of the schema, such as `Operator.lagMs`. */
  deprecatedUse: (element: string) => void;
  /** A query was answered by a planned read, or left to the resolvers for a reason. */
  read: (outcome: ReadOutcome) => void;
  /** The number of requests that wait for a change of a job has changed. */
  waits: (count: number) => void;
  /** An attempt to fetch a result with less than a quarter of its retention left. */
  lateAvatar: () => void;
  /** A generation stopped waiting for a result that could not be fetched for too long. */
  delayedAvatar: () => void;
  /** A result could not be fetched before the upstream deleted it. */
  lostAvatar: () => void;
  /** A stored image is missing or changed. */
  damagedAvatar: () => void;
  /** A rendition was made, could not be made, or was refused because too many wait. */
  rendition: (outcome: RenditionOutcome) => void;
}

/** How often the delay of the event loop is measured, in milliseconds. Each measurement wakes an idle process. */
const eventLoopSampleMs = 100;

/** Creates the metrics of this process and the gauges that are read from the database on each scrape. */
export function createMetrics(sql: Sql, logger: Logger): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: eventLoopSampleMs });
  const registers = [registry];
  const unknownWords = new Counter({
    name: 'likeness_upstream_unknown_words_total',
    help: 'Upstream responses with an unknown status.',
    registers,
  });
  const counter = (name: string, help: string): (() => void) => {
    const created = new Counter({ name, help, registers });
    return () => {
      created.inc();
    };
  };
  for (const add of [gaugeOfJobs, gaugeOfPauses, gaugeOfMoney]) add(sql, registry);
  const known = new Set<string>();
  return {
    registry,
    unknownWord: (word) => {
      unknownWords.inc();
      if (known.has(word) || known.size >= 100) return;
      known.add(word);
      logger.warn({ word }, 'unknown upstream status; the job is treated as running');
    },
    expectedEnd: countExpectedEnds(registry),
    deprecatedUse: countDeprecatedUses(registry),
    read: countReads(registry),
    waits: gaugeOfWaits(registry),
    lateAvatar: counter(
      'likeness_results_late_total',
      'Attempts to fetch results with less than a quarter of their retention left.',
    ),
    delayedAvatar: counter(
      'likeness_results_delayed_total',
      'Results that their generations no longer wait for.',
    ),
    lostAvatar: counter(
      'likeness_results_lost_total',
      'Results that could not be fetched before the upstream deleted them.',
    ),
    damagedAvatar: counter(
      'likeness_pictures_damaged_total',
      'Stored images that were found missing or changed.',
    ),
    rendition: countRenditions(registry),
    ...createWebhookMetrics(sql, registry),
  };
}

function countReads(registry: Registry): (outcome: ReadOutcome) => void {
  const counter = new Counter({
    name: 'likeness_reads_total',
    help: 'Queries by how they were answered: planned, or why they were left to the resolvers.',
    labelNames: ['outcome'],
    registers: [registry],
  });
  return (outcome) => counter.inc({ outcome });
}

function countRenditions(registry: Registry): Metrics['rendition'] {
  const counter = new Counter({
    name: 'likeness_renditions_total',
    help: 'Pictures that were to be converted to another size or format: made, failed, or refused because too many wait.',
    labelNames: ['outcome'],
    registers: [registry],
  });
  return (outcome) => counter.inc({ outcome });
}

function gaugeOfWaits(registry: Registry): (count: number) => void {
  const gauge = new Gauge({
    name: 'likeness_waits',
    help: 'Requests of this process that wait for a change of a model or generation.',
    registers: [registry],
  });
  return (count) => gauge.set(count);
}

function countExpectedEnds(registry: Registry): Metrics['expectedEnd'] {
  const counter = new Counter({
    name: 'likeness_job_ends_total',
    help: 'Jobs that succeeded at once, by whether they ended early, within or late of the interval that was estimated.',
    labelNames: ['work', 'outcome'],
    registers: [registry],
  });
  return (work, outcome) => counter.inc({ work, outcome });
}

function countDeprecatedUses(registry: Registry): (element: string) => void {
  const counter = new Counter({
    name: 'likeness_deprecated_uses_total',
    help: 'Operations that use a deprecated element of the schema.',
    labelNames: ['element'],
    registers: [registry],
  });
  return (element) => counter.inc({ element });
}

function gaugeOfPauses(sql: Sql, registry: Registry): void {
  const gauge = new Gauge({
    name: 'likeness_submissions_paused',
    help: 'Avatar service accounts with paused submissions, by reason.',
    labelNames: ['provider', 'reason'],
    registers: [registry],
    async collect() {
      const pauses = await countPauses(sql);
      gauge.reset();
      for (const { provider, reason, count } of pauses) gauge.set({ provider, reason }, count);
    },
  });
}

function gaugeOfMoney(sql: Sql, registry: Registry): void {
  const gauge = new Gauge({
    name: 'likeness_money',
    help: 'The money of all owners: reserved for attempts that are not over, and spent since 00:00 UTC.',
    labelNames: ['kind', 'currency'],
    registers: [registry],
    async collect() {
      const totals = await sumMoney(sql);
      gauge.reset();
      for (const { currency, reserved, spentToday } of totals) {
        gauge.set({ kind: 'reserved', currency }, reserved);
        gauge.set({ kind: 'spent_today', currency }, spentToday);
      }
    },
  });
}

function gaugeOfJobs(sql: Sql, registry: Registry): void {
  const gauge = new Gauge({
    name: 'likeness_jobs',
    help: 'Unfinished models, generations and avatars by status, and FAILED jobs that are still polled.',
    labelNames: ['kind', 'status'],
    registers: [registry],
    async collect() {
      const counts = await countJobsByState(sql);
      gauge.reset();
      for (const { kind, status, count } of counts) gauge.set({ kind, status }, count);
    },
  });
}
