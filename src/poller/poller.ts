import { pause } from '../core/clock';
import type { Logger } from '../core/logger';
import { emptyPass, type Pass } from '../core/pass';

/** A piece of work that is repeated: one pass takes what is due now. */
export interface Beat {
  name: string;
  /**
   * @returns how many pieces were in hand; above 0 the next pass follows at once. Or what the pass has started: the next
   * one does not wait until that has ended.
   */
  pass: (signal: AbortSignal) => Promise<number | Pass>;
  /** How long to wait after a pass that found nothing, in milliseconds. */
  idleMs: number;
  /** How many passes may run at once, so that a slow one does not hold up the rest. */
  lanes: number;
  /** Whether a wake-up ends the wait; others keep to their time. */
  wakes: boolean;
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
  private wakes = 0;
  private readonly failing = new Set<string>();

  constructor(
    private readonly beats: readonly Beat[],
    private readonly logger: Logger,
  ) {}

  start(): void {
    if (this.loops.length > 0) return;
    this.loops = this.beats.flatMap((beat) => Array.from({ length: beat.lanes }, () => this.repeat(beat)));
  }

  /** Something may be due now. */
  wake(): void {
    this.wakes += 1;
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

  private async repeat(beat: Beat): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const wakes = this.wakes;
      const { ms, isWakeable } = await this.once(beat, signal);
      // A wake-up during the pass may have been for what the pass no longer saw.
      const isWoken = isWakeable && this.wakes !== wakes;
      if (ms > 0 && !isWoken) await this.rest(ms, isWakeable);
    }
  }

  /** @returns the wait until the next pass */
  private async once(beat: Beat, signal: AbortSignal): Promise<{ ms: number; isWakeable: boolean }> {
    try {
      const result = await beat.pass(signal);
      const pass = typeof result === 'number' ? { ...emptyPass, started: result } : result;
      if (pass.started > 0) this.follow(beat, pass.ended);
      if (this.failing.delete(beat.name)) this.logger.info({ beat: beat.name }, 'passes succeed again');
      if (pass.restMs !== undefined) return { ms: pass.restMs, isWakeable: false };
      return { ms: pass.started > 0 ? 0 : beat.idleMs, isWakeable: beat.wakes };
    } catch (error) {
      this.logFailure(beat, error);
      return { ms: failedMs, isWakeable: beat.wakes };
    }
  }

  private follow(beat: Beat, ended: Promise<unknown>): void {
    const followed = ended
      .catch((error: unknown) => {
        this.logFailure(beat, error);
      })
      .finally(() => this.running.delete(followed));
    this.running.add(followed);
  }

  private logFailure(beat: Beat, error: unknown): void {
    // An outage is logged once, and not every second.
    const level = this.failing.has(beat.name) ? 'debug' : 'warn';
    this.failing.add(beat.name);
    this.logger[level]({ err: error, beat: beat.name }, 'a pass failed; it is repeated until it succeeds');
  }

  private async rest(ms: number, isWakeable: boolean): Promise<void> {
    if (this.stopping.signal.aborted) return;
    const wait = new AbortController();
    this.waits.set(wait, isWakeable);
    await pause(ms, wait.signal);
    this.waits.delete(wait);
  }
}
