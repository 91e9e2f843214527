import { LRUCache } from 'lru-cache';
import type { Pool, PoolClient } from 'pg';
import type { PreparedStatements } from '../core/sql';

/** Maximum number of statements that have a name, and of names that a connection has prepared before it is closed. */
const maxNames = 300;

/** A statement that was run at least once. */
interface Known {
  /** Null before its second use. */
  name: string | null;
}

/**
 * Runs statements that PostgreSQL keeps prepared per connection, from their second use. PostgreSQL's memory is bounded: a
 * connection that has prepared too many, because clients send ever new queries, is closed and replaced.
 */
export class NamedStatements implements PreparedStatements {
  private readonly known = new LRUCache<string, Known>({ max: maxNames });
  private readonly preparedBy = new WeakMap<PoolClient, Set<string>>();
  private names = 0;

  /** @param pool - returns the pool of an initialized data source */
  constructor(private readonly pool: () => Pool) {}

  async text(text: string, parameters: readonly unknown[]): Promise<string | null> {
    const name = this.nameOf(text);
    const client = await this.pool().connect();
    let isUsable = false;
    try {
      const values = [...parameters];
      const { rows } = await client.query<[string | null]>({
        ...(name !== null && { name }),
        ...{ text, values, rowMode: 'array' },
      });
      isUsable = name === null || this.note(client, name) <= maxNames;
      return rows[0]![0];
    } finally {
      client.release(!isUsable);
    }
  }

  private nameOf(text: string): string | null {
    const known = this.known.get(text);
    if (!known) {
      this.known.set(text, { name: null });
      return null;
    }
    if (known.name === null) {
      this.names += 1;
      known.name = `read_${this.names}`;
    }
    return known.name;
  }

  /** Returns the number of names that the connection has prepared. */
  private note(client: PoolClient, name: string): number {
    const prepared = this.preparedBy.get(client) ?? new Set();
    this.preparedBy.set(client, prepared.add(name));
    return prepared.size;
  }
}
