/** What one piece of work counts for at least, as a share of the whole; so at most this many run at once. */
const mostAtOnce = 100;

/**
 * Lets work run while the bytes that it holds in memory fit into a budget; the others wait in order, at most `queue`
 * of them. Many small photos come in at once, or few large ones, and neither can fill the memory.
 */
export class ByteBudget {
  private free: number;
  private readonly waiting: { bytes: number; start: () => void }[] = [];

  /**
   * @param total - bytes in all
   * @param onFull - makes the error for work that would have to wait behind a full queue
   */
  constructor(
    private readonly total: number,
    private readonly queue: number,
    private readonly onFull: () => Error,
  ) {
    this.free = total;
  }

  /** Runs `work` once `bytes` are free, or all of the budget if that is less. */
  async run<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    const share = Math.min(Math.max(bytes, Math.ceil(this.total / mostAtOnce)), this.total);
    if (this.waiting.length === 0 && share <= this.free) {
      this.free -= share;
    } else {
      if (this.waiting.length >= this.queue) throw this.onFull();
      await new Promise<void>((start) => this.waiting.push({ bytes: share, start }));
    }
    try {
      return await work();
    } finally {
      this.free += share;
      this.admit();
    }
  }

  private admit(): void {
    let next = this.waiting[0];
    while (next && next.bytes <= this.free) {
      this.waiting.shift();
      this.free -= next.bytes;
      next.start();
      next = this.waiting[0];
    }
  }
}
