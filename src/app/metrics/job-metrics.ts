import type { Registry } from 'prom-client';
import type { Logger } from '../../core/logger';
import type { RenditionOutcome } from '../../generations/avatar-renditions';
import type { Decoding } from '../../images/image-processor';
import { counterOf, durationsOf } from './instruments';

/** Counts what the work on jobs, pictures and webhooks does. */
export interface JobMetrics {
  /** The upstream returned an unknown status. */
  unknownWord: (word: string) => void;
  /** A job has ended before, in or after the interval in which 8 of 10 are expected to. */
  expectedEnd: (work: string, outcome: string) => void;
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
  /** A picture was decoded, or refused. */
  decoding: (decoding: Decoding) => void;
  /** A run of a periodic task has failed. */
  taskFailure: (task: string) => void;
  /** A webhook has missed events. */
  webhookGap: () => void;
  /** An event was sent to a webhook. */
  webhookAttempt: (outcome: 'delivered' | 'failed') => void;
}

/** Creates the counters. */
export function createJobMetrics(registry: Registry, logger: Logger): JobMetrics {
  const count = (name: string, help: string): (() => void) => {
    const add = counterOf(registry, { name, help });
    return () => add();
  };
  const expectedEnds = counterOf(
    registry,
    {
      name: 'likeness_job_ends_total',
      help: 'Jobs that succeeded at once, by whether they ended early, within or late of the interval that was estimated.',
    },
    ['work', 'outcome'],
  );
  return {
    ...pictureMetrics(registry),
    ...webhookMetrics(registry),
    unknownWord: warnOnce(
      logger,
      count('likeness_upstream_unknown_words_total', 'Upstream responses with an unknown status.'),
    ),
    expectedEnd: (work, outcome) => expectedEnds({ work, outcome }),
    taskFailure: taskFailures(registry),
    lateAvatar: count(
      'likeness_results_late_total',
      'Attempts to fetch results with less than a quarter of their retention left.',
    ),
    delayedAvatar: count(
      'likeness_results_delayed_total',
      'Results that their generations no longer wait for.',
    ),
    lostAvatar: count(
      'likeness_results_lost_total',
      'Results that could not be fetched before the upstream deleted them.',
    ),
    damagedAvatar: count(
      'likeness_pictures_damaged_total',
      'Stored images that were found missing or changed.',
    ),
  };
}

/** Logs each word once, and at most 100 words. */
function warnOnce(logger: Logger, count: () => void): JobMetrics['unknownWord'] {
  const known = new Set<string>();
  return (word) => {
    count();
    if (known.has(word) || known.size >= 100) return;
    known.add(word);
    logger.warn({ word }, 'unknown upstream status; the job is treated as running');
  };
}

function taskFailures(registry: Registry): JobMetrics['taskFailure'] {
  const add = counterOf(
    registry,
    {
      name: 'likeness_task_failures_total',
      help: 'Failed runs of periodic tasks, by task.',
    },
    ['task'],
  );
  return (task) => add({ task });
}

function pictureMetrics(registry: Registry): Pick<JobMetrics, 'rendition' | 'decoding'> {
  const renditions = counterOf(
    registry,
    {
      name: 'likeness_renditions_total',
      help: 'Pictures that were to be converted to another size or format: made, failed, or refused because too many wait.',
    },
    ['outcome'],
  );
  const decodings = durationsOf(
    registry,
    {
      name: 'likeness_decoding_duration_seconds',
      help: 'How long pictures took to decode, by what for and outcome, without the time that they waited.',
    },
    ['work', 'outcome'],
  );
  return {
    rendition: (outcome) => renditions({ outcome }),
    decoding: ({ work, outcome, seconds }) => decodings({ work, outcome }, seconds),
  };
}

function webhookMetrics(registry: Registry): Pick<JobMetrics, 'webhookGap' | 'webhookAttempt'> {
  const gaps = counterOf(registry, {
    name: 'likeness_webhook_gaps_total',
    help: 'Times that a webhook has missed events, because they were no longer stored.',
  });
  const attempts = counterOf(
    registry,
    {
      name: 'likeness_webhook_attempts_total',
      help: 'Attempts to deliver an event to a webhook, by outcome: delivered or failed.',
    },
    ['outcome'],
  );
  return { webhookGap: () => gaps(), webhookAttempt: (outcome) => attempts({ outcome }) };
}
