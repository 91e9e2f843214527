/** Items that wait: taken from one owner after the other, and those of an owner in the order in which they were added. */
export class OwnerQueue<Item extends { readonly owner: string }> {
  /** The owner whose item is next is the first. */
  private readonly byOwner = new Map<string, Item[]>();
  private count = 0;

  /** The number of items of all owners. */
  get length(): number {
    return this.count;
  }

  push(item: Item): void {
    this.count += 1;
    const items = this.byOwner.get(item.owner);
    if (items) items.push(item);
    else this.byOwner.set(item.owner, [item]);
  }

  /** The item that {@link shift} returns. */
  get next(): Item | undefined {
    for (const [item] of this.byOwner.values()) return item;
    return undefined;
  }

  /** Removes the next item, and returns it. */
  shift(): Item | undefined {
    for (const [owner, items] of this.byOwner) {
      this.count -= 1;
      const item = items.shift();
      this.byOwner.delete(owner);
      if (items.length > 0) this.byOwner.set(owner, items);
      return item;
    }
    return undefined;
  }
}
