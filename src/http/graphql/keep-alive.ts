/** Is checked at equal intervals. */
export interface Checked {
  checkAlive(): void;
}

const maxSlots = 32;
const minTickMs = 10;
/** Checks in one turn of the event loop: a check writes to a socket, which takes up to 0.1 ms. */
const maxChecksPerTurn = 20;

/**
 * Checks sockets at an interval. One timer serves all sockets, and checks are spread over the interval, so that thousands
 * of pings do not block the event loop at once. Those that are due together run in several turns of the event loop.
 */
export class KeepAlive {
  private readonly slots: Set<Checked>[];
  private size = 0;
  private nextSlot = 0;
  private tick = 0;
  private timer: NodeJS.Timeout | null = null;

  /** @param intervalMs - between two checks of a socket; the first check may be sooner */
  constructor(private readonly intervalMs: number) {
    const count = Math.min(maxSlots, Math.max(1, Math.floor(intervalMs / minTickMs)));
    this.slots = Array.from({ length: count }, () => new Set());
  }

  /** @returns the number to give to {@link remove} */
  add(checked: Checked): number {
    const slot = (this.nextSlot = (this.nextSlot + 1) % this.slots.length);
    this.slots[slot]!.add(checked);
    this.size += 1;
    this.timer ??= setInterval(() => this.check(), this.intervalMs / this.slots.length);
    return slot;
  }

  remove(checked: Checked, slot: number): void {
    if (!this.slots[slot]!.delete(checked)) return;
    this.size -= 1;
    if (this.size > 0 || !this.timer) return;
    clearInterval(this.timer);
    this.timer = null;
  }

  private check(): void {
    this.tick = (this.tick + 1) % this.slots.length;
    this.checkSome(this.slots[this.tick]!.values());
  }

  private checkSome(due: Iterator<Checked, undefined>): void {
    for (let count = 0; count < maxChecksPerTurn; count += 1) {
      const { value } = due.next();
      if (!value) return;
      value.checkAlive();
    }
    setImmediate(() => this.checkSome(due));
  }
}
