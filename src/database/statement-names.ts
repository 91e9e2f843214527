import { LRUCache } from 'lru-cache';

/** A statement that was run at least once. */
interface Known {
  /** Null before its second use. */
  name: string | null;
}

/** Limits of {@link StatementNames}, as the length of SQL. */
export interface NameLimits {
  /** Longer statements have no name. */
  readonly maxLength: number;
  /** Of all statements that have names. */
  readonly maxSize: number;
}

/** Names of the statements of one kind, which no other statement ever has. */
export class StatementNames {
  private readonly known: LRUCache<string, Known>;
  private readonly maxLength: number;
  private count = 0;

  constructor(
    private readonly prefix: string,
    { maxSize, maxLength }: NameLimits,
  ) {
    this.maxLength = maxLength;
    this.known = new LRUCache({ maxSize, sizeCalculation: (_known, text) => text.length });
  }

  /** The name of a statement from its second use; null before, and for very long ones. */
  of(text: string): string | null {
    if (text.length > this.maxLength) return null;
    const known = this.known.get(text);
    if (!known) {
      this.known.set(text, { name: null });
      return null;
    }
    if (known.name === null) {
      this.count += 1;
      known.name = `${this.prefix}_${this.count}`;
    }
    return known.name;
  }

  /** All statements get other names. */
  clear(): void {
    this.known.clear();
  }
}
