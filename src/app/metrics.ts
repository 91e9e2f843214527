import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { Logger } from '../core/logger';
import type { Sql } from '../core/sql';

/** What is counted, and where it is read. */
export interface Metrics {
  registry: Registry;
  /** The upstream answered with a status word that the table does not know. */
  unknownWord: (word: string) => void;
  /** A finished picture is not stored yet and has less than a quarter of its time left. */
  lateResult: () => void;
  /** A generation no longer waits for a finished picture, since fetching it has failed for too long. */
  delayedResult: () => void;
  /** A finished picture could not be fetched before the upstream deleted it. */
  lostResult: () => void;
  /** The bytes of a stored picture are missing or changed. */
  damagedPicture: () => void;
}

/** The figures of this process, and those of the database that are read when somebody asks. */
export function createMetrics(sql: Sql, logger: Logger): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const unknownWords = new Counter({
    name: 'likeness_upstream_unknown_words_total',
    help: 'Answers of the upstream with a status word that is not in the table.',
    registers,
  });
  const counter = (name: string, help: string): (() => void) => {
    const made = new Counter({ name, help, registers });
    return () => {
      made.inc();
    };
  };
  gaugeOfJobs(sql, registry);
  gaugeOfPauses(sql, registry);
  const known = new Set<string>();
  return {
    registry,
    unknownWord: (word) => {
      unknownWords.inc();
      if (known.has(word) || known.size >= 100) return;
      known.add(word);
      logger.warn(
        { word },
        'the upstream used a status word that is not in the table; the job is taken as running',
      );
    },
    lateResult: counter(
      'likeness_results_late_total',
      'Tries to fetch finished pictures with less than a quarter of their time left.',
    ),
    delayedResult: counter(
      'likeness_results_delayed_total',
      'Finished pictures that their generations no longer wait for.',
    ),
    lostResult: counter(
      'likeness_results_lost_total',
      'Finished pictures that could not be fetched before the upstream deleted them.',
    ),
    damagedPicture: counter(
      'likeness_pictures_damaged_total',
      'Stored pictures whose bytes were found missing or changed.',
    ),
  };
}

function gaugeOfPauses(sql: Sql, registry: Registry): void {
  const gauge = new Gauge({
    name: 'likeness_submissions_paused',
    help: 'Accounts at avatar services for which no paid call is made, by reason.',
    labelNames: ['provider', 'reason'],
    registers: [registry],
    async collect() {
      const rows = await sql.rows<{ provider: string; reason: string; count: number }>(
        `SELECT provider, submit_pause_reason AS reason, count(*)::int AS count FROM upstream_accounts
          WHERE submit_pause_reason IS NOT NULL GROUP BY provider, submit_pause_reason`,
      );
      gauge.reset();
      for (const { provider, reason, count } of rows) gauge.set({ provider, reason }, count);
    },
  });
}

function gaugeOfJobs(sql: Sql, registry: Registry): void {
  const gauge = new Gauge({
    name: 'likeness_jobs',
    help: 'Models and generations that are not over, and those UNCERTAIN, by state.',
    labelNames: ['kind', 'status'],
    registers: [registry],
    async collect() {
      const rows = await sql.rows<{ kind: string; status: string; count: number }>(
        `SELECT 'model' AS kind, status, count(*)::int AS count FROM models WHERE due_at IS NOT NULL GROUP BY status
         UNION ALL
         SELECT 'generation', status, count(*)::int FROM generations WHERE due_at IS NOT NULL GROUP BY status`,
      );
      gauge.reset();
      for (const { kind, status, count } of rows) gauge.set({ kind, status }, count);
    },
  });
}
