import { equalWeights, type OwnerWeights } from './owner-weights';

/** Options of {@link Semaphore.run}. */
export interface SemaphoreOptions {
  /** The group that the task is queued in, such as its owner. */
  key?: string;
  /**
   * The expected duration relative to other tasks. A key whose task costs ten times as much is served a tenth as often.
   * @defaultValue 1
   */
  cost?: number;
  /** Removes the task from the queue when it is aborted. Has no effect on a task that runs. */
  signal?: AbortSignal;
}

/** A task that waits. */
interface Waiting {
  readonly resume: () => void;
  readonly cost: number;
}

/** The tasks of a key that wait, and the cost of all that were served, counted from that of the others when it came. */
interface Queue {
  readonly waiting: Waiting[];
  served: number;
}

/**
 * Runs at most `maxRunning` tasks at once and queues at most `maxQueued` more. Keys (for example owners) are served in turn, the
 * one first of which the served tasks have cost least (start-time fair queueing: Goyal, Vin and Cheng, 1996); the tasks of one
 * key are served in order of arrival. For a key with a weight, tasks cost a fraction.
 * When the queue is full, `run` rejects immediately with the error of `onFull`.
 */
export class Semaphore {
  private running = 0;
  private waiting = 0;
  /** By key. A key that was served moves to the end. Those without tasks are kept until the others have cost as much. */
  private readonly queues = new Map<string, Queue>();
  /** The cost of the key that was served last, before it. */
  private leastServed = 0;

  constructor(
    private readonly maxRunning: number,
    private readonly maxQueued: number,
    private readonly onFull: () => Error,
    private readonly weights: OwnerWeights = equalWeights,
  ) {}

  /** The number of tasks that run. */
  get runningCount(): number {
    return this.running;
  }

  /** The number of tasks that wait. */
  get waitingCount(): number {
    return this.waiting;
  }

  /** @throws the error of `work` or of `onFull`, or the signal's reason */
  async run<T>(work: () => Promise<T>, { key = '', cost = 1, signal }: SemaphoreOptions = {}): Promise<T> {
    signal?.throwIfAborted();
    if (this.running >= this.maxRunning) {
      if (this.waiting >= this.maxQueued) throw this.onFull();
      await this.turn(key, cost, signal);
    } else {
      this.running += 1;
    }
    try {
      return await work();
    } finally {
      const next = this.dequeue();
      if (next) next();
      else this.leave();
    }
  }

  /** Resolves when a running task has passed its place on. */
  private turn(key: string, cost: number, signal: AbortSignal | undefined): Promise<void> {
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
      this.enqueue(key, { resume, cost });
    });
  }

  private enqueue(key: string, task: Waiting): void {
    this.waiting += 1;
    const queue = this.queues.get(key) ?? { waiting: [], served: this.leastServed };
    queue.waiting.push(task);
    this.queues.set(key, queue);
  }

  private remove(key: string, resume: () => void): void {
    const { waiting } = this.queues.get(key)!;
    waiting.splice(
      waiting.findIndex((task) => task.resume === resume),
      1,
    );
    this.waiting -= 1;
  }

  private dequeue(): (() => void) | null {
    let first: [string, Queue] | null = null;
    for (const entry of this.queues) {
      const [key, { waiting, served }] = entry;
      if (waiting.length === 0) {
        if (served <= this.leastServed) this.queues.delete(key);
      } else if (first === null || served < first[1].served) first = entry;
    }
    if (!first) return null;
    const [key, queue] = first;
    const { resume, cost } = queue.waiting.shift()!;
    this.leastServed = Math.max(this.leastServed, queue.served);
    queue.served = this.leastServed + cost / this.weights.of(key);
    this.queues.delete(key);
    this.queues.set(key, queue);
    this.waiting -= 1;
    return resume;
  }

  private leave(): void {
    this.running -= 1;
    if (this.running > 0) return;
    this.queues.clear();
    this.leastServed = 0;
  }
}
