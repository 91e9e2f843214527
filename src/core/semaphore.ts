/**
 * Lets at most `width` pieces of work run at once; the others wait, at most `queue` of them. Those of different keys,
 * such as owners, are taken in turn, and those of one key in the order of asking.
 * A wait that would be longer is refused at once with the error made by `onFull`, so that a flood costs nothing.
 */
export class Semaphore {
  private running = 0;
  private waiting = 0;
  /** By key. A key that was served goes to the end. */
  private readonly queues = new Map<string, (() => void)[]>();

  constructor(
    private readonly width: number,
    private readonly queue: number,
    private readonly onFull: () => Error,
  ) {}

  /** @param key - whose work it is */
  async run<T>(work: () => Promise<T>, key = ''): Promise<T> {
    if (this.running >= this.width) {
      if (this.waiting >= this.queue) throw this.onFull();
      await new Promise<void>((resume) => this.enqueue(key, resume));
    } else {
      this.running += 1;
    }
    try {
      return await work();
    } finally {
      const next = this.dequeue();
      if (next) next();
      else this.running -= 1;
    }
  }

  private enqueue(key: string, resume: () => void): void {
    this.waiting += 1;
    const queue = this.queues.get(key);
    if (queue) queue.push(resume);
    else this.queues.set(key, [resume]);
  }

  private dequeue(): (() => void) | null {
    const [first] = this.queues;
    if (!first) return null;
    const [key, queue] = first;
    this.queues.delete(key);
    const next = queue.shift()!;
    if (queue.length > 0) this.queues.set(key, queue);
    this.waiting -= 1;
    return next;
  }
}
