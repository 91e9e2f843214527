/** Options of {@link Semaphore.run}. */
export interface SemaphoreOptions {
  /** The group that the task is queued in, such as its owner. */
  key?: string;
  /** Removes the task from the queue when it is aborted. Has no effect on a task that runs. */
  signal?: AbortSignal;
}

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

  /** @throws the error of `work` or of `onFull`, or the signal's reason */
  async run<T>(work: () => Promise<T>, { key = '', signal }: SemaphoreOptions = {}): Promise<T> {
    signal?.throwIfAborted();
    if (this.running >= this.maxRunning) {
      if (this.waiting >= this.maxQueued) throw this.onFull();
      await this.turn(key, signal);
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

  /** Resolves when a running task has passed its place on. */
  private turn(key: string, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const resume = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.remove(key, resume);
        reject(signal!.reason as Error);
      };
      signal?.addEventListener('abort', leave, { once: true });
      this.enqueue(key, resume);
    });
  }

  private enqueue(key: string, resume: () => void): void {
    this.waiting += 1;
    const queue = this.queues.get(key);
    if (queue) queue.push(resume);
    else this.queues.set(key, [resume]);
  }

  private remove(key: string, resume: () => void): void {
    const queue = this.queues.get(key)!;
    queue.splice(queue.indexOf(resume), 1);
    if (queue.length === 0) this.queues.delete(key);
    this.waiting -= 1;
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
