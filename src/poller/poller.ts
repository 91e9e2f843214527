import { pause } from '../core/clock';
import { emptyBatch, type StartedBatch } from '../core/leased-rows';
import type { Logger } from '../core/logger';

/** A task that runs repeatedly; each run processes what is due. */
export interface PeriodicTask {
  name: string;
  /**
   * @returns the number of processed items, or a {@link StartedBatch}, whose work may overlap later runs. If items were
   * processed or started, the next run follows immediately.
   */
  run: (signal: AbortSignal) => Promise<number | StartedBatch>;
  /** The pause after a run that found nothing, in milliseconds. */
  idleMs: number;
  /** Whether a wake-up ends the pause. */
  wakeable: boolean;
}

/** The pause after a failed run, in milliseconds. */
const failedMs = 1_000;

/** Repeats every periodic task until it is stopped. A failed run is logged and repeated after a pause. */
export class Poller {
  private readonly stopping = new AbortController();
  /** Work started by runs that has not ended. */
  private readonly running = new Set<Promise<unknown>>();
  /** Current pauses, each with whether a wake-up ends it. */
  private readonly pauses = new Map<AbortController, boolean>();
  private loops: Promise<void>[] = [];
  private wakeCount = 0;
  private readonly failing = new Set<string>();

  constructor(
    private readonly tasks: readonly PeriodicTask[],
    private readonly logger: Logger,
  ) {}

  start(): void {
    if (this.loops.length > 0) return;
    this.loops = this.tasks.map((task) => this.repeat(task));
  }

  /** Ends the pauses of all wakeable tasks, because work may be due. */
  wake(): void {
    this.wakeCount += 1;
    for (const [wait, isWakeable] of this.pauses) if (isWakeable) wait.abort();
  }

  /**
   * Aborts the tasks' signal and resolves when all running work has ended, or after the grace period. Interrupted work is
   * resumed when its lease expires.
   */
  async stop(graceMs: number): Promise<void> {
    this.stopping.abort();
    for (const wait of this.pauses.keys()) wait.abort();
    const ended = this.ended().then(() => true);
    const timer = new AbortController();
    const isEnded = await Promise.race([ended, pause(graceMs, timer.signal).then(() => false)]);
    timer.abort();
    if (!isEnded)
      this.logger.warn(
        { graceMs },
        'running work did not end within the grace period; it will be resumed later',
      );
    this.loops = [];
  }

  /** Waits for the loops first, because they can still start work. */
  private async ended(): Promise<void> {
    await Promise.all(this.loops);
    await Promise.all(this.running);
  }

  private async repeat(task: PeriodicTask): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const wakeCount = this.wakeCount;
      const { ms, isWakeable } = await this.once(task, signal);
      // A wake-up during the run may concern work that the run did not see.
      const isWoken = isWakeable && this.wakeCount !== wakeCount;
      if (ms > 0 && !isWoken) await this.rest(ms, isWakeable);
    }
  }

  /** @returns the pause before the next run */
  private async once(task: PeriodicTask, signal: AbortSignal): Promise<{ ms: number; isWakeable: boolean }> {
    try {
      const result = await task.run(signal);
      const run = typeof result === 'number' ? { ...emptyBatch, started: result } : result;
      if (run.started > 0) this.follow(task, run.ended);
      if (this.failing.delete(task.name)) this.logger.info({ task: task.name }, 'periodic task recovered');
      if (run.restMs !== undefined) return { ms: run.restMs, isWakeable: false };
      return { ms: run.started > 0 ? 0 : task.idleMs, isWakeable: task.wakeable };
    } catch (error) {
      this.logFailure(task, error);
      return { ms: failedMs, isWakeable: task.wakeable };
    }
  }

  private follow(task: PeriodicTask, ended: Promise<unknown>): void {
    const followed = ended
      .catch((error: unknown) => {
        this.logFailure(task, error);
      })
      .finally(() => this.running.delete(followed));
    this.running.add(followed);
  }

  private logFailure(task: PeriodicTask, error: unknown): void {
    // Repeated failures are logged once at warn, then at debug.
    const level = this.failing.has(task.name) ? 'debug' : 'warn';
    this.failing.add(task.name);
    this.logger[level]({ err: error, task: task.name }, 'periodic task failed; it will be retried');
  }

  private async rest(ms: number, isWakeable: boolean): Promise<void> {
    if (this.stopping.signal.aborted) return;
    const wait = new AbortController();
    this.pauses.set(wait, isWakeable);
    await pause(ms, wait.signal);
    this.pauses.delete(wait);
  }
}
