import { Pacing } from './pacing';

interface Request<Key, Value> {
  readonly key: Key;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads keys in batches, one batch at a time: keys requested in one turn of the event loop, or while a batch is read,
 * are read together. While requests keep arriving, batches that are not full start at least 4 ms apart, unless the queue
 * is urgent. A value is read after it was requested. An error of a batch rejects all of its requests.
 */
export class BatchQueue<Key, Value> {
  private requests: Request<Key, Value>[] = [];
  private isReading = false;
  private readonly pacing = new Pacing();

  /**
   * @param read - returns the values in the order of the keys, which may contain duplicates
   * @param maxKeys - per batch
   * @param isUrgent - whether those who wait hold what others wait for, such as a turn
   */
  constructor(
    private readonly read: (keys: readonly Key[]) => Promise<readonly Value[]>,
    private readonly maxKeys = 1_000,
    private readonly isUrgent = false,
  ) {}

  /** Requests a value. */
  load(key: Key): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.requests.push({ key, resolve, reject });
      if (this.isReading) return;
      this.isReading = true;
      setImmediate(() => void this.readAll());
    });
  }

  private async readAll(): Promise<void> {
    while (this.requests.length > 0) {
      this.pacing.start();
      await this.readBatch(this.requests.splice(0, this.maxKeys));
      const waiting = this.requests.length;
      if (!this.isUrgent && waiting > 0 && waiting < this.maxKeys) await this.pacing.untilNext();
    }
    this.isReading = false;
  }

  private async readBatch(batch: readonly Request<Key, Value>[]): Promise<void> {
    try {
      const values = await this.read(batch.map(({ key }) => key));
      batch.forEach(({ resolve }, index) => resolve(values[index]!));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
