import { pause } from '../core/clock';
import type { Logger } from '../core/logger';
import { emptyBatch, type StartedBatch } from '../core/started-batch';

/** A piece of work that is repeated: one pass takes what is due now. */
export interface PeriodicTask {
  name: string;
  /**
   * @returns how many pieces were in hand; above 0 the next pass follows at once. Or what the pass has started: the next
   * one does not wait until that has ended.
   */
  run: (signal: AbortSignal) => Promise<number | StartedBatch>;
  /** How long to wait after a pass that found nothing, in milliseconds. */
  idleMs: number;
  /** How many passes may run at once, so that a slow one does not hold up the rest. */
  concurrency: number;
  /** Whether a wake-up ends the wait; others keep to their time. */
  wakeable: boolean;
}

/** The wait after a pass that failed, in milliseconds: the database may be away. */
const failedMs = 1_000;

/** The clock: repeats every beat until it is stopped. Errors cost a pause and are logged, never the loop. */
export class Poller {
  private readonly stopping = new AbortController();
  /** What passes have started and left running. */
  private readonly running = new Set<Promise<unknown>>();
  /** The waits under way, each with whether a wake-up ends it. */
  private readonly waits = new Map<AbortController, boolean>();
  private loops: Promise<void>[] = [];
  private wakeable = 0;
  private readonly failing = new Set<string>();

  constructor(
    private readonly tasks: readonly PeriodicTask[],
    private readonly logger: Logger,
  ) {}

  start(): void {
    if (this.loops.length > 0) return;
    this.loops = this.tasks.flatMap((task) =>
      Array.from({ length: task.concurrency }, () => this.repeat(task)),
    );
  }

  /** Something may be due now. */
  wake(): void {
    this.wakeable += 1;
    for (const [wait, isWakeable] of this.waits) if (isWakeable) wait.abort();
  }

  /**
   * Returns when every pass in hand has ended, or after the grace. What waits is told to end by its signal; what is cut
   * off is taken up again when its lease ends.
   */
  async stop(graceMs: number): Promise<void> {
    this.stopping.abort();
    for (const wait of this.waits.keys()) wait.abort();
    const ended = this.ended().then(() => true);
    const timer = new AbortController();
    const isEnded = await Promise.race([ended, pause(graceMs, timer.signal).then(() => false)]);
    timer.abort();
    if (!isEnded)
      this.logger.warn({ graceMs }, 'work in hand did not end in time; it is taken up again later');
    this.loops = [];
  }

  /** The loops end first; after that nothing new is started. */
  private async ended(): Promise<void> {
    await Promise.all(this.loops);
    await Promise.all(this.running);
  }

  private async repeat(task: PeriodicTask): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const wakeable = this.wakeable;
      const { ms, isWakeable } = await this.once(task, signal);
      // A wake-up during the pass may have been for what the pass no longer saw.
      const isWoken = isWakeable && this.wakeable !== wakeable;
      if (ms > 0 && !isWoken) await this.rest(ms, isWakeable);
    }
  }

  /** @returns the wait until the next pass */
  private async once(task: PeriodicTask, signal: AbortSignal): Promise<{ ms: number; isWakeable: boolean }> {
    try {
      const result = await task.run(signal);
      const run = typeof result === 'number' ? { ...emptyBatch, started: result } : result;
      if (run.started > 0) this.follow(task, run.ended);
      if (this.failing.delete(task.name)) this.logger.info({ task: task.name }, 'passes succeed again');
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
    // An outage is logged once, and not every second.
    const level = this.failing.has(task.name) ? 'debug' : 'warn';
    this.failing.add(task.name);
    this.logger[level]({ err: error, task: task.name }, 'a pass failed; it is repeated until it succeeds');
  }

  private async rest(ms: number, isWakeable: boolean): Promise<void> {
    if (this.stopping.signal.aborted) return;
    const wait = new AbortController();
    this.waits.set(wait, isWakeable);
    await pause(ms, wait.signal);
    this.waits.delete(wait);
  }
}
