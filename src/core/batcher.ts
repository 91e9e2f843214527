/** Processes items in batches: items added while a batch is processed form the next batch. */
export class Batcher<Item> {
  private batch: Item[] = [];
  private next: Promise<void> | null = null;
  private current: Promise<unknown> = Promise.resolve();

  /** @param process - called for one batch at a time */
  constructor(private readonly process: (items: Item[]) => Promise<void>) {}

  /** Returns when the item's batch has been processed. Rejects with the error of `process`. */
  add(item: Item): Promise<void> {
    this.batch.push(item);
    if (!this.next) {
      this.next = this.current.then(() => this.run());
      this.current = this.next.catch(() => undefined);
    }
    return this.next;
  }

  private run(): Promise<void> {
    const items = this.batch.splice(0);
    this.next = null;
    return this.process(items);
  }
}
