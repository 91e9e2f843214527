import { pause } from './clock';

/** Processes items in batches: items added while a batch is processed form the next batch. */
export class Batcher<Item> {
  private batch: Item[] = [];
  private next: Promise<void> | null = null;
  private current: Promise<unknown> = Promise.resolve();

  /**
   * @param process - called for one batch at a time
   * @param gatherMs - how long the first item of a batch waits for others, in milliseconds
   */
  constructor(
    private readonly process: (items: Item[]) => Promise<void>,
    private readonly gatherMs = 0,
  ) {}

  /** Returns when the item's batch has been processed. Rejects with the error of `process`. */
  add(item: Item): Promise<void> {
    this.batch.push(item);
    if (!this.next) {
      this.next = this.current.then(() => this.run());
      this.current = this.next.catch(() => undefined);
    }
    return this.next;
  }

  private async run(): Promise<void> {
    if (this.gatherMs > 0) await pause(this.gatherMs);
    const items = this.batch.splice(0);
    this.next = null;
    return this.process(items);
  }
}
