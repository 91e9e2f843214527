import { pause } from '../core/clock';
import type { DueQuery } from '../core/due';
import type { StartedBatch } from '../core/leased-rows';
import type { Logger } from '../core/logger';
import { levelOf } from '../core/outage';
import type { Agenda } from './agenda';

/** A task that runs repeatedly; each run processes what is due. */
export interface PeriodicTask {
  name: string;
  /**
   * @returns the number of processed items, or a {@link StartedBatch}, whose work may overlap later runs. If items were
   * processed or started, the next run follows immediately.
   */
  run: (signal: AbortSignal) => Promise<number | StartedBatch>;
  /**
   * The pause after a run that found nothing, in milliseconds; for a task with {@link due}, although work seemed due.
   */
  idleMs: number;
  /** Whether wake-ups never shorten the pause, so that the work has a maximum rate. */
  isPaced?: boolean;
  /** When the next work is due: the task sleeps until then. Without it the task runs after every pause. */
  due?: DueQuery;
}

/** The pause after a failed run, in milliseconds. */
const failedMs = 1_000;

/** What follows a run. */
interface RunEnd {
  /** The pause before the next run, in milliseconds. */
  ms: number;
  /** Whether the run found nothing to do, so that a wake-up ends the pause and the task may sleep until work is due. */
  isIdle: boolean;
}

/**
 * Repeats every periodic task until it is stopped. Tasks sleep until their work is due, by the {@link Agenda}. A failed
 * run is logged and repeated after a pause.
 */
export class Poller {
  private readonly stopping = new AbortController();
  /** Work started by runs that has not ended. */
  private readonly running = new Set<Promise<unknown>>();
  /** Current pauses, each with whether a wake-up ends it. */
  private readonly pauses = new Map<AbortController, boolean>();
  private loops: Promise<void>[] = [];
  private wakeCount = 0;
  /** The levels at which the first failures were logged, by task. */
  private readonly failing = new Map<string, 'warn' | 'debug'>();

  constructor(
    private readonly tasks: readonly PeriodicTask[],
    private readonly agenda: Agenda,
    private readonly logger: Logger,
    private readonly onFailure: (task: string) => void = () => undefined,
  ) {}

  start(): void {
    if (this.loops.length > 0) return;
    this.loops = this.tasks.map((task) => this.repeat(task));
  }

  /** Runs the tasks whose work is due now, because rows may have changed. */
  wake(): void {
    this.wakeCount += 1;
    this.agenda.refresh();
    for (const [wait, isWakeable] of this.pauses) if (isWakeable) wait.abort();
  }

  /** Reads again when work is due, because rows may have changed that {@link wake} is not called for. */
  refresh(): void {
    this.agenda.refresh();
  }

  /**
   * Aborts the tasks' signal and resolves when all running work has ended, or after the grace period. Interrupted work is
   * resumed when its lease expires.
   */
  async stop(graceMs: number): Promise<void> {
    this.stopping.abort();
    this.agenda.stop();
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
    let seemedDue = false;
    while (!signal.aborted) {
      const wakeCount = this.wakeCount;
      const { ms, isIdle } = await this.once(task, signal);
      if (isIdle && task.due) {
        // A wake-up during the run may concern work that the run did not see.
        const isWoken = this.wakeCount !== wakeCount && !task.isPaced;
        if (seemedDue && !isWoken) await this.rest(ms, !task.isPaced);
        await this.agenda.whenDue(task.due);
        seemedDue = true;
      } else {
        await this.rest(ms, false);
        seemedDue = false;
      }
    }
  }

  private async once(task: PeriodicTask, signal: AbortSignal): Promise<RunEnd> {
    try {
      const result = await task.run(signal);
      const found = typeof result === 'number' ? result : result.work.length;
      if (typeof result !== 'number') this.follow(task, result.work);
      this.logRecovery(task);
      if (typeof result !== 'number' && result.restMs !== undefined)
        return { ms: result.restMs, isIdle: false };
      return { ms: found > 0 ? 0 : task.idleMs, isIdle: found === 0 };
    } catch (error) {
      this.logFailure(task, error);
      return { ms: failedMs, isIdle: false };
    }
  }

  private follow(task: PeriodicTask, work: readonly Promise<unknown>[]): void {
    for (const each of work) {
      const followed = each
        .catch((error: unknown) => {
          this.logFailure(task, error);
        })
        .finally(() => {
          this.running.delete(followed);
          // Its row may have a new due time.
          this.agenda.refresh();
        });
      this.running.add(followed);
    }
  }

  private logRecovery({ name }: PeriodicTask): void {
    const level = this.failing.get(name);
    if (level === undefined) return;
    this.failing.delete(name);
    this.logger[level === 'warn' ? 'info' : 'debug']({ task: name }, 'periodic task recovered');
  }

  private logFailure(task: PeriodicTask, error: unknown): void {
    this.onFailure(task.name);
    // Repeated failures are logged once at warn, then at debug; those of an outage that was reported, at debug.
    const level = this.failing.has(task.name) ? 'debug' : levelOf(error, 'warn');
    if (!this.failing.has(task.name)) this.failing.set(task.name, level);
    this.logger[level]({ err: error, task: task.name }, 'periodic task failed; it will be retried');
  }

  private async rest(ms: number, isWakeable: boolean): Promise<void> {
    if (ms === 0 || this.stopping.signal.aborted) return;
    const wait = new AbortController();
    this.pauses.set(wait, isWakeable);
    await pause(ms, wait.signal);
    this.pauses.delete(wait);
  }
}
