import { AsyncLocalStorage } from 'node:async_hooks';
import type { Engine } from '../../src/core/engine';
import { DomainError } from '../../src/core/errors';
import type { FailpointName } from '../../src/core/failpoint';
import { joinBatches } from '../../src/core/leased-rows';
import type { Sql, Transactions } from '../../src/core/sql';
import type { JobSteps } from '../../src/jobs/job-steps';
import type { Journal } from '../../src/jobs/journal';
import type { PaidCallRecorder } from '../../src/jobs/paid-call-recorder';
import type { MediaStore } from '../../src/storage/media-store';
import type { Downloads } from '../../src/upstream/downloads';
import type { AvatarProvider } from '../../src/upstream/provider';
import { composeServices, type Composition } from './services';

/** The tables of jobs. */
export type JobTable = 'models' | 'generations';

/** So long that no lease expires during a test; tests end leases explicitly. */
export const leaseMs = 600_000;
/** The grace period of an uncertain submission. */
export const graceMs = 35 * 60_000;
/** The deadline of trainings and generations. */
export const deadlineMs = 3_600_000;
/** How long a generation waits for pictures that cannot be fetched; not the default, which is 10 minutes. */
export const resultDeadlineMs = 720_000;
/** How long after its deadline a job is ended: a lease and the time limit of a poll. */
export const overdueMarginMs = leaseMs + 60_000;

/** The settings of every process. */
export const jobSettings = {
  LEASE: `${leaseMs / 1_000}s`,
  POLL_TIMEOUT: '60s',
  UNCERTAIN_GRACE: `${graceMs / 1_000}s`,
  TRAINING_DEADLINE: `${deadlineMs / 1_000}s`,
  GENERATION_DEADLINE: `${deadlineMs / 1_000}s`,
  RESULT_DEADLINE: `${resultDeadlineMs / 1_000}s`,
  MAX_RESULT_BYTES: '1000000',
  MAX_RESULT_FETCHES: '16',
};

/** The prefix of photo URLs. */
export const publicUrl = 'http://gateway.test';

/** The dependencies that all processes share. */
export interface ProcessContext {
  database: Transactions;
  provider: AvatarProvider;
  media: MediaStore;
  /** Downloads the pictures of the upstream. */
  pictures: Downloads['result'];
}

const current = new AsyncLocalStorage<JobProcess>();
const armed = Symbol.for('likeness.failpoint');

/** A promise that never settles: the process is blocked. */
class Crash extends Error {}

/** The database connection of one process: it can be unavailable, and a killed process has none. */
class ProcessDatabase implements Transactions {
  readonly engine: Engine;
  isAway = false;
  isDead = false;
  /** Called with each statement outside of transactions, before it runs. */
  onStatement: (text: string) => void = () => undefined;
  /** Awaited before each transaction. */
  onTransaction: () => Promise<void> = () => Promise.resolve();

  constructor(private readonly inner: Transactions) {
    this.engine = inner.engine;
  }

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

  async transaction<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result> {
    this.check();
    await this.onTransaction();
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
  /** The unknown status words that were reported. */
  readonly unknownWords: string[] = [];
  /** Its warnings and errors. */
  readonly log: { msg: string }[] = [];
  /** The topics that were announced to other processes. */
  readonly announced: string[] = [];
  /** Metrics of finished pictures. */
  readonly counted: ('late' | 'delayed' | 'lost')[] = [];
  private readonly database: ProcessDatabase;
  private readonly composition: Composition;
  private readonly passes = new Set<Promise<unknown>>();
  private crashPoint: FailpointName | null = null;
  private interlude: { point: FailpointName; happens: () => Promise<void> } | null = null;

  /** @param folder - the directory of the journal; a replacement process uses the directory of the killed one */
  constructor(
    private readonly context: ProcessContext,
    readonly folder: string,
  ) {
    this.database = new ProcessDatabase(context.database);
    this.composition = composeServices({
      ...context,
      database: this.database,
      dataDir: folder,
      publicUrl: () => publicUrl,
      settings: jobSettings,
      onLog: (line) => this.log.push(JSON.parse(line) as { msg: string }),
      announce: ({ topics = [] }) => void this.announced.push(...topics),
      downloads: { result: context.pictures },
      metrics: {
        unknownWord: (word) => this.unknownWords.push(word),
        lateAvatar: () => this.counted.push('late'),
        delayedAvatar: () => this.counted.push('delayed'),
        lostAvatar: () => this.counted.push('lost'),
      },
    });
  }

  get recorder(): PaidCallRecorder {
    return this.composition.recorder;
  }

  get journal(): Journal {
    return this.composition.journal;
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
    return this.run(() => this.composition[table].submission.processBatch(signal));
  }

  /** Runs a function before each statement outside of transactions. */
  set onStatement(happens: (text: string) => void) {
    this.database.onStatement = happens;
  }

  /** Runs a function before each transaction. */
  set onTransaction(happens: () => Promise<void>) {
    this.database.onTransaction = happens;
  }

  /** Runs one pass of polls, and one of the late watch. */
  poll(table: JobTable): Promise<unknown> {
    const { signal } = new AbortController();
    return this.run(async () => {
      const { polls } = this.composition[table];
      await endOf(await polls.processBatch(signal));
      await endOf(await polls.watch(signal));
    });
  }

  /** Runs one pass over jobs whose deadline has passed. */
  endOverdue(table: JobTable): Promise<unknown> {
    return this.run(() => this.composition[table].overdue.processBatch());
  }

  /** Runs one pass over finished pictures that are not stored yet. */
  storePictures(signal = new AbortController().signal): Promise<unknown> {
    return this.run(async () =>
      joinBatches(
        await this.composition.avatars.processBatch(signal),
        await this.composition.avatars.processRetryBatch(signal),
      ),
    );
  }

  /** Checks the account if it is paused and a check is due. */
  probe(): Promise<unknown> {
    return this.run(() => this.composition.account.probe(new AbortController().signal));
  }

  /** Stores ids that only the journal holds. */
  replay(): Promise<unknown> {
    return this.run(() => this.recorder.replay());
  }

  /** The workers of one kind of job. */
  stepsOf(table: JobTable): JobSteps {
    return this.composition[table].steps;
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
  if (typeof result !== 'object' || result === null || !('work' in result)) return;
  const failed = (await Promise.allSettled(result.work as unknown[])).find(
    ({ status }) => status === 'rejected',
  );
  if (failed?.status === 'rejected') throw failed.reason;
}

/** Enables failpoints for the processes of this test file. */
export function armFailpoints(): void {
  Object.assign(globalThis, {
    [armed]: (point: FailpointName) => current.getStore()?.reach(point),
  });
}
