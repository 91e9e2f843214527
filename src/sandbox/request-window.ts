/** The state of the window after a call. */
export interface WindowReading {
  readonly isOver: boolean;
  readonly limit: number;
  readonly available: number;
  /** Whole seconds until the next window, at least one. */
  readonly resetSeconds: number;
}

/** Counts calls in windows of fixed length, as Picsart's quota does. */
export class RequestWindow {
  private startedAtMs = -Infinity;
  private used = 0;

  constructor(
    private readonly limit: number,
    private readonly windowMs: number,
  ) {}

  /** Counts one call. */
  take(nowMs: number): WindowReading {
    if (nowMs - this.startedAtMs >= this.windowMs) {
      this.startedAtMs = nowMs;
      this.used = 0;
    }
    const isOver = this.used >= this.limit;
    if (!isOver) this.used += 1;
    return {
      isOver,
      limit: this.limit,
      available: this.limit - this.used,
      resetSeconds: Math.max(1, Math.ceil((this.startedAtMs + this.windowMs - nowMs) / 1_000)),
    };
  }
}
