import { LRUCache } from 'lru-cache';
import { Batcher } from '../core/batcher';
import type { Transactions } from '../core/sql';
import type { DocumentedDurations } from '../upstream/provider';
import { DurationSketch, type DurationRange } from './duration-sketch';
import type { Durations } from './durations';
import { addLearned, readLearned, type LearnedKey } from './learned-duration.repository';

/** Jobs that are expected to take about as long. */
export interface JobClass extends Omit<LearnedKey, 'jobClass'> {
  /** What the job is about, of few values. */
  readonly type: string;
  /** The number of its photos or avatars. */
  readonly size: number;
}

/** How long jobs of a class take. */
export interface Expectation {
  readonly durations: Durations;
  /** Whether enough jobs have been observed; otherwise these are the documented durations. */
  readonly isLearned: boolean;
}

/** How long what has been read is used, in milliseconds. */
const freshMs = 30_000;
const minObservations = 5;
/** The sizes at which another class begins. */
const sizeSteps = [1, 2, 5, 10, 15, 20, 50] as const;
/** What is known of other jobs counts as so many observations at first, and as half as many after ten. */
const priorWeight = 3;
const priorHalf = 10;

/**
 * Learns how long jobs take: for each work of a provider, by type and size. Classes with few observations are
 * complemented by all jobs of the same work, and these by the documented durations.
 */
export class LearnedDurations {
  private readonly known = new LRUCache<string, LearnedWork, Omit<LearnedKey, 'jobClass'>>({
    ...{ max: 20, ttl: freshMs },
    // A failed read is not cached: the database may be available a moment later.
    fetchMethod: async (_name, _stale, { context }) =>
      new LearnedWork(await readLearned(this.database, context), this.documented[context.work]),
  });
  private readonly learning = new Batcher<{ job: JobClass; range: DurationRange }>((all) => this.store(all));

  /** @param documented - what counts before anything is learned */
  constructor(
    private readonly database: Transactions,
    private readonly documented: Readonly<Record<LearnedKey['work'], DocumentedDurations>>,
  ) {}

  /** How long such jobs take. */
  async of({ provider, work, type, size }: JobClass): Promise<Expectation> {
    return (await this.ofWork({ provider, work })).of(classOf(type, size));
  }

  /** How long jobs of a work take. */
  async ofAll(work: Omit<LearnedKey, 'jobClass'>): Promise<Expectation> {
    return (await this.ofWork(work)).of('');
  }

  /** Adds an observation. */
  async learn(job: JobClass, range: DurationRange): Promise<void> {
    await this.learning.add({ job, range });
  }

  private async ofWork(work: Omit<LearnedKey, 'jobClass'>): Promise<LearnedWork> {
    const known = await this.known.fetch(`${work.provider}/${work.work}`, { context: work });
    return known ?? new LearnedWork(new Map(), this.documented[work.work]);
  }

  private async store(all: readonly { job: JobClass; range: DurationRange }[]): Promise<void> {
    const byKey = new Map<string, { key: LearnedKey; ranges: DurationRange[] }>();
    for (const { job, range } of all) {
      for (const jobClass of ['', classOf(job.type, job.size)]) {
        const key = { provider: job.provider, work: job.work, jobClass };
        const entry = byKey.get(JSON.stringify(key)) ?? { key, ranges: [] };
        entry.ranges.push(range);
        byKey.set(JSON.stringify(key), entry);
      }
    }
    for (const { key, ranges } of byKey.values()) await addLearned(this.database, key, ranges);
  }
}

/** What is known of one work. */
class LearnedWork {
  private readonly expectations = new Map<string, Expectation>();
  private readonly all: DurationSketch;
  private readonly isLearned: boolean;

  constructor(
    private readonly sketches: ReadonlyMap<string, DurationSketch>,
    documented: DocumentedDurations,
  ) {
    const prior = new DurationSketch();
    prior.add(documented, 1);
    const own = sketches.get('');
    this.isLearned = (own?.total ?? 0) >= minObservations;
    this.all = complemented(own, prior);
  }

  of(jobClass: string): Expectation {
    const known = this.expectations.get(jobClass);
    if (known) return known;
    const sketch = jobClass === '' ? this.all : complemented(this.sketches.get(jobClass), this.all);
    const expectation = { durations: sketch.quantiles(), isLearned: this.isLearned };
    this.expectations.set(jobClass, expectation);
    return expectation;
  }
}

/** A sketch with what is known of other jobs, which counts the less the more has been observed. */
function complemented(own: DurationSketch | undefined, prior: DurationSketch): DurationSketch {
  const sketch = new DurationSketch(own?.bins);
  sketch.blend(prior, (priorWeight * priorHalf) / (priorHalf + sketch.total));
  return sketch;
}

/** The type, and the smallest size of those that count as equal. */
function classOf(type: string, size: number): string {
  return `${type}/${Math.max(...sizeSteps.filter((step) => step <= Math.max(1, size)))}`;
}
