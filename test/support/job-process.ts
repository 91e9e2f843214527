import { AsyncLocalStorage } from 'node:async_hooks';
import { DomainError } from '../../src/core/errors';
import type { FailpointName } from '../../src/core/failpoint';
import { createLogger } from '../../src/core/logger';
import type { Sql, Transactions } from '../../src/core/sql';
import { joinBatches } from '../../src/core/started-batch';
import { AvatarStore } from '../../src/generations/avatar.store';
import { AvatarWork } from '../../src/generations/avatar.work';
import { GenerationCompletion } from '../../src/generations/generation-completion';
import { GenerationWork } from '../../src/generations/generation.work';
import { ResultUrls } from '../../src/generations/result-urls';
import { createImageSemaphore, ImageProcessor } from '../../src/images/image-processor';
import { AccountWork } from '../../src/jobs/account.work';
import { FollowWork } from '../../src/jobs/follow.work';
import type { JobSteps } from '../../src/jobs/job';
import { JobStore } from '../../src/jobs/job.store';
import { Journal } from '../../src/jobs/journal';
import { LearnedDurations } from '../../src/jobs/learned-durations';
import { OverdueWork } from '../../src/jobs/overdue.work';
import { Settlement } from '../../src/jobs/settlement';
import { SubmissionWork } from '../../src/jobs/submission.work';
import { ModelWork } from '../../src/models/model.work';
import type { TrainingPhotoService } from '../../src/photos/training-photo.service';
import type { MediaStore } from '../../src/storage/media-store';
import { UpstreamBudget } from '../../src/upstream/budget';
import type { Download } from '../../src/upstream/download';
import type { AvatarProvider } from '../../src/upstream/provider';

/** The tables that jobs stand in. */
export type JobTable = 'models' | 'generations';

/** So long that no lease ends by itself while a test runs; tests end them. */
export const leaseMs = 600_000;
/** The grace period of an uncertain submission. */
export const graceMs = 35 * 60_000;
/** The deadline of trainings and generations. */
export const deadlineMs = 3_600_000;
/** How long a generation waits for pictures that cannot be fetched. */
export const resultDeadlineMs = 600_000;

/** What photo URLs begin with. */
export const publicUrl = 'http://gateway.test';

/** What a process is made around; shared by all. */
export interface ProcessContext {
  database: Transactions;
  photos: TrainingPhotoService;
  provider: AvatarProvider;
  media: MediaStore;
  /** What the addresses lead to that the upstream names for its pictures. */
  pictures: (url: string) => Promise<Download>;
}

/** No wake-ups in these tests. */
const silence = { announce: () => undefined };

const inHand = new AsyncLocalStorage<JobProcess>();
const armed = Symbol.for('likeness.failpoint');

/** The process stands still for good. */
class Crash extends Error {}

/** The database as one process sees it: it may be away, and a dead process has none. */
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
 * A gateway process as far as paid calls go: what claims, submits, follows, and keeps the journal, in the test's own
 * process. It can die at every failpoint, and whenever it waits; nothing that it has begun goes on then.
 */
export class JobProcess {
  readonly settlement: Settlement;
  readonly journal: Journal;
  /** The unknown status words that were reported. */
  readonly unknownWords: string[] = [];
  /** What was counted of finished pictures. */
  readonly counted: ('late' | 'delayed' | 'lost')[] = [];
  private readonly database: ProcessDatabase;
  private readonly submission: SubmissionWork;
  private readonly follow: FollowWork;
  private readonly account: AccountWork;
  private readonly overdue: OverdueWork;
  private readonly avatars: AvatarWork;
  private readonly steps: Record<JobTable, JobSteps>;
  private readonly passes = new Set<Promise<unknown>>();
  private crashPoint: FailpointName | null = null;
  private interlude: { point: FailpointName; happens: () => Promise<void> } | null = null;

  /** @param folder - of the journal; a process that takes the place of a dead one has its folder */
  constructor(
    private readonly context: ProcessContext,
    private readonly folder: string,
  ) {
    const { photos, provider } = context;
    const logger = createLogger('silent');
    const database = (this.database = new ProcessDatabase(context.database));
    const store = new JobStore(database, silence);
    this.journal = new Journal(folder);
    this.journal.start();
    this.settlement = new Settlement({ database, store, journal: this.journal, logger, graceMs });
    const budget = new UpstreamBudget(database, provider);
    const account = new AccountWork({
      ...{ sql: database, provider, budget, probeIntervalMs: 30_000, onResume: () => undefined },
      logger,
    });
    this.account = account;
    const common = { database, store, provider, budget, account, logger, leaseMs };
    this.submission = new SubmissionWork({
      ...common,
      settlement: this.settlement,
      publicUrl: () => publicUrl,
      submitTimeoutMs: 30_000,
      graceMs,
    });
    this.follow = new FollowWork({
      ...common,
      pollTimeoutMs: 10_000,
      onUnknownWord: (word) => this.unknownWords.push(word),
    });
    this.overdue = new OverdueWork({ ...common, graceMs, marginMs: 30_000 });
    const durations = new LearnedDurations(database);
    const parts = { sql: database, store, photos, provider, durations, deadlineMs, pollSpeed: 1 };
    const generations = new GenerationWork(parts);
    this.steps = { models: new ModelWork(parts), generations };
    this.avatars = new AvatarWork({
      ...{ database, logger, leaseMs, media: context.media, downloads: { result: context.pictures } },
      store: new AvatarStore(database, new GenerationCompletion(store, silence), resultDeadlineMs),
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

  /** Whether its database can be reached. */
  set isCutOff(isAway: boolean) {
    this.database.isAway = isAway;
  }

  get isDead(): boolean {
    return this.database.isDead;
  }

  /** Where it will die, if it comes there. */
  get dyingAt(): FailpointName | null {
    return this.crashPoint;
  }

  /** It will die when it comes to this point, if it does. */
  crashAt(point: FailpointName | null): void {
    this.crashPoint = point;
  }

  /** Something happens when it comes to this point next, and it goes on after that. Null: nothing does after all. */
  pauseAt(point: FailpointName | null, happens: () => Promise<void> = () => Promise.resolve()): void {
    this.interlude = point && { point, happens };
  }

  /** One pass over what is due before and around a paid call. */
  submit(table: JobTable, signal = new AbortController().signal): Promise<unknown> {
    return this.run(() => this.submission.processBatch(this.steps[table], signal));
  }

  /** Something happens before each statement outside of transactions. */
  set onStatement(happens: (text: string) => void) {
    this.database.onStatement = happens;
  }

  /** One pass over what the upstream works on, and one over failed jobs that it may still finish. */
  poll(table: JobTable): Promise<unknown> {
    const { signal } = new AbortController();
    return this.run(async () => {
      await endOf(await this.follow.processBatch(this.steps[table], signal));
      await endOf(await this.follow.watch(this.steps[table], signal));
    });
  }

  /** One pass over what has waited for longer than it may. */
  endOverdue(table: JobTable): Promise<unknown> {
    return this.run(() => this.overdue.processBatch(this.steps[table]));
  }

  /** One pass over finished pictures that are not stored yet. */
  storePictures(signal = new AbortController().signal): Promise<unknown> {
    return this.run(async () =>
      joinBatches(await this.avatars.processBatch(signal), await this.avatars.processRetryBatch(signal)),
    );
  }

  /** Checks the account if it is paused and that is due. */
  probe(): Promise<unknown> {
    return this.run(() => this.account.probe(new AbortController().signal));
  }

  /** Brings what only the journal knows into the database. */
  replay(): Promise<unknown> {
    return this.run(() => this.settlement.replay(this.steps));
  }

  /** What a kind of job does on its way. */
  stepsOf(table: JobTable): JobSteps {
    return this.steps[table];
  }

  /** Dies now. */
  kill(): void {
    if (this.isDead) return;
    this.database.isDead = true;
    this.journal.stop();
  }

  /** The process that takes the place of this one after its death, with the same disk. */
  successor(): JobProcess {
    this.kill();
    return new JobProcess(this.context, this.folder);
  }

  /** Returns when all work of the process has ended. */
  async stop(): Promise<void> {
    await Promise.all(this.passes);
    if (!this.isDead) this.journal.stop();
  }

  /** Comes to a failpoint. */
  async reach(point: FailpointName): Promise<void> {
    if (!this.isDead && this.crashPoint === point) this.kill();
    if (this.isDead) throw new Crash();
    if (this.interlude?.point !== point) return;
    const { happens } = this.interlude;
    this.interlude = null;
    await inHand.exit(happens);
  }

  /** Work of a killed process ends without an error. */
  private async run(work: () => Promise<unknown>): Promise<void> {
    const pass = inHand
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

/** What a pass has started ends before a test goes on. */
async function endOf(result: unknown): Promise<void> {
  if (typeof result === 'object' && result !== null && 'ended' in result) await result.ended;
}

/** Lets processes die at failpoints, from now on, in this test file. */
export function armFailpoints(): void {
  Object.assign(globalThis, {
    [armed]: (point: FailpointName) => inHand.getStore()?.reach(point),
  });
}
