/** Items that wait: taken from one owner after the other, and those of an owner in the order in which they were added. */
export class OwnerQueue<Item> {
  /** The owner whose item is next is the first. An owner that was served moves to the end. */
  private readonly byOwner = new Map<string, Item[]>();
  private count = 0;

  /** The number of items of all owners. */
  get length(): number {
    return this.count;
  }

  /** Whether an item of the owner waits. */
  has(owner: string): boolean {
    return this.byOwner.has(owner);
  }

  push(owner: string, item: Item): void {
    this.count += 1;
    const items = this.byOwner.get(owner);
    if (items) items.push(item);
    else this.byOwner.set(owner, [item]);
  }

  /** Removes an item that waits no longer. */
  remove(owner: string, item: Item): void {
    const items = this.byOwner.get(owner) ?? [];
    const others = items.filter((each) => each !== item);
    this.count -= items.length - others.length;
    if (others.length > 0) this.byOwner.set(owner, others);
    else this.byOwner.delete(owner);
  }

  /** The item that {@link shift} returns if all owners are served. */
  get next(): Item | undefined {
    for (const [item] of this.byOwner.values()) return item;
    return undefined;
  }

  /**
   * Removes the next item, and returns it.
   * @param serves - whether the owner is served now; called until it is. @defaultValue all are
   */
  shift(serves: (owner: string) => boolean = () => true): Item | undefined {
    for (const [owner, items] of this.byOwner) {
      if (!serves(owner)) continue;
      this.count -= 1;
      const item = items.shift();
      this.byOwner.delete(owner);
      if (items.length > 0) this.byOwner.set(owner, items);
      return item;
    }
    return undefined;
  }
}
