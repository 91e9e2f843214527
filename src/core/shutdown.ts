import { pause } from './clock';
import type { Logger } from './logger';

/** Stops one component. May be called while it is busy; resolves when it has stopped. */
type Stop = () => Promise<void> | void;

/** How long {@link Shutdown.abort} waits for a startup in progress, in milliseconds. */
const abortWaitMs = 5_000;

/** Stops the components of a process in reverse order of their start, also during startup. */
export class Shutdown {
  private readonly requested = new AbortController();
  private readonly stops: Stop[] = [];
  private readonly essential: Stop[] = [];
  private started: Promise<unknown> = Promise.resolve();
  private stopping: Promise<void> | undefined;

  constructor(private readonly logger: Logger) {}

  /** Aborted when a stop is requested, so that a startup in progress ends. */
  get signal(): AbortSignal {
    return this.requested.signal;
  }

  /**
   * Runs the startup, which registers each component with {@link onStop} once it runs. If the startup fails or a stop is
   * requested meanwhile, its components are stopped before this throws.
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
   * Registers how to stop a component that has been started.
   * @param isEssential - whether {@link abort} also stops it, because it would outlive the process
   * @throws the signal's reason if a stop was requested, which ends the startup
   */
  onStop(stop: Stop, isEssential = false): void {
    this.stops.push(stop);
    if (isEssential) this.essential.push(stop);
    this.signal.throwIfAborted();
  }

  /** Ends a startup in progress, then stops every component, last started first. Further calls return the same promise. */
  stop(): Promise<void> {
    this.requested.abort();
    return this.stopOnce();
  }

  /** Stops only the components that would outlive the process. Call it before exiting without a full {@link stop}. */
  async abort(): Promise<void> {
    this.requested.abort();
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
      this.logger.warn({ err: error }, 'a component failed to stop');
    }
  }
}
