import { pause } from './clock';
import type { Logger } from './logger';

/** Stops one part. May be called while the part is still busy; returns when it has stopped. */
type Stop = () => Promise<void> | void;

/** How long an abort waits for a start that is under way, in milliseconds. */
const abortWaitMs = 5_000;

/** The parts that a process has started, to be stopped in reverse order, also while the start is under way. */
export class Shutdown {
  private readonly asked = new AbortController();
  private readonly stops: Stop[] = [];
  private readonly essential: Stop[] = [];
  private started: Promise<unknown> = Promise.resolve();
  private stopping: Promise<void> | undefined;

  constructor(private readonly logger: Logger) {}

  /** Aborted once a stop was asked for, so that a start gives up. */
  get signal(): AbortSignal {
    return this.asked.signal;
  }

  /**
   * Runs a start, which registers every part with {@link onStop} as soon as that runs. If it fails, or a stop is asked
   * for meanwhile, its parts are stopped before this throws.
   */
  async start<Running>(start: () => Promise<Running>): Promise<Running> {
    const starting = start();
    this.started = starting.catch(() => undefined);
    try {
      const running = await starting;
      this.signal.throwIfAborted();
      return running;
    } catch (error) {
      await this.stopOnce();
      throw error;
    }
  }

  /**
   * Registers how to stop a part that has just been started.
   * @param isEssential - whether {@link abort} stops it too, because it would outlive the process
   * @throws the signal's reason if a stop was asked for, which ends the start
   */
  onStop(stop: Stop, isEssential = false): void {
    this.stops.push(stop);
    if (isEssential) this.essential.push(stop);
    this.signal.throwIfAborted();
  }

  /** Ends a start under way, then stops every part, last started first. Does it once, however often it is called. */
  stop(): Promise<void> {
    this.asked.abort();
    return this.stopOnce();
  }

  /** Stops only the parts that would outlive the process; to be called before it exits without waiting for the rest. */
  async abort(): Promise<void> {
    this.asked.abort();
    await Promise.race([this.started, pause(abortWaitMs)]);
    await Promise.all(this.essential.map((stop) => this.attempt(stop)));
  }

  private stopOnce(): Promise<void> {
    this.stopping ??= this.stopAll();
    return this.stopping;
  }

  private async stopAll(): Promise<void> {
    await this.started;
    for (const stop of this.stops.reverse()) await this.attempt(stop);
  }

  private async attempt(stop: Stop): Promise<void> {
    try {
      await stop();
    } catch (error) {
      this.logger.warn({ err: error }, 'a part did not stop as it should');
    }
  }
}
