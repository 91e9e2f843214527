import { AsyncLocalStorage } from 'node:async_hooks';
import { DomainError } from '../../src/core/errors';
import type { FailpointName } from '../../src/core/failpoint';
import { joinBatches } from '../../src/core/leased-rows';
import { createLogger } from '../../src/core/logger';
import type { Sql, Transactions } from '../../src/core/sql';
import { AvatarAttempts } from '../../src/generations/avatar-attempt.repository';
import { AvatarWork } from '../../src/generations/avatar.work';
import { GenerationCompletion } from '../../src/generations/generation-completion';
import { GenerationWork } from '../../src/generations/generation.work';
import { ResultUrls } from '../../src/generations/result-urls';
import { createImageSemaphore, ImageProcessor } from '../../src/images/image-processor';
import { LearnedDurations } from '../../src/jobs/forecast';
import type { JobSteps } from '../../src/jobs/job';
import { JobRepository } from '../../src/jobs/job.repository';
import { Journal } from '../../src/jobs/journal';
import { OverdueWork } from '../../src/jobs/overdue.work';
import { PollWork } from '../../src/jobs/poll.work';
import { Settlement } from '../../src/jobs/settlement';
import { SubmissionWork } from '../../src/jobs/submission.work';
import { UpstreamAccountWork } from '../../src/jobs/upstream-account.work';
import { ModelWork } from '../../src/models/model.work';
import type { JobPhotoService } from '../../src/photos/job-photo.service';
import type { MediaStore } from '../../src/storage/media-store';
import { UpstreamBudget } from '../../src/upstream/budget.repository';
import type { Download } from '../../src/upstream/download';
import type { AvatarProvider } from '../../src/upstream/provider';

/** The tables of jobs. */
export type JobTable = 'models' | 'generations';

/** So long that no lease expires during a test; tests end leases explicitly. */
export const leaseMs = 600_000;
/** The grace period of an uncertain submission. */
export const graceMs = 35 * 60_000;
/** The deadline of trainings and generations. */
export const deadlineMs = 3_600_000;
/** How long a generation waits for pictures that cannot be fetched. */
export const resultDeadlineMs = 600_000;

/** The prefix of photo URLs. */
export const publicUrl = 'http://gateway.test';

/** The dependencies that all processes share. */
export interface ProcessContext {
  database: Transactions;
  photos: JobPhotoService;
  provider: AvatarProvider;
  media: MediaStore;
  /** Downloads the pictures of the upstream. */
  pictures: (url: string) => Promise<Download>;
}

/** No wake-ups in these tests. */
const silence = { announce: () => undefined };

const current = new AsyncLocalStorage<JobProcess>();
const armed = Symbol.for('likeness.failpoint');

/** A promise that never settles: the process is blocked. */
class Crash extends Error {}

/** The database connection of one process: it can be unavailable, and a killed process has none. */
class ProcessDatabase implements Transactions {
  isAway = false;
  isDead = false;
  /** Called with each statement outside of transactions, before it runs. */
  onStatement: (text: string) => void = () => undefined;

  constructor(private readonly inner: Transactions) {}

  async rows<Row>(text: string, parameters?: readonly unknown[]): Promise<Row[]> {
    this.check();
    this.onStatement(text);
    const rows = await this.inner.rows<Row>(text, parameters);
    this.check();
    return rows;
  }

  readonly entities: Sql['entities'] = (...statement) => {
    this.check();
    this.onStatement(statement[1]);
    return this.inner.entities(...statement);
  };

  transaction<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result> {
    this.check();
    return this.inner.transaction(work);
  }

  private check(): void {
    if (this.isDead) throw new Crash();
    if (this.isAway) throw new DomainError('SERVICE_UNAVAILABLE', 'The database is away.');
  }
}

/**
 * The job workers and the journal of a gateway process, run inside the process of the test.
 * It can be killed at every failpoint and while it waits; work in progress then stops.
 */
export class JobProcess {
  readonly settlement: Settlement;
  readonly journal: Journal;
  /** The unknown status words that were reported. */
  readonly unknownWords: string[] = [];
  /** Metrics of finished pictures. */
  readonly counted: ('late' | 'delayed' | 'lost')[] = [];
  private readonly database: ProcessDatabase;
  private readonly submission: SubmissionWork;
  private readonly polls: PollWork;
  private readonly account: UpstreamAccountWork;
  private readonly overdue: OverdueWork;
  private readonly avatars: AvatarWork;
  private readonly steps: Record<JobTable, JobSteps>;
  private readonly passes = new Set<Promise<unknown>>();
  private crashPoint: FailpointName | null = null;
  private interlude: { point: FailpointName; happens: () => Promise<void> } | null = null;

  /** @param folder - the directory of the journal; a replacement process uses the directory of the killed one */
  constructor(
    private readonly context: ProcessContext,
    private readonly folder: string,
  ) {
    const { photos, provider } = context;
    const logger = createLogger('silent');
    const database = (this.database = new ProcessDatabase(context.database));
    const jobs = new JobRepository(database, silence);
    this.journal = new Journal(folder);
    this.journal.start();
    this.settlement = new Settlement({ database, jobs, journal: this.journal, logger, graceMs });
    const budget = new UpstreamBudget(database, provider, { probeIntervalMs: 30_000, maxCallMs: 30_000 });
    const account = new UpstreamAccountWork({
      ...{ sql: database, provider, budget, probeIntervalMs: 30_000, onResume: () => undefined },
      logger,
    });
    this.account = account;
    const common = { database, jobs, provider, budget, account, logger, leaseMs };
    this.submission = new SubmissionWork({
      ...common,
      settlement: this.settlement,
      publicUrl: () => publicUrl,
      submitTimeoutMs: 30_000,
      graceMs,
    });
    this.polls = new PollWork({
      ...common,
      pollTimeoutMs: 10_000,
      onUnknownWord: (word) => this.unknownWords.push(word),
    });
    this.overdue = new OverdueWork({ ...common, graceMs, marginMs: 30_000 });
    const durations = new LearnedDurations();
    const parts = { sql: database, jobs, photos, provider, durations, deadlineMs, pollSpeed: 1 };
    const generations = new GenerationWork(parts);
    this.steps = { models: new ModelWork(parts), generations };
    this.avatars = new AvatarWork({
      ...{ database, logger, leaseMs, media: context.media, downloads: { result: context.pictures } },
      store: new AvatarAttempts(database, new GenerationCompletion(jobs, silence), resultDeadlineMs),
      imageProcessor: new ImageProcessor(createImageSemaphore(2)),
      urls: new ResultUrls({ sql: database, provider, budget, timeoutMs: 10_000 }),
      maxBytes: 1_000_000,
      downloadTimeoutMs: 60_000,
      resultTtlMs: provider.facts.resultTtlMs,
      count: {
        late: () => this.counted.push('late'),
        delayed: () => this.counted.push('delayed'),
        lost: () => this.counted.push('lost'),
      },
    });
  }

  /** Whether its database is available. */
  set isCutOff(isAway: boolean) {
    this.database.isAway = isAway;
  }

  get isDead(): boolean {
    return this.database.isDead;
  }

  /** The failpoint at which it is killed. */
  get dyingAt(): FailpointName | null {
    return this.crashPoint;
  }

  /** Kills it at this failpoint. */
  crashAt(point: FailpointName | null): void {
    this.crashPoint = point;
  }

  /** Runs a function at the next visit of this failpoint, then continues. Null: removes it. */
  pauseAt(point: FailpointName | null, happens: () => Promise<void> = () => Promise.resolve()): void {
    this.interlude = point && { point, happens };
  }

  /** Runs one pass of submissions. */
  submit(table: JobTable, signal = new AbortController().signal): Promise<unknown> {
    return this.run(() => this.submission.processBatch(this.steps[table], signal));
  }

  /** Runs a function before each statement outside of transactions. */
  set onStatement(happens: (text: string) => void) {
    this.database.onStatement = happens;
  }

  /** Runs one pass of polls, and one of the late watch. */
  poll(table: JobTable): Promise<unknown> {
    const { signal } = new AbortController();
    return this.run(async () => {
      await endOf(await this.polls.processBatch(this.steps[table], signal));
      await endOf(await this.polls.watch(this.steps[table], signal));
    });
  }

  /** Runs one pass over jobs whose deadline has passed. */
  endOverdue(table: JobTable): Promise<unknown> {
    return this.run(() => this.overdue.processBatch(this.steps[table]));
  }

  /** Runs one pass over finished pictures that are not stored yet. */
  storePictures(signal = new AbortController().signal): Promise<unknown> {
    return this.run(async () =>
      joinBatches(await this.avatars.processBatch(signal), await this.avatars.processRetryBatch(signal)),
    );
  }

  /** Checks the account if it is paused and a check is due. */
  probe(): Promise<unknown> {
    return this.run(() => this.account.probe(new AbortController().signal));
  }

  /** Stores ids that only the journal holds. */
  replay(): Promise<unknown> {
    return this.run(() => this.settlement.replay(this.steps));
  }

  /** The workers of one kind of job. */
  stepsOf(table: JobTable): JobSteps {
    return this.steps[table];
  }

  /** Kills the process. */
  kill(): void {
    if (this.isDead) return;
    this.database.isDead = true;
    this.journal.stop();
  }

  /** The process that replaces this one after a kill, with the same journal directory. */
  successor(): JobProcess {
    this.kill();
    return new JobProcess(this.context, this.folder);
  }

  /** Returns when all work of the process has ended. */
  async stop(): Promise<void> {
    await Promise.all(this.passes);
    if (!this.isDead) this.journal.stop();
  }

  /** Called at each failpoint. */
  async reach(point: FailpointName): Promise<void> {
    if (!this.isDead && this.crashPoint === point) this.kill();
    if (this.isDead) throw new Crash();
    if (this.interlude?.point !== point) return;
    const { happens } = this.interlude;
    this.interlude = null;
    await current.exit(happens);
  }

  /** Work of a killed process ends without an error. */
  private async run(work: () => Promise<unknown>): Promise<void> {
    const pass = current
      .run(this, async () => endOf(await work()))
      .catch((error: unknown) => {
        if (!this.isDead) throw error;
      });
    this.passes.add(pass);
    try {
      await pass;
    } finally {
      this.passes.delete(pass);
    }
  }
}

/** Waits for the work that a pass has started. */
async function endOf(result: unknown): Promise<void> {
  if (typeof result === 'object' && result !== null && 'ended' in result) await result.ended;
}

/** Enables failpoints for the processes of this test file. */
export function armFailpoints(): void {
  Object.assign(globalThis, {
    [armed]: (point: FailpointName) => current.getStore()?.reach(point),
  });
}
