/**
 * Runs at most `maxRunning` tasks at once and queues at most `maxQueued` more. Keys (for example owners) are served
 * round-robin; the tasks of one key are served in order of arrival.
 * When the queue is full, `run` rejects immediately with the error of `onFull`.
 */
export class Semaphore {
  private running = 0;
  private waiting = 0;
  /** Queues by key. A key that was served moves to the end. */
  private readonly queues = new Map<string, (() => void)[]>();

  constructor(
    private readonly maxRunning: number,
    private readonly maxQueued: number,
    private readonly onFull: () => Error,
  ) {}

  /** @param key - the group that the task is queued in, such as its owner */
  async run<T>(work: () => Promise<T>, key = ''): Promise<T> {
    if (this.running >= this.maxRunning) {
      if (this.waiting >= this.maxQueued) throw this.onFull();
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
