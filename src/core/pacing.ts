import { setTimeout as pause } from 'node:timers/promises';

/**
 * The minimum time between the starts of two statements of a queue while requests keep arriving, in milliseconds. More
 * requests then share a statement: for few of them, the statement itself takes most of the processor time.
 */
const minIntervalMs = 4;

/** Keeps a minimum interval between the starts of repeated work. */
export class Pacing {
  private startedMs = -Infinity;

  /** Call it when the work starts. */
  start(): void {
    this.startedMs = performance.now();
  }

  /** Waits until the work may start again. */
  async untilNext(): Promise<void> {
    const waitMs = Math.ceil(this.startedMs + minIntervalMs - performance.now());
    if (waitMs > 0) await pause(waitMs);
  }
}
